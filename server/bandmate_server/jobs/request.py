"""What a job is asked to do: the JSON that comes with a request, checked before it is queued."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bandmate_server.errors import RequestError, SettingsError
from bandmate_server.option_kinds import Whole, meant
from bandmate_server.options import (
    END,
    MAX_POSITION,
    POSITION,
    SECONDS,
    START,
    STRENGTH,
    TAKES,
    TASKS,
    TRACK,
    WANTED,
    Task,
    options_of,
)
from bandmate_server.parts.task import PART_TASKS, part_task
from bandmate_server.settings import (
    check_region,
    check_stems,
    check_wanted,
    settings_of,
    take_seeds,
)
from bandmate_server.spec import BACKING, MAX_CHANNELS, OTHER

MAX_OPTIONS = 16 << 10  # characters of JSON
MAX_SUMMED = 64  # files of one sound

PUT = "put:"
WAV, REGION = "wav", ("start", "frames")
ALL = -1  # frames: from the start to the end
JOBS: dict[str, Task] = {f"/bandmate/{task}": task for task in TASKS}  # address -> task
_SAMPLES = Whole(ALL, MAX_POSITION)

Sound = list[list[str]]  # what is summed, each one file or several mono ones, one per channel


@dataclass(frozen=True)
class JobRequest:
    """A request as it is kept in the job's folder.

    arguments: those of the address, without id and options.
    options: as they came, checked.
    """

    req: str
    address: str
    arguments: dict[str, Any]
    options: dict[str, Any]
    created: int = 0  # ns since 1970
    job: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what request.json holds."""
        return {
            "req": self.req,
            "address": self.address,
            "arguments": self.arguments,
            "options": self.options,
            "created": self.created,
            "job": self.job,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> JobRequest:
        """Rebuild from `to_json`.

        Raises:
            ValueError: if it is not one.
        """
        try:
            return cls(**data)
        except TypeError as error:
            raise ValueError(f"not a request: {error}") from error

    @property
    def task(self) -> Task:
        """What its address asks for."""
        return JOBS[self.address]

    @property
    def mail(self) -> Mail | None:
        """Where the DAW wants the result, or None if it did not say."""
        return Mail.of(self.options, self.default_track)

    @property
    def default_track(self) -> str:
        """What new tracks are called after if the request does not say."""
        first = next(iter(self.files), self.task)
        name = first.removeprefix(PUT).replace("\\", "/").rpartition("/")[2]
        return name.rpartition(".")[0] or name

    @property
    def sounds(self) -> dict[str, Sound]:
        """What the request is about: those of its session by role, or one called wav."""
        if WAV in self.arguments:
            return {WAV: self.arguments[WAV]}
        session = self.arguments.get("session", {})
        return {role: sound for role, sound in session.items() if role not in REGION}

    @property
    def files(self) -> list[str]:
        """Every file that the request names."""
        sounds = self.sounds.values()
        return [file for sound in sounds for channels in sound for file in channels]


@dataclass(frozen=True)
class Mail:
    """What the mailbox needs: the track's name and its position in samples."""

    track: str
    position: int

    @classmethod
    def of(cls, options: dict[str, Any], default: str) -> Mail | None:
        """Return what options ask for, or None without a position."""
        try:
            position = POSITION.read(options.get(POSITION.name))
        except SettingsError:
            return None
        track = str(options.get(TRACK.name) or default)
        return None if position is None else cls(track, position)


def read_object(text: str, what: str) -> dict[str, Any]:
    """Return the JSON object in an argument; "" is an empty one.

    Raises:
        RequestError: 400 if it is something else.
    """
    if len(text) > MAX_OPTIONS:
        raise RequestError(413, f"{what} of {len(text)} characters: expected up to {MAX_OPTIONS}")
    if not text.strip():
        return {}
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"{what} is not JSON: {str(error)[:200]}") from error
    if not isinstance(value, dict):
        raise RequestError(400, f"{what} is JSON {text[:80]!r}: expected an object {{...}}")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def read_sound(name: str, value: Any) -> Sound:
    """Return the files of a sound.

    Args:
        name: for errors.
        value: a path or put:NAME; with tabs between them, several mono files that are its
            channels; a list of these is summed.

    Raises:
        RequestError: 400 if it is none of that.
    """
    parts = [value] if isinstance(value, str) else value
    good = isinstance(parts, list) and 1 <= len(parts) <= MAX_SUMMED
    if not good or not all(isinstance(part, str) for part in parts):
        raise RequestError(
            400, f"{name} is {str(value)[:80]!r}: expected a path, put:NAME, or a list of them"
        )
    sound = [part.split("\t") for part in parts]
    if any(len(channels) > MAX_CHANNELS or "" in channels for channels in sound):
        raise RequestError(
            400, f"{name} is {str(value)[:80]!r}: expected 1 to {MAX_CHANNELS} files between tabs"
        )
    return sound


