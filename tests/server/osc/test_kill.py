"""Kill -9 at any moment: every accepted job ends, once, and no stem is ever half there.

BANDMATE_FULL=1 kills 100 times; else 6 times.
"""

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from bandmate_server.errors import ServerError

KILLS = 100 if os.environ.get("BANDMATE_FULL") else 6
NAMES = {"bass.wav", "drums.wav", "guitar.wav", "piano.wav", "other.wav", "manifest.json"}
FRAMES = 8_000


def submit(server: Any, wave: Path, request: str) -> bool:
    """Return whether a request was accepted before the server died."""
    try:
        options = {"position": 1, "track": request}
        return bool(server.connect().separate(wave, 0, FRAMES, options, request) == request)
    except ServerError:
        return False


def whole_or_absent(workdir: Path) -> None:
    """Check that every job that has stems has all of them, readable and of full length."""
    for folder in (workdir / "jobs").glob("*/stems"):
        assert {path.name for path in folder.iterdir()} == NAMES
        for path in folder.glob("*.wav"):
            assert soundfile.info(path).frames == FRAMES
    for mail in (workdir / "inbox").glob("*.tsv"):
        paths = [Path(line.split("\t")[2]) for line in mail.read_text().splitlines()]
        assert len(paths) == 5
        assert all(path.is_file() for path in paths)


def events(folder: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (folder / "log.jsonl").read_text().splitlines()]


def test_jobs_survive_a_server_that_is_killed_at_any_moment(
    serve: Callable[..., Any], make_song: Callable[..., None], music: Path
) -> None:
    rng = random.Random(7)
    make_song(music / "short.wav", 0.3)
    accepted: set[str] = set()
    server = serve()
    for number in range(KILLS):
        for request in (f"kill-{number}-a", f"kill-{number}-b"):
            if submit(server, music / "short.wav", request):
                accepted.add(request)
        time.sleep(rng.expovariate(1 / 0.8))
        server.kill()
        whole_or_absent(server.workdir)
        server = serve()
    client = server.connect()
    for request in sorted(accepted):
        assert client.wait(request)["state"] == "done"
    whole_or_absent(server.workdir)
    assert len(accepted) >= KILLS
    for request in accepted:
        told = events(server.workdir / "jobs" / request)
        assert told.count("queued") <= 1
        assert told.count("done") == 1
        assert "started" not in told[told.index("done") :], "it ran again after its end"
        assert (server.workdir / "inbox" / f"{request}.tsv").is_file()
        assert submit(server, music / "short.wav", request)
    told_again = [events(server.workdir / "jobs" / request).count("done") for request in accepted]
    assert told_again == [1] * len(accepted)
    assert not list((server.workdir / "jobs").glob(".new-*"))


@pytest.fixture
def busy(
    serve: Callable[..., Any], make_slow_song: Callable[..., None], music: Path
) -> tuple[Any, str]:
    """Return a server and its first job, which takes long."""
    make_slow_song(music / "slow.wav")
    server = serve()
    return server, server.connect().separate(music / "slow.wav")


def test_a_killed_server_takes_its_worker_along(
    busy: tuple[Any, str], serve: Callable[..., Any], until: Any
) -> None:
    server, job = busy
    folder = server.workdir / "jobs" / job
    until(lambda: list(folder.glob("work/*/.*.partial/*.wav")))
    server.kill()
    again = serve()  # The lock on the workdir lets it start only once the worker is gone.
    status = again.connect().status(job)
    assert status["state"] in ("queued", "running")
    assert again.connect().cancel(job) in ("cancelled", "running")


def test_a_worker_that_dies_costs_its_job_and_nothing_else(
    busy: tuple[Any, str], music: Path, until: Any
) -> None:
    server, job = busy
    client = server.connect()
    after = client.separate(music / "song.wav")
    until(lambda: client.status(job)["fraction"] > 0)
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    (worker,) = children.read_text().split()
    os.kill(int(worker), 9)
    with pytest.raises(ServerError, match="ended unexpectedly"):
        client.wait(job)
    assert client.wait(after)["state"] == "done"


def test_a_clean_stop_puts_the_running_job_back(
    busy: tuple[Any, str], serve: Callable[..., Any], music: Path, until: Any
) -> None:
    server, running = busy
    client = server.connect()
    queued = client.separate(music / "song.wav")
    until(lambda: client.status(running)["fraction"] > 0)
    assert server.stop() == 0
    assert not (server.workdir / "server.json").exists()
    states = {
        job: json.loads((server.workdir / "jobs" / job / "state.json").read_text())["state"]
        for job in (running, queued)
    }
    assert states == {running: "queued", queued: "queued"}
    client = serve().connect()
    client.cancel(running)
    assert client.wait(queued)["state"] == "done"


def test_a_workdir_has_one_server(serve: Callable[..., Any], server: Any) -> None:
    with pytest.raises(AssertionError, match="another server works in"):
        serve("--workdir", server.workdir)


def test_a_damaged_job_folder_is_reported_and_hinders_nothing(
    serve: Callable[..., Any], music: Path
) -> None:
    server = serve()
    job = server.connect().separate(music / "song.wav", request="hurt")
    server.connect().wait(job)
    server.kill()
    (server.workdir / "jobs" / "hurt" / "state.json").write_text('{"job": "hu')
    (server.workdir / "jobs" / "stray").mkdir()
    client = serve().connect()
    status = client.status("hurt")
    assert status["state"] == "failed"
    assert "damaged" in status["error"]
    assert client.status("stray")["state"] == "failed"
    assert client.wait(client.separate(music / "song.wav"))["state"] == "done"
