"""What a job is asked to do: the JSON that comes with a request, checked before it is queued."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bandmate_server.errors import RequestError, SettingsError
from bandmate_server.protocol import Value
from bandmate_server.settings import (
    PartSettings,
    SeparateSettings,
    check_added,
    check_names,
    check_seconds,
    check_strength,
    check_wanted,
)
from bandmate_server.spec import BACKING, OTHER

MAX_OPTIONS = 16 << 10  # characters of JSON
MAX_TAKES = 16
MAX_NAME = 200  # characters of a track name
MAX_SUMMED = 64  # files of one sound
MAX_CHANNELS = 8

PUT = "put:"
REGION = ("start", "frames")

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
    def task(self) -> str:
        """The last part of the address."""
        return self.address.rpartition("/")[2]

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
    def files(self) -> list[str]:
        """Every file that the request names."""
        session = self.arguments.get("session", {})
        sounds = [sound for key, sound in session.items() if key not in REGION]
        sounds += [self.arguments.get("wav", [])]
        return [file for sound in sounds for channels in sound for file in channels]


@dataclass(frozen=True)
class Mail:
    """What the mailbox needs: the track's name and its position in samples."""

    track: str
    position: int

    @classmethod
    def of(cls, options: dict[str, Any], default: str) -> Mail | None:
        """Return what options ask for, or None without a position."""
        position = options.get("position")
        if isinstance(position, float) and position.is_integer():
            position = int(position)
        if isinstance(position, bool) or not isinstance(position, int):
            return None
        return cls(str(options.get("track") or default), position)


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