def read_session(text: str, stems: tuple[str, ...]) -> dict[str, Any]:
    """Return a session's sounds and region: {"bass": sound, ..., "start": n, "frames": n}.

    Raises:
        RequestError: 400 if the JSON holds anything else, or no sound.
    """
    session = read_object(text, "session")
    known = (*stems, BACKING, *REGION)
    found: dict[str, Any] = {}
    for key, value in session.items():
        if key not in known:
            raise RequestError(400, f"session has {key[:80]!r}: expected {', '.join(known)}")
        found[key] = _SAMPLES.read(key, value) if key in REGION else read_sound(key, value)
    if not found.keys() - set(REGION):
        raise RequestError(400, f"session names no sound: expected some of {known[:-2]}")
    return found


def read_options(task: Task, text: str) -> dict[str, Any]:
    """Return a task's options from their JSON.

    Raises:
        RequestError: 400 if it is no JSON, or an option is unknown.
        SettingsError: naming the option that is wrong.
    """
    rows, options = options_of(task, "osc"), {}
    for name, value in read_object(text, "options").items():
        if name not in rows:
            hint, known = meant(name, rows), ", ".join(rows)
            raise RequestError(400, f"unknown option {name[:80]!r}: {hint}There are {known}")
        if value is not None:
            options[name] = rows[name].read(value)
    chosen = settings_of(task, options)
    take_seeds(chosen.seed, options.get(TAKES.name, TAKES.default))
    check_region(chosen.start, chosen.end)
    return options


def read_job(address: str, arguments: dict[str, Any], stems: tuple[str, ...]) -> JobRequest:
    """Return the job that a request's arguments ask for, checked as far as no file is needed.

    Args:
        address: of the request.
        arguments: from `routes.check_arguments`.
        stems: that the model knows.

    Raises:
        RequestError: naming what is wrong.
    """
    found: dict[str, Any] = dict(arguments)
    request = str(found.pop("req"))
    try:
        options = read_options(JOBS[address], str(found.pop("options")))
        _read_arguments(found, stems)
        _check_region(found if "frames" in found else found.get("session", {}), options)
        _check_task(JOBS[address], found, options, stems)
    except SettingsError as error:
        raise RequestError(400, str(error)) from error
    return JobRequest(request, address, found, options)


def _read_arguments(found: dict[str, Any], stems: tuple[str, ...]) -> None:
    """Put what arguments stand for in their places.

    Raises:
        RequestError, SettingsError: naming what is wrong.
    """
    if "wav" in found:
        found["wav"] = read_sound("wav", found["wav"])
        if len(found["wav"]) > 1:
            raise RequestError(400, "wav is a list: expected one sound")
    if "session" in found:
        found["session"] = read_session(str(found["session"]), stems)
    for option in (WANTED, SECONDS, STRENGTH):
        if option.name in found:
            found[option.name] = option.read(found[option.name])


def _check_region(region: dict[str, Any], options: dict[str, Any]) -> None:
    """Check a region in samples, and that there is not one in seconds, too.

    Raises:
        SettingsError: naming what is wrong.
    """
    start, frames = region.get("start", 0), region.get("frames", ALL)
    if not (frames == ALL or 1 <= frames <= MAX_POSITION):
        raise SettingsError(f"frames is {frames}: expected 1 or more, or {ALL} (all)")
    if not 0 <= start <= MAX_POSITION:
        raise SettingsError(f"start is {start}: expected 0 or more")
    if options.keys() & {START.name, END.name} and (start, frames) != (0, ALL):
        raise SettingsError(
            f"the region is given twice: {start} and {frames} in samples, and in seconds by the"
            f" options start and end: leave one out (0 and {ALL} samples are all)"
        )


def _check_task(
    task: Task, found: dict[str, Any], options: dict[str, Any], stems: tuple[str, ...]
) -> None:
    """Refuse what the engine would refuse later.

    Raises:
        SettingsError: naming what is wrong.
    """
    if task not in PART_TASKS:
        check_stems(options.get(WANTED.name), stems, OTHER)
        return
    part = part_task(task, found | options)
    check_wanted(part.wanted(stems), stems)
    part.check_given([role for role in found.get("session", {}) if role not in REGION])
