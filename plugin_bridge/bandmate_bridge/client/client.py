"""A client for the OSC server: submit, follow, cancel, fetch.

    from bandmate_bridge.client import connect

    with connect() as server:
        job = server.separate("song.wav", start=44_100, frames=441_000)
        for event in server.events(job):
            print(event)
        stems, rate = server.fetch(job)  # {"bass": (frames, channels), ...}

The server may be on another machine: files that it cannot read are sent to it.
"""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import ArrayLike

from bandmate_bridge.client import transfer
from bandmate_bridge.client.connection import Connection
from bandmate_bridge.client.events import Done, Event, Hello, Progress, Stem, last_events
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.sources import ArraySource
from bandmate_server.errors import OutputError, ServerError
from bandmate_server.files import write_whole
from bandmate_server.osc.network import DEFAULT_HOST, DEFAULT_PORT, is_loopback
from bandmate_server.osc.protocol import Message
from bandmate_server.osc.routes import REQUESTS, arrange_arguments
from bandmate_server.results.claim import claimed

ANSWER_SECONDS = 10.0
SILENCE_SECONDS = 5.0  # without an event, after which the job's state is asked for
UNREADABLE = (403, 404, 409)  # after which a file is sent: it may have been before

Wave = str | Path | Sequence[str | Path]  # a file, or several that are summed


def connect(
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    token: str | None = None,
    timeout: float = ANSWER_SECONDS,
) -> Client:
    """Connect to a server.

    Args:
        host: its name or address.
        port: its port.
        token: needed by servers that other machines can reach.
        timeout: seconds that an answer may take.

    Raises:
        ServerError: if nobody answers there.
    """
    return Client(Connection(host, port, token, timeout), is_loopback(host))