def _whole(low: int, high: int) -> Callable[[str, Any], int]:
    """Return a check for whole numbers, also as floats, as some JSON writers have them."""

    def check(name: str, value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise RequestError(400, f"{name} is {str(value)[:80]}: expected {low} to {high}")
        return value

    return check


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RequestError(400, f"{name} is {str(value)[:80]!r}: expected a number")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise RequestError(400, f"{name} is too large for a number")
    return found


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_NAME:
        shown = str(value)[:80]
        raise RequestError(400, f"{name} is {shown!r}: expected up to {MAX_NAME} characters")
    return value


def _bits(name: str, value: Any) -> str:
    return _text(name, str(value) if value in (16, 24) else value)


def read_stems(name: str, value: Any) -> list[str]:
    """Return stems given as "bass,drums" or a list.

    Raises:
        RequestError: 400 if it is neither.
    """
    if isinstance(value, str):
        value = [word.strip() for word in value.split(",") if word.strip()]
    if not isinstance(value, list) or not value or len(value) > 16:
        raise RequestError(400, f"{name} is {str(value)[:80]!r}: expected stems as in bass,drums")
    return [_text(name, stem) for stem in value]


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
        if key in REGION:
            found[key] = _whole(-1 if key == "frames" else 0, 2**62)(key, value)
        else:
            found[key] = read_sound(key, value)
    if not found.keys() - set(REGION):
        raise RequestError(400, f"session names no sound: expected some of {known[:-2]}")
    return found


@dataclass(frozen=True)
class Options:
    """Checks of a task's options: by name, and all together."""

    checks: dict[str, Callable[[str, Any], Any]] = field(default_factory=dict)
    together: Callable[[dict[str, Any]], object] = dict

    def read(self, text: str) -> dict[str, Any]:
        """Return options from their JSON.

        Raises:
            RequestError: 400 naming the option that is wrong.
        """
        options = {}
        for name, value in read_object(text, "options").items():
            if name not in self.checks:
                near = difflib.get_close_matches(name, self.checks, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                known = ", ".join(self.checks)
                raise RequestError(400, f"unknown option {name[:80]!r}: {hint}There are {known}")
            if value is not None:
                options[name] = self.checks[name](name, value)
        try:
            self.together(options)
        except SettingsError as error:
            raise RequestError(400, str(error)) from error
        return options


MAIL_OPTIONS = {"track": _text, "position": _whole(0, 2**62)}
FILE_OPTIONS = {"takes": _whole(1, MAX_TAKES), "format": _text, "bit_depth": _bits}
SAMPLING_OPTIONS = {
    "steps": _whole(0, 999),
    "solver": _text,
    "guidance": _number,
    "eta": _number,
    "seed": _whole(0, 2**63 - 1 - MAX_TAKES),
}


def separate_settings(options: dict[str, Any]) -> SeparateSettings:
    """Return the engine's settings that options stand for.

    Raises:
        SettingsError: if a value is out of its range.
    """
    names = ("render", "steps", "solver", "guidance", "eta", "seed", "format", "bit_depth")
    chosen = {name: options[name] for name in names if name in options}
    if "stems" in options:
        chosen["stems"] = tuple(options["stems"])
    return SeparateSettings(**chosen)


def part_settings(options: dict[str, Any]) -> PartSettings:
    """Return the engine's settings of a new part that options stand for.

    Raises:
        SettingsError: if a value is out of its range.
    """
    names = [*SAMPLING_OPTIONS, *FILE_OPTIONS, "drafts", "resample"]
    return PartSettings(**{name: options[name] for name in names if name in options})


_COMMON_OPTIONS = SAMPLING_OPTIONS | FILE_OPTIONS | MAIL_OPTIONS
_PART = Options(
    {"drafts": _whole(1, 100), "resample": _whole(1, 100)} | _COMMON_OPTIONS, part_settings
)
OPTIONS = {
    "/bandmate/separate": Options(
        {"stems": read_stems, "render": _text} | _COMMON_OPTIONS, separate_settings
    ),
    "/bandmate/add": _PART,
    "/bandmate/fill": _PART,
    "/bandmate/vary": _PART,
    "/bandmate/generate": Options(
        {"stems": read_stems, "rate": _whole(8_000, 192_000), "channels": _whole(1, MAX_CHANNELS)}
        | _PART.checks,
        part_settings,
    ),
}


def read_job(address: str, arguments: dict[str, Value], stems: tuple[str, ...]) -> JobRequest:
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
    options = OPTIONS[address].read(str(found.pop("options")))
    if "wav" in found:
        found["wav"] = read_sound("wav", found["wav"])
        if len(found["wav"]) > 1:
            raise RequestError(400, "wav is a list: expected one sound")
    if "stems" in found:
        found["stems"] = read_stems("stems", found["stems"])
    if "session" in found:
        found["session"] = read_session(str(found["session"]), stems)
    _check_region(found)
    try:
        _check_parts(found, options, stems)
    except SettingsError as error:
        raise RequestError(400, str(error)) from error
    return JobRequest(request, address, found, options)


def _check_region(found: dict[str, Any]) -> None:
    if "frames" in found and not (found["frames"] == -1 or 1 <= found["frames"] <= 2**62):
        raise RequestError(400, f"frames is {found['frames']}: expected 1 or more, or -1 (all)")
    if "start" in found and not 0 <= found["start"] <= 2**62:
        raise RequestError(400, f"start is {found['start']}: expected 0 or more")


def _check_parts(found: dict[str, Any], options: dict[str, Any], stems: tuple[str, ...]) -> None:
    """Refuse what the engine would refuse later.

    Raises:
        SettingsError: naming what is wrong.
    """
    if "stems" in options:
        check_names(tuple(options["stems"]), (*stems, OTHER))
    if "seconds" in found:
        check_seconds(found["seconds"])
    if "strength" in found:
        check_strength(found["strength"])
    given = tuple(name for name in found.get("session", {}) if name in stems)
    if "stems" in found:
        wanted = tuple(found["stems"])
        check_wanted(wanted, stems)
        check_added(wanted, given, BACKING in found["session"])
    if "stem" in found and found["stem"] not in given:
        there = ", ".join(given) or "none"
        raise SettingsError(f"stem {found['stem'][:80]!r} is not in the session: there are {there}")
