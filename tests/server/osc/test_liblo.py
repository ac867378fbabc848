"""A client that is not ours: liblo's oscsend and oscdump."""

import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which("oscsend") is None, reason="liblo-tools is not installed"
)


def oscsend(*arguments: str | int | Path) -> int:
    return subprocess.run(["oscsend", *map(str, arguments)], check=False).returncode


@pytest.mark.parametrize("way", ["udp", "tcp"])
@pytest.mark.parametrize("types", ["sshhs", "ssiis", "ssdds"])
def test_liblo_can_ask_for_a_job(
    server: Any, library: Path, until: Any, way: str, types: str
) -> None:
    request = f"liblo-{way}-{types}"
    song, options = library / "song.wav", '{"position": 480000, "stems": "bass"}'
    url = f"osc.{way}://127.0.0.1:{server.port}"
    arguments = (request, song, 441, 4410, options)
    assert oscsend(url, "/bandmate/separate", types, *arguments) == 0
    mail = until((server.workdir / "inbox" / f"{request}.tsv").is_file)
    assert mail
    status = server.connect().status(request)
    assert [stem["stem"] for stem in status["stems"]] == ["bass", "other"]
    assert {(stem["start"], stem["frames"]) for stem in status["stems"]} == {(441, 4410)}


def test_liblo_reads_our_events(server: Any, library: Path, udp: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dump = subprocess.Popen(["oscdump", "-L", str(port)], stdout=subprocess.PIPE, text=True)
    assert dump.stdout is not None
    try:
        job = server.connect().separate(library / "song.wav")
        udp.ask("/bandmate/subscribe", "s", "r")
        seen: list[str] = []
        while not seen or "/bandmate/done" not in seen[-1]:
            udp.socket.settimeout(120)
            data = udp.socket.recv(65_536)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay:
                relay.sendto(data, ("127.0.0.1", port))
            line = dump.stdout.readline()
            if "/bandmate/" in line:
                seen.append(line)
    finally:
        dump.terminate()
        dump.wait()
        dump.stdout.close()
    stems = [line for line in seen if "/bandmate/stem" in line]
    assert len(stems) == 5
    assert f'/bandmate/done sss "{job}" "done"' in seen[-1]
