"""`bandmate send` against a real server, and `bandmate serve` as a command."""

import json
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

NAMES = {"bass", "drums", "guitar", "piano", "other"}


@pytest.fixture
def send(bandmate: Callable[..., Any], server: Any) -> Callable[..., Any]:
    """Return a function that runs `bandmate send ... --port N` in the test's folder."""

    def run(*arguments: str | Path, port: int = server.port) -> Any:
        return bandmate("send", *arguments, f"--port={port}")

    return run


def test_a_song_is_sent_and_its_stems_are_fetched(
    send: Callable[..., Any], library: Path, tmp_path: Path
) -> None:
    ran = send("separate", library / "song.wav", "--start", "0.5", "--end", "1", "--out", "out")
    assert ran.status == 0, ran.errors
    assert {path.stem for path in (tmp_path / "out").glob("*.wav")} == NAMES
    assert soundfile.info(tmp_path / "out" / "bass.wav").frames == 22_050
    assert (tmp_path / "out" / "manifest.json").is_file()
    again = send("separate", library / "song.wav", "--out", "out")
    assert again.status == 1
    assert "--force" in again.errors[0]
    assert send("separate", library / "song.wav", "--out", "out", "--force").status == 0


def test_a_job_is_left_to_itself_and_looked_at_later(
    send: Callable[..., Any], server: Any, library: Path, until: Callable[..., Any]
) -> None:
    mail = ["--position", "48000", "--track", "Gtr", "--request", "send-1"]
    ran = send("separate", library / "song.wav", "--no-wait", "--json", "--stems", "bass", *mail)
    assert ran.json["job"] == "send-1"
    lines = until(lambda: (server.workdir / "inbox" / "send-1.tsv").is_file())
    assert lines
    status = send("status", "send-1", "--json").json
    assert (status["state"], status["fraction"]) == ("done", 1.0)
    assert "send-1  separate  done  100%" in send("status").out
    assert send("cancel", "send-1").out == "send-1: done\n"


def test_a_part_is_asked_for(
    send: Callable[..., Any], library: Path, tmp_path: Path, make_song: Callable[..., None]
) -> None:
    for seed, stem in enumerate(("bass", "drums")):
        make_song(library / f"{stem}.wav", 1.0, 1, seed)
    files = [library / "bass.wav", library / "drums.wav"]
    assert send("add", "guitar", "--to", *files, "--out", "new", "--steps", "1").status == 0
    assert soundfile.info(tmp_path / "new" / "guitar.wav").frames == 44_100
    region = ["--start", "0.25", "--end", "0.75", "--steps", "1"]
    assert send("fill", "bass", "--in", *files, *region, "--out", "fill").status == 0
    assert soundfile.info(tmp_path / "fill" / "bass.wav").frames == 22_050
    vary = ["vary", files[0], "--strength", "0.5", "--to", files[1], "--steps", "1"]
    assert send(*vary, "--out", "vary").status == 0
    assert (tmp_path / "vary" / "bass.wav").is_file()
    made = ["generate", "--seconds", "1", "--stems", "bass", "--steps", "1", "--out", "made"]
    assert send(*made).status == 0
    assert soundfile.info(tmp_path / "made" / "bass.wav").samplerate == 44_100


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["separate", "/gone.wav"], 1, "/gone.wav"),
        (["separate", "x.wav", "--out", "d", "--no-wait"], 2, "--no-wait"),
        (["separate", "x.wav", "--start", "1"], 2, "a file that is here"),
        (["fill", "bass", "--in", "bass=x.wav"], 2, "fill needs the range"),
        (["status", "nosuch"], 1, "no job"),
        (["separate", "nope.wav"], 1, "nope.wav does not exist"),
        (["nosuch"], 2, "nosuch"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    send: Callable[..., Any], arguments: list[str], status: int, words: str
) -> None:
    ran = send(*arguments)
    assert ran.status == status
    assert len(ran.errors) == 1
    assert words in ran.errors[0]