class Client:
    """Talks to a server; a context manager, for one thread.

    Args:
        connection: to the server.
        shares_disk: whether paths here may mean the same there.
    """

    def __init__(self, connection: Connection, shares_disk: bool):
        self._connection, self._shares_disk = connection, shares_disk
        self._followed: set[str] = set()
        self._subscribed = False
        self._waiting: dict[str, list[Event]] = {}

    def __enter__(self) -> Client:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; jobs go on."""
        self._connection.close()

    def hello(self) -> Hello:
        """Ask who is there.

        Raises:
            ServerError: if the server refuses or does not answer, as in all that follows.
        """
        return Hello(*(str(value) for value in self._connection.ask("/bandmate/hello", "")))

    def separate(
        self,
        wav: Wave,
        start: int = 0,
        frames: int = -1,
        options: Mapping[str, Any] | None = None,
        request: str | None = None,
    ) -> str:
        """Have the stems of a region made and return the job.

        Args:
            wav: file here, path there, or put:NAME.
            start: of the region, in samples of the file.
            frames: of the region; -1 is all from the start on.
            options: as of `bandmate separate`, and `track` and `position` for the mailbox.
            request: id, to ask for the same job again; None makes a new one.
        """
        region = {"start": start, "frames": frames}
        return self.submit("separate", region, {"wav": wav}, options, request)

    def add(
        self,
        stems: Sequence[str],
        session: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        request: str | None = None,
    ) -> str:
        """Have stems made that go with those of a session, and return the job.

        Args:
            stems: wanted.
            session: stem (or "backing") -> file, files that are summed; start, frames.
            options: as of `bandmate add`, and those of the mailbox.
            request: id, to ask for the same job again.
        """
        return self.submit("add", {"stems": stems}, session, options, request)

    def fill(
        self,
        stem: str,
        session: Mapping[str, Any],
        start: int,
        frames: int,
        options: Mapping[str, Any] | None = None,
        request: str | None = None,
    ) -> str:
        """Have a range of one stem made again and return the job; see `add`."""
        arguments = {"stem": stem, "start": start, "frames": frames}
        return self.submit("fill", arguments, session, options, request)

    def vary(
        self,
        stem: str,
        session: Mapping[str, Any],
        strength: float,
        options: Mapping[str, Any] | None = None,
        request: str | None = None,
    ) -> str:
        """Have another take of a stem made and return the job; see `add`."""
        arguments = {"stem": stem, "strength": strength}
        return self.submit("vary", arguments, session, options, request)

    def generate(
        self,
        seconds: float,
        options: Mapping[str, Any] | None = None,
        request: str | None = None,
    ) -> str:
        """Have stems made out of nothing and return the job."""
        return self.submit("generate", {"seconds": seconds}, {}, options, request)

    def submit(
        self,
        task: str,
        arguments: Mapping[str, Any],
        sounds: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        request: str | None = None,
    ) -> str:
        """Have a task done and return the job; files that the server cannot read are sent.

        Args:
            task: "separate", "add", "fill", "vary" or "generate".
            arguments: of its address, by name; those that it does not have are left out.
            sounds: what it is done to: "wav", or the session's stems and region.
            options: as of the command.
            request: id, to ask for the same job again.
        """
        address, name = f"/bandmate/{task}", request or uuid.uuid4().hex
        arguments = {**arguments, "options": json.dumps(dict(options or {}))}
        try:
            return self._ask_for_job(address, arguments, self._named(sounds), name)
        except ServerError as error:
            if error.code not in UNREADABLE:
                raise
        return self._ask_for_job(address, arguments, self._sent(sounds), name)

    def stems(self, task: str) -> tuple[str, ...]:
        """Return the stems that the server's model of a task knows."""
        return tuple(self.status("")["stems"][task])

    def cancel(self, job: str) -> str:
        """Stop a job and return its state so far; a running one stops at its next step."""
        return str(self._connection.ask("/bandmate/cancel", "s", job)[1])

    def status(self, job: str) -> dict[str, Any]:
        """Return a job's state, stage, fraction, stems and error."""
        text = str(self._connection.ask("/bandmate/status", "s", job)[1])
        return dict(json.loads(text))

    def jobs(self) -> list[dict[str, Any]]:
        """Return state, stage, fraction and error of the newest jobs, as many as fit a reply."""
        return list(self.status("")["jobs"])

    def subscribe(self, port: int, host: str = "") -> None:
        """Have events of all jobs, and all replies, sent to a UDP port of another program.

        Args:
            port: where it listens.
            host: where it runs; "" is here. Not on the server's machine, that needs a token.
        """
        self._connection.ask("/bandmate/subscribe", "si" if host else "i", *_listener(host, port))

    def unsubscribe(self, port: int, host: str = "") -> None:
        """Have them sent there no more; see `subscribe`."""
        self._connection.ask("/bandmate/unsubscribe", "si" if host else "i", *_listener(host, port))

    def events(self, job: str) -> Iterator[Event]:
        """Yield what happens to a job, ending with its Done; also of jobs of other clients."""
        if job not in self._followed and not self._subscribed:
            self._connection.ask("/bandmate/subscribe", "")
            self._subscribed = True
        self._followed.add(job)
        state = self.status(job)
        while True:
            for event in self._waiting.pop(job, []):
                yield event
                if isinstance(event, Done):
                    return
            if state["state"] in ("done", "failed", "cancelled"):
                yield from last_events(state)
                return
            message = self._connection.next_event(SILENCE_SECONDS)
            if message is None:
                state = self.status(job)
            else:
                self._sort(message)

    def wait(self, job: str) -> dict[str, Any]:
        """Wait for a job and return its status.

        Raises:
            ServerError: if it failed or was cancelled.
        """
        for event in self.events(job):
            if isinstance(event, Done) and event.state != "done":
                raise ServerError(event.error or event.state)
        return self.status(job)

    def put(self, data: bytes, suffix: str = ".wav") -> str:
        """Send the bytes of an audio file and return the put:NAME that stands for it.

        What is there already is not sent again; an upload that was cut off goes on.
        """
        return transfer.put(self._connection, data, suffix)

    def put_audio(self, audio: ArrayLike, sample_rate: int) -> str:
        """Send audio (frames, channels) or (frames,) as 32-bit float and return its put:NAME."""
        source, file = ArraySource(audio, sample_rate), io.BytesIO()
        soundfile.write(file, source.read(0, source.frames), source.rate, "FLOAT", format="WAV")
        return self.put(file.getvalue())

    def get(self, name: str) -> bytes:
        """Return the bytes of put:NAME, or of JOB/bass.wav and the like.

        Raises:
            ServerError: if it is not there, or changed under way.
        """
        return transfer.get(self._connection, name)

    def fetch(self, job: str, take: int = 1) -> tuple[dict[str, FloatArray], int]:
        """Return a finished job's stems, stem -> (frames, channels) float32, and their rate."""
        found, rate = {}, 0
        for stem in self._stems(job):
            if stem["take"] != take:
                continue
            audio, rate = soundfile.read(
                io.BytesIO(self._contents(job, stem["wav"])), dtype="float32", always_2d=True
            )
            found[stem["stem"]] = np.asarray(audio, np.float32)
        return found, rate

    def fetch_files(self, job: str, folder: Path, *, force: bool = False) -> list[Path]:
        """Copy a finished job's stems and manifests to a folder and return the files.

        Args:
            job: that is done.
            folder: made if missing; several takes go into folders of their own in it.
            force: replace files of these names.

        Raises:
            OutputError: if files are there already, or cannot be written.
        """
        wanted = [s[key] for s in self._stems(job) for key in ("wav", "midi") if key in s]
        takes = sorted({wav.rpartition("/")[0] for wav in wanted})
        files = {folder / _place(job, wav): wav for wav in wanted}
        files |= {
            folder / _place(job, f"{take}/manifest.json"): f"{take}/manifest.json" for take in takes
        }
        with claimed(folder):
            there = [str(file) for file in files if file.exists()]
            if there and not force:
                raise OutputError(f"{there[0]} is there already: use --force to replace it")
            for file, wav in files.items():
                try:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    write_whole(file, self._contents(job, wav))
                except OSError as error:
                    raise OutputError(f"cannot write {file}: {error.strerror}") from error
        return list(files)

    def _contents(self, job: str, wav: str) -> bytes:
        return self.get(f"{job}/{_place(job, wav)}")

    def _stems(self, job: str) -> list[dict[str, Any]]:
        status = self.status(job)
        if status["state"] != "done":
            why = status["error"] or "not done yet"
            raise ServerError(f"job {job} is {status['state']}: {why}")
        found: list[dict[str, Any]] = status["stems"]
        return found

    def _ask_for_job(
        self, address: str, arguments: Mapping[str, Any], sounds: Mapping[str, Any], request: str
    ) -> str:
        """Send what the address takes of arguments and sounds, in its order."""
        sound = {"wav": sounds["wav"][0]} if "wav" in sounds else {"session": json.dumps(sounds)}
        types, values = arrange_arguments(REQUESTS[address], {**arguments, **sound})
        job = str(self._connection.ask(address, types, *values, request=request)[0])
        self._followed.add(job)
        return job

    def _named(self, sounds: Mapping[str, Any]) -> dict[str, Any]:
        """Return sounds with files by their paths, if the server may see our disk."""
        if not self._shares_disk:
            return self._sent(sounds)
        return {key: _each(value, _absolute) for key, value in sounds.items()}

    def _sent(self, sounds: Mapping[str, Any]) -> dict[str, Any]:
        """Return sounds with our files sent; what is not here is left to the server to refuse."""
        return {key: _each(value, self._send_file) for key, value in sounds.items()}

    def _send_file(self, file: str) -> str:
        path = Path(file)
        if file.startswith("put:"):
            return file
        if not path.is_file():
            if path.is_absolute() and not self._shares_disk:  # It may be the server's.
                return file
            words = "is a folder: expected an audio file" if path.is_dir() else "does not exist"
            raise ServerError(f"{file} {words}", 404)
        return self.put(path.read_bytes(), path.suffix)

    def _sort(self, message: Message) -> None:
        """Put an event to those of its job."""
        values: Any = message.values
        if message.address == "/bandmate/progress":
            self._add(Progress(*values))
        elif message.address == "/bandmate/stem":
            self._add(Stem(*values))
        elif message.address == "/bandmate/done":
            job, state, manifest = values
            why = self.status(job)["error"] if state != "done" else None
            self._add(Done(job, state, manifest, why or ""))

    def _add(self, event: Event) -> None:
        if event.job in self._followed:
            self._waiting.setdefault(event.job, []).append(event)


def _each(value: Any, change: Any) -> Any:
    """Apply a change to every file of a sound; numbers stay."""
    if isinstance(value, int):
        return value
    files = [value] if isinstance(value, (str, Path)) else value
    return ["\t".join(change(part) for part in str(file).split("\t")) for file in files]


def _listener(host: str, port: int) -> list[str | int]:
    return [host, port] if host else [port]


def _absolute(file: str) -> str:
    return file if file.startswith("put:") else str(Path(file).absolute())


def _place(job: str, wav: str) -> str:
    """Return where a stem lies within its job's stems: bass.wav, or take-2/bass.wav."""
    return wav.replace("\\", "/").rpartition(f"/{job}/stems/")[2]
