"""What a client is sent about a job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Hello:
    """Who the server is."""

    version: str
    model: str
    workdir: str
    provider: str


@dataclass(frozen=True)
class Progress:
    """A job has come to `fraction` (0 to 1), and is at `stage`."""

    job: str
    stage: str
    fraction: float


@dataclass(frozen=True)
class Stem:
    """A finished stem: a file on the server, and where its region lies in the source."""

    job: str
    stem: str
    wav: str
    start: int
    frames: int
    rate: int
    channels: int


@dataclass(frozen=True)
class Done:
    """The end of a job: done, failed or cancelled; `error` says why it failed."""

    job: str
    state: str
    manifest: str
    error: str


Event = Progress | Stem | Done


def last_events(state: Mapping[str, Any]) -> Iterator[Event]:
    """Yield the last events of a job that has ended, from its status."""
    for stem in state["stems"]:
        facts = {key: value for key, value in stem.items() if key != "take"}
        yield Stem(job=state["job"], **facts)
    yield Done(state["job"], state["state"], state["manifest"] or "", state["error"] or "")
