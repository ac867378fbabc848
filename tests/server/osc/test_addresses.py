"""A server on all the addresses of a host: UDP and TCP, one port."""

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bandmate_bridge.client import connect
from bandmate_server.errors import ServerError
from bandmate_server.osc.endpoints import open_endpoints
from bandmate_server.osc.protocol import decode, encode

TOKEN = "a-token-of-good-length-0123456789"
HELLO = encode("/bandmate/hello", "s", "r")


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


def several(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Have every name resolve to these addresses, as /etc/hosts would."""
    plain = socket.getaddrinfo

    def resolve(host: str, port: int, **rest: Any) -> list[Any]:
        return [entry for address in addresses for entry in plain(address, port, **rest)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["127.0.0.2", "127.0.0.1", "127.0.0.2"],
        pytest.param(["::1", "127.0.0.1"], marks=needs_ipv6),
        pytest.param(["127.0.0.1", "::1"], marks=needs_ipv6),
        pytest.param(["192.0.2.1", "::1", "2001:db8::1"], marks=needs_ipv6),
    ],
)
def test_every_address_of_a_name_has_both_protocols_and_one_port(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    several(monkeypatch, *addresses)
    found = open_endpoints("studio", 0)
    local = [one for one in dict.fromkeys(addresses) if one not in ("192.0.2.1", "2001:db8::1")]
    assert [endpoint.host for endpoint in found] == local
    assert len({endpoint.port for endpoint in found}) == 1
    for endpoint in found:
        assert endpoint.udp.getsockname() == endpoint.tcp.getsockname()
        endpoint.close()


def test_a_port_that_one_address_lacks_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    several(monkeypatch, "127.0.0.1", "127.0.0.2")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.2", 0))
        port = other.getsockname()[1]
        with pytest.raises(ServerError, match=f"cannot listen on studio:{port}: Address already"):
            open_endpoints("studio", port)
    for endpoint in open_endpoints("studio", port):
        endpoint.close()


def test_a_free_port_is_looked_for_until_all_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    several(monkeypatch, "127.0.0.1", "127.0.0.2")
    plain, failures = socket.socket.bind, iter([False, False, False, True])

    def bind(self: socket.socket, address: Any) -> None:
        if next(failures, False):
            raise OSError(errno.EADDRINUSE, "Address already in use")
        plain(self, address)

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "bind", bind)
        found = open_endpoints("studio", 0)
    assert len({endpoint.port for endpoint in found}) == 1
    for endpoint in found:
        endpoint.close()


@pytest.mark.parametrize("host", ["nosuch.invalid", "192.0.2.1", "256.0.0.1", "a" * 300])
def test_hosts_that_are_not_here_are_named(host: str) -> None:
    with pytest.raises(ServerError, match=f"cannot listen on {host}"):
        open_endpoints(host, 0)


def ask(host: str, port: int) -> Any:
    """Return the answer to a datagram."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as endpoint:
        endpoint.settimeout(120)
        endpoint.sendto(encode("/bandmate/hello", "ss", "r", TOKEN), (host, port))
        return decode(endpoint.recv(65_536))


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("localhost", ["127.0.0.1"]),
        ("0.0.0.0", ["127.0.0.1", "127.0.0.2"]),
        pytest.param("::1", ["::1"], marks=needs_ipv6),
        pytest.param("::", ["::1", "127.0.0.1"], marks=needs_ipv6),
    ],
)
def test_a_server_answers_on_every_address(
    serve: Callable[..., Any], tmp_path: Path, host: str, reached: list[str]
) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    server = serve("--host", host, "--token-file", tmp_path / "token")
    about = json.loads((server.workdir / "server.json").read_text())
    for address in (*reached, about["host"]):
        with connect(address, server.port, TOKEN) as client:
            assert client.hello().model == "fake"
        if address != "localhost":
            assert ask(address, server.port).address == "/bandmate/reply"


@needs_ipv6
def test_localhost_means_both_families_where_it_has_both(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Serve with a resolver as on a machine whose /etc/hosts has ::1 first."""
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\n"
        "plain = socket.getaddrinfo\n"
        "def both(host, *rest, **more):\n"
        "    hosts = ['::1', '127.0.0.1'] if host == 'localhost' else [host]\n"
        "    return [one for name in hosts for one in plain(name, *rest, **more)]\n"
        "socket.getaddrinfo = both\n"
    )
    options = f"serve --host localhost --port 0 --workdir {tmp_path}/work --json --model fake"
    process = subprocess.Popen(
        [sys.executable, "-m", "bandmate_bridge.cli", *options.split()],
        env=environment
        | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        for address in ("::1", "127.0.0.1"):
            with connect(address, port) as client:
                assert client.hello().model == "fake"
            assert ask(address, port).address == "/bandmate/reply"
    finally:
        process.terminate()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()
