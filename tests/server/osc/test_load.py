"""Many clients at once: nothing is lost, mixed up or kept in memory."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_bridge.client import Done, Stem
from bandmate_server.errors import ServerError

CLIENTS, JOBS = 8, 25
GROWTH = 48 << 20  # bytes, over the second half of the jobs
FRAMES = 3_000


def memory(process: int) -> int:
    """Return the resident bytes of a process and its children."""
    status = Path(f"/proc/{process}/status").read_text()
    own = int(status.partition("VmRSS:")[2].split()[0]) << 10
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return own + sum(memory(int(child)) for child in children)


@pytest.mark.slow
def test_eight_clients_with_25_jobs_each_get_every_one_of_their_own(
    serve: Callable[..., Any], music: Path, make_song: Callable[..., None]
) -> None:
    server = serve()
    make_song(music / "long.wav", CLIENTS * JOBS * FRAMES / 44_100 + 1)
    whole, _ = soundfile.read(music / "long.wav", dtype="float32")
    ended: dict[str, str] = {}
    wrong: list[str] = []
    levels: list[int] = []

    def work(number: int) -> None:
        client = server.connect()
        starts = {}
        for index in range(JOBS):
            start = (number * JOBS + index) * FRAMES
            options = {"position": start, "track": f"client {number}"}
            starts[client.separate(music / "long.wav", start, FRAMES, options)] = start
        for job, start in starts.items():
            events = list(client.events(job))
            ended[job] = events[-1].state if isinstance(events[-1], Done) else "?"
            if {event.start for event in events if isinstance(event, Stem)} != {start}:
                wrong.append(f"{job} has stems of another place")
            stems, _ = client.fetch(job)
            if np.abs(sum(stems.values()) - whole[start : start + FRAMES]).max() > 1e-6:
                wrong.append(f"{job} has the sound of another job")
            mail = (server.workdir / "inbox" / f"{job}.tsv").read_text().splitlines()
            if {line.split("\t")[1] for line in mail} != {str(start)}:
                wrong.append(f"{job} has the mail of another job")
            levels.append(memory(server.process.pid))

    threads = [threading.Thread(target=work, args=[number]) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(ended) == CLIENTS * JOBS
    assert set(ended.values()) == {"done"}
    assert max(levels) - levels[len(levels) // 2] < GROWTH
    again = server.connect()
    assert len(again.jobs()) == CLIENTS * JOBS


@pytest.mark.slow
def test_a_full_queue_refuses_with_an_error_and_loses_nothing(
    serve: Callable[..., Any], music: Path, make_slow_song: Callable[..., None]
) -> None:
    make_slow_song(music / "slow.wav")
    client = serve().connect()
    first = client.separate(music / "slow.wav")
    accepted = []
    with pytest.raises(ServerError, match="are waiting") as caught:
        for _ in range(1_100):
            accepted.append(client.separate(music / "song.wav"))
    assert caught.value.code == 503
    assert len(accepted) >= 1_000
    listed = client.status("")
    assert len(listed["jobs"]) + listed["left_out"] == len(accepted) + 1
    assert listed["jobs"][0]["job"] == accepted[-1]
    for job in [first, *accepted]:
        client.cancel(job)