def test_a_file_that_is_not_there_is_said_to_be_missing(send: Callable[..., Any]) -> None:
    ran = send("separate", "nope.wav")
    assert ran.status == 1
    assert ran.errors == ["bandmate: error: nope.wav does not exist"]


def test_a_server_that_is_not_there_is_named_with_a_way_out(send: Callable[..., Any]) -> None:
    ran = send("status", port=1)
    assert ran.status == 1
    assert "127.0.0.1:1" in ran.errors[0]
    assert "bandmate serve" in ran.errors[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_stops_cleanly(serve: Callable[..., Any], number: int) -> None:
    server = serve()
    about = json.loads((server.workdir / "server.json").read_text())
    assert (about["pid"], about["port"]) == (server.process.pid, server.port)
    server.process.send_signal(number)
    assert server.process.wait(60) == 0
    log = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert {"time", "level", "from", "event"} <= log[-1].keys()
    assert not (server.workdir / "server.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "nosuch"], "nosuch"),
        (["--port", "99999"], "no port"),
        (["--host", "256.1.1.1", "--token-file", "/dev/null"], "/dev/null is empty"),
        (["--token-file", "/gone"], "/gone"),
    ],
)
def test_a_server_that_cannot_start_says_why(
    serve: Callable[..., Any], arguments: list[str], words: str
) -> None:
    with pytest.raises(AssertionError, match=words):
        serve(*arguments)


def test_a_port_that_is_taken_is_named(serve: Callable[..., Any], server: Any) -> None:
    with pytest.raises(AssertionError, match=f"cannot listen on 127.0.0.1:{server.port}"):
        serve("--port", str(server.port))


def test_a_model_that_vanishes_fails_jobs_and_not_the_server(
    serve: Callable[..., Any], fake_bundle: Path, music: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    for file in fake_bundle.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "denoiser.onnx").write_bytes(b"broken")
    client = serve("--model", folder).connect()
    with pytest.raises(Exception, match=r"denoiser\.onnx"):
        client.wait(client.separate(music / "song.wav"))
    (folder / "denoiser.onnx").write_bytes((fake_bundle / "denoiser.onnx").read_bytes())
    assert client.wait(client.separate(music / "song.wav"))["state"] == "done"


def test_an_input_that_is_deleted_before_its_turn_fails_its_job_alone(
    serve: Callable[..., Any], music: Path, make_slow_song: Callable[..., None]
) -> None:
    make_slow_song(music / "slow.wav")
    client = serve().connect()
    slow = client.separate(music / "slow.wav")
    doomed = client.separate(music / "song.wav")
    (music / "song.wav").unlink()
    client.cancel(slow)
    with pytest.raises(Exception, match=r"song\.wav cannot be read: No such file"):
        client.wait(doomed)
    assert client.hello().model == "fake"


@pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="a running process is limited by Linux"
)
def test_a_disk_that_is_full_fails_its_job_and_not_the_server(
    serve: Callable[..., Any], music: Path
) -> None:
    server = serve()
    client = server.connect()
    assert client.wait(client.separate(music / "song.wav"))["state"] == "done"
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    processes = [server.process.pid, *map(int, children.read_text().split())]
    assert len(processes) > 1
    least = 100_000  # bytes a file may have: enough for all that a job notes, for no stem
    for process in processes:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (least, resource.RLIM_INFINITY))
    doomed = client.separate(music / "song.wav", options={"seed": 2})
    with pytest.raises(Exception, match=r"cannot write .*\.wav") as failure:
        client.wait(doomed)
    assert "\n" not in str(failure.value)
    left = list((server.workdir / "jobs" / doomed).rglob("*.wav"))
    assert left == [], "half a file that only takes up space"
    for process in processes:
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(process, resource.RLIMIT_FSIZE, unlimited)
    again = client.separate(music / "song.wav", options={"seed": 2})
    assert client.wait(again)["state"] == "done"
