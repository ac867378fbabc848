"""`serve --ensure`: one server of this user in the background, whoever asks, and its end."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bandmate_bridge.client import Client, connect
from bandmate_bridge.client.connection import Connection
from bandmate_server.errors import ServerError

PATIENCE = 120.0  # s
FRAMES = 8_000


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@dataclass
class Musician:
    """Somebody whose DAW calls `serve --ensure`."""

    variables: dict[str, str]
    workdir: Path
    port: int

    def command(self, *arguments: str | Path) -> list[str]:
        words = ["--ensure", "--workdir", self.workdir, "--port", self.port, *arguments]
        program = [sys.executable, "-m", "bandmate_bridge.cli", "serve"]
        options = ["--model", "fake", "--device", "cpu", "--threads", "1", "--json"]
        return [*program, *map(str, words), *options]

    def ask(self, *arguments: str | Path, **more: Any) -> dict[str, Any]:
        """Call it and return what it says."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            **more,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        found["status"], found["stderr"] = done.returncode, done.stderr
        return found

    def about(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.workdir / "server.json").read_text())
        return found

    def client(self) -> Client:
        return connect(port=self.port, timeout=PATIENCE)


def alive(process: int) -> bool:
    """Return whether a process, that need not be a child of ours, runs."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def musician(
    environment: dict[str, str], tmp_path: Path, until: Callable[..., Any]
) -> Iterator[Musician]:
    found = Musician(environment, tmp_path / "work", free_port())
    yield found
    if (found.workdir / "server.json").exists():
        process = found.about()["pid"]
        os.kill(process, signal.SIGKILL)
        until(lambda: not alive(process))


def test_a_server_is_started_apart_from_who_asks_and_found_the_next_time(
    musician: Musician, tmp_path: Path
) -> None:
    held, hold = os.pipe()  # What a DAW has open must not stay open in the server.
    with socket.socket() as daw_port:
        daw_port.bind(("127.0.0.1", 0))
        first = musician.ask(pass_fds=[held, hold, daw_port.fileno()], cwd=tmp_path)
    os.close(hold)
    assert first["status"] == 0, first
    assert first["started"] is True
    process = first["pid"]
    assert os.getsid(process) == process, "it has no session of its own"
    assert os.read(held, 1) == b"", "the server holds the DAW's pipe open"
    os.close(held)
    assert Path(f"/proc/{process}/cwd").readlink() == musician.workdir
    files = {Path(f"/proc/{process}/fd/{number}").resolve() for number in range(3)}
    assert files == {Path("/dev/null"), musician.workdir / "log" / "server.log"}
    parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    assert parent != os.getpid()
    began = time.monotonic()
    second = musician.ask()
    assert time.monotonic() - began < 5
    assert second == {**first, "started": False}


def test_what_a_daw_blocks_and_its_end_do_not_reach_the_server(musician: Musician) -> None:
    def blocked() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])

    shell = ["sh", "-c", '"$@"; kill -9 $$', "daw", *musician.command()]
    done = subprocess.run(
        shell,
        env=musician.variables,
        stdout=subprocess.PIPE,
        timeout=PATIENCE,
        start_new_session=True,
        preexec_fn=blocked,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    process = json.loads(done.stdout)["pid"]
    with musician.client() as client:
        assert client.hello().workdir == str(musician.workdir)
    os.kill(process, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while alive(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(process)
    assert not (musician.workdir / "server.json").exists()


def test_daws_that_ask_at_the_same_moment_get_one_server(musician: Musician) -> None:
    answers: list[dict[str, Any]] = []
    asking = [threading.Thread(target=lambda: answers.append(musician.ask())) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert [answer["status"] for answer in answers] == [0] * 4, answers
    assert len({answer["pid"] for answer in answers}) == 1
    assert sum(answer["started"] for answer in answers) == 1


def test_a_running_server_allows_what_is_asked_for_and_nothing_beside_it(
    musician: Musician, music: Path, tmp_path: Path, make_song: Callable[..., None]
) -> None:
    assert musician.ask()["status"] == 0
    other = tmp_path / "other"
    other.mkdir()
    make_song(other / "song.wav")
    (music / "out.wav").symlink_to(other / "song.wav")
    line = Connection("127.0.0.1", musician.port, None, PATIENCE)

    def ask_for(name: str) -> str | int:
        """Return the job, or the code of the refusal."""
        try:
            arguments = (str(music / name), 0, FRAMES, "")
            return str(line.ask("/bandmate/separate", "shhs", *arguments)[0])
        except ServerError as error:
            return error.code

    assert ask_for("song.wav") == 403
    assert musician.ask("--allow", music)["started"] is False
    assert ask_for("out.wav") == ask_for("../other/song.wav") == 403
    job = ask_for("song.wav")
    line.close()
    with musician.client() as client:
        assert client.wait(str(job))["state"] == "done"


def test_a_folder_stays_allowed_when_the_server_is_killed_and_asked_for_again(
    musician: Musician, music: Path
) -> None:
    first = musician.ask("--allow", music)
    os.kill(first["pid"], signal.SIGKILL)
    second = musician.ask()
    assert (second["status"], second["started"]) == (0, True), second
    with musician.client() as client:
        assert client.wait(client.separate(music / "song.wav", 0, FRAMES))["state"] == "done"


@pytest.mark.parametrize("damage", ["writable", "link", "nonsense", "moved"])
def test_an_allow_file_that_others_could_have_written_allows_nothing(
    damage: str, musician: Musician, music: Path, tmp_path: Path
) -> None:
    first = musician.ask("--allow", music)
    os.kill(first["pid"], signal.SIGTERM)
    while alive(first["pid"]):
        time.sleep(0.02)
    file = musician.workdir / "allow.json"
    assert file.stat().st_mode & 0o077 == 0
    if damage == "writable":
        file.chmod(0o666)
    elif damage == "link":
        file.rename(tmp_path / "elsewhere.json")
        file.symlink_to(tmp_path / "elsewhere.json")
    elif damage == "nonsense":
        file.write_text('{"folders": [1, 2], "asked": "x"}')
    else:  # The folder is now a link to somewhere else.
        music.rename(tmp_path / "else")
        music.symlink_to(tmp_path / "else")
    assert musician.ask()["status"] == 0
    assert musician.about()["allow"] == [str(musician.workdir)]


def test_a_server_that_strangers_can_reach_reads_no_more_than_it_was_started_with(
    serve: Callable[..., Any], musician: Musician, music: Path, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("a secret of sixteen and more")
    server = serve("--token-file", token)
    musician.workdir, musician.port = server.workdir, server.port
    other = tmp_path / "other"
    other.mkdir()
    refused = musician.ask("--allow", other)
    assert refused["status"] == 1
    assert "token" in refused["error"]
    refused = musician.ask("--allow", other, "--token-file", token)
    assert refused["status"] == 1
    assert f"does not allow {other}" in refused["error"]
    assert musician.ask("--allow", music, "--token-file", token)["status"] == 0


def test_an_idle_server_ends_though_it_is_looked_at_and_its_jobs_survive(
    musician: Musician, music: Path, until: Callable[..., Any]
) -> None:
    first = musician.ask("--allow", music, "--idle-timeout", "3")
    client = musician.client()
    job = client.separate(music / "song.wav", 0, FRAMES)
    client.wait(job)
    finished = time.monotonic()

    def looked_at_to_the_end() -> bool:
        try:
            client.status(job)
            return False
        except ServerError:
            return True

    until(looked_at_to_the_end, 30)
    assert time.monotonic() - finished > 2
    client.close()
    until(lambda: not alive(first["pid"]))
    assert "nothing was asked for in 3 s" in (musician.workdir / "log/server.log").read_text()
    again = musician.ask()
    assert again["started"] is True
    with musician.client() as other:
        assert other.status(job)["state"] == "done"


def test_a_server_that_works_is_not_idle(
    musician: Musician, music: Path, make_slow_song: Callable[[Path], None]
) -> None:
    make_slow_song(music / "slow.wav")
    first = musician.ask("--allow", music, "--idle-timeout", "1")
    with musician.client() as client:
        job = client.separate(music / "slow.wav")
        time.sleep(3)
        assert alive(first["pid"])
        assert client.status(job)["state"] == "running"


def test_a_port_that_another_program_has_is_said(musician: Musician) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", musician.port))
        other.listen()
        refused = musician.ask()
    assert refused["status"] == 1
    assert f"port {musician.port} is taken by another program" in refused["error"]


def test_a_port_whose_datagrams_another_program_has_is_said(musician: Musician) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", musician.port))
        refused = musician.ask()
    assert refused["status"] == 1
    assert "cannot listen" in refused["error"]
    assert "in use" in refused["error"]


def test_another_servers_port_is_said(
    serve: Callable[..., Any], musician: Musician, tmp_path: Path
) -> None:
    server = serve()
    musician.workdir, musician.port = tmp_path / "mine", server.port
    refused = musician.ask()
    assert refused["status"] == 1
    assert f"works in {server.workdir} has port {server.port}" in refused["error"]


def test_a_server_of_another_version_is_said(musician: Musician) -> None:
    first = musician.ask()
    about = musician.about() | {"version": "0.0.7"}
    (musician.workdir / "server.json").write_text(json.dumps(about))
    refused = musician.ask()
    assert refused["status"] == 1
    assert "is bandmate 0.0.7" in refused["error"]
    assert f"end process {first['pid']}" in refused["error"]


def test_a_server_that_hangs_is_said(musician: Musician) -> None:
    first = musician.ask()
    os.kill(first["pid"], signal.SIGSTOP)
    try:
        refused = musician.ask()
    finally:
        os.kill(first["pid"], signal.SIGCONT)
    assert refused["status"] == 1
    assert f"(process {first['pid']}) cannot be used" in refused["error"]


def test_a_stale_server_file_hinders_nothing(musician: Musician) -> None:
    musician.workdir.mkdir()
    stale = {"pid": os.getpid(), "host": "127.0.0.1", "port": free_port(), "version": "0.0.1"}
    (musician.workdir / "server.json").write_text(json.dumps(stale))
    assert musician.ask()["started"] is True


def test_what_cannot_be_is_refused_at_once(musician: Musician, tmp_path: Path) -> None:
    refused = musician.ask("--allow", tmp_path / "nowhere")
    assert refused["status"] == 1
    assert "nowhere is no folder" in refused["error"]
    refused = musician.ask("--host", "0.0.0.0")
    assert refused["status"] == 1
    assert "this machine alone" in refused["error"]
    assert not (musician.workdir / "server.json").exists()


def test_a_server_that_may_read_nothing_says_so(
    environment: dict[str, str], tmp_path: Path, serve: Callable[..., Any]
) -> None:
    log = tmp_path / "server.log"
    serve()
    assert "no folder is allowed" not in log.read_text()
    command = [sys.executable, "-m", "bandmate_bridge.cli", "serve", "--json", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--workdir", str(tmp_path / "bare"), "--model", "fake"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.terminate()
    words = process.communicate(timeout=PATIENCE)[1]
    assert "warning: no folder is allowed" in words
    assert f"{tmp_path / 'bare' / 'put'} can be used; see --allow" in words
