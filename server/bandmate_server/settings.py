"""What a caller chooses and hands over; checked as far as no model or file is needed."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from bandmate_server.errors import SettingsError
from bandmate_server.option_kinds import LIKE_A_STEM, Stems, meant, shown
from bandmate_server.options import (
    FORMAT,
    MAX_SEED,
    PARTS,
    RENDER,
    RESAMPLE,
    SEED,
    TAKES,
    BitDepth,
    Format,
    Render,
    Solver,
    Task,
    options_of,
)
from bandmate_server.spec import BACKING


class _Settings:
    """What settings of all tasks have in common; `tasks` are those whose options the fields are."""

    tasks: ClassVar[tuple[Task, ...]]
    format: Format
    bit_depth: BitDepth | None

    def __post_init__(self) -> None:
        """Check every value."""
        read_fields(self, *self.tasks)
        if self.format == "flac" and self.bit_depth == "32f":
            raise SettingsError("flac holds 16 or 24 bits, not 32f: choose wav or fewer bits")

    @property
    def stored_bit_depth(self) -> BitDepth:
        """The bit depth that files get."""
        return self.bit_depth or ("24" if self.format == "flac" else "32f")

    @classmethod
    def of(cls, chosen: Mapping[str, Any]) -> Self:
        """Return the settings that options stand for; those that go elsewhere are left out.

        Raises:
            SettingsError: if a value is out of its range.
        """
        own = cls.__annotations__
        return cls(**{name: value for name, value in chosen.items() if name in own})


@dataclass(frozen=True)
class SeparateSettings(_Settings):
    """Settings of one separation; None leaves the choice to the model's defaults.

    `options` says what each is, with its range and default.

    stems: those wanted as files of their own, or the only one; the rest goes into `other`.
        None: all.
    start, end: the region, seconds from the beginning of the audio. None: its ends.
    render: "mask" filters the original audio; "vocoder" synthesises the stems.
    steps: 0 takes the separator, 1 and more as many diffusion steps.
    seed: of the diffusion noise, or of the shifts; the separator needs none.
    overlap, shifts: of networks that work on waves, segment by segment.

    Raises:
        SettingsError: if a value is out of its range or of an unknown kind.
    """

    tasks = ("separate",)
    stems: Sequence[str] | None = None  # kept as a tuple
    start: float | None = None  # seconds
    end: float | None = None  # seconds
    render: Render = RENDER.default
    steps: int | None = None
    solver: Solver | None = None
    guidance: float | None = None
    eta: float | None = None
    overlap: float | None = None
    shifts: int | None = None
    seed: int = SEED.default
    format: Format = FORMAT.default
    bit_depth: BitDepth | None = None


@dataclass(frozen=True)
class PartSettings(_Settings):
    """Settings of a new part; None leaves the choice to the model's defaults.

    `options` says what each is, with its range and default.

    start, end: seconds from the beginning of what is given: the region that gets a part, or
        the range that is filled. None: its ends.
    seed: of the first take; every further one has the next.

    Raises:
        SettingsError: if a value is out of its range or of an unknown kind.
    """

    tasks = PARTS
    start: float | None = None  # seconds
    end: float | None = None  # seconds
    steps: int | None = None
    solver: Solver | None = None
    guidance: float | None = None
    eta: float | None = None
    seed: int = SEED.default
    takes: int = TAKES.default
    drafts: int | None = None
    resample: int = RESAMPLE.default
    format: Format = FORMAT.default
    bit_depth: BitDepth | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        super().__post_init__()
        take_seeds(self.seed, self.takes)


Settings = TypeVar("Settings", SeparateSettings, PartSettings)


def settings_of(task: Task, chosen: Mapping[str, Any]) -> SeparateSettings | PartSettings:
    """Return the settings of a task that options stand for; see `_Settings.of`."""
    return (PartSettings if task in PARTS else SeparateSettings).of(chosen)


def take_seeds(seed: int, takes: int) -> range:
    """Return the seed of every take.

    Raises:
        SettingsError: if there are not so many seeds from the first one on.
    """
    if seed + takes - 1 > MAX_SEED:
        raise SettingsError(
            f"seed is {seed}: expected at most {MAX_SEED - takes + 1} for {takes} takes"
        )
    return range(seed, seed + takes)


def check_region(start: float | None, end: float | None) -> None:
    """Raise SettingsError if a region in seconds is empty, before its audio is opened."""
    if end is not None and end <= (start or 0.0):
        raise SettingsError(
            f"the region is empty: it starts at {start or 0.0:g} s and ends at {end:g} s"
        )


def check_names(names: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Raise SettingsError unless names are some of the model's stems, each once."""
    for name in names:
        if name not in known:
            raise SettingsError(_unknown(name, known))
        if names.count(name) > 1:
            raise SettingsError(f"{name} is named twice")


def check_wanted(wanted: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Raise SettingsError unless at least one stem is wanted, and all are the model's."""
    if not wanted:
        raise SettingsError(f"no stems are wanted: name at least one stem of {', '.join(known)}")
    check_names(wanted, known)


def check_added(wanted: Sequence[str], given: Collection[str]) -> None:
    """Raise SettingsError unless stems have something to be added to, and are not there yet."""
    if not given:
        raise SettingsError(
            f"nothing is given to add {', '.join(wanted)} to: give stems or a backing,"
            " or generate a part from nothing"
        )
    for name in wanted:
        if name in given:
            raise SettingsError(
                f"{name} is both given and wanted: leave out one, or ask for a variation of it"
            )


def check_stems(wanted: Sequence[str] | None, known: tuple[str, ...], other: str) -> list[int]:
    """Return the indices in `known` of the wanted stems, in the order of `known`.

    Args:
        wanted: names; None means all. `other` may be among them: it always comes on top.
        known: the model's stems.
        other: name of the rest.

    Raises:
        SettingsError: if a name is unknown or no stem is left.
    """
    if wanted is None:
        return list(range(len(known)))
    for name in wanted:
        if name not in (*known, other):
            raise SettingsError(_unknown(name, known))
    found = [index for index, name in enumerate(known) if name in wanted]
    if not found:
        rest = f"{other!r} is what they leave" if wanted else "none are asked for"
        raise SettingsError(f"name at least one stem of {', '.join(known)}: {rest}")
    return found


def _unknown(name: str, known: tuple[str, ...]) -> str:
    hint = meant(str(name), known, LIKE_A_STEM)
    return f"unknown stem {shown(name)}: {hint}this model knows {', '.join(known)}"


def read_fields(chosen: Any, *tasks: Task) -> None:
    """Check every field that has a row of the table, and keep it in the row's type.

    Args:
        chosen: a frozen dataclass, whose fields are options of some of the tasks.
        tasks: the first that has an option says what it may be.

    Raises:
        SettingsError: naming the field.
    """
    rows = {name: row for task in tasks[::-1] for name, row in options_of(task, "command").items()}
    for field in fields(chosen):
        if field.name in rows:
            value = rows[field.name].read(getattr(chosen, field.name))
            object.__setattr__(chosen, field.name, value)


def check_own(settings: PartSettings, task: Task) -> None:
    """Raise SettingsError if a setting is not its default, and no option of the task."""
    own = options_of(task, "command")
    for field in fields(settings):
        if field.name not in own and getattr(settings, field.name) != field.default:
            value = getattr(settings, field.name)
            raise SettingsError(f"{field.name} is {value}: it has no meaning for {task}")


def read_settings(model: Any, settings: Settings | None, kind: type[Settings]) -> Settings:
    """Return the settings, or the defaults for None, once the model is seen to be one.

    Raises:
        SettingsError: if either is something else.
    """
    if not isinstance(getattr(getattr(model, "spec", None), "kind", None), str):
        raise _refusal("model", model, "what open_model returns")
    if settings is not None and not isinstance(settings, kind):
        raise _refusal("settings", settings, f"{kind.__name__}(...)")
    return settings or kind()


def read_stems(stems: Any) -> tuple[str, ...]:
    """Return the names of one stem or several; whether the model has them is not checked.

    Raises:
        SettingsError: if it is no name, list or tuple of names.
    """
    found: tuple[str, ...] = Stems().read("stems", stems)
    return found


def read_stem(stem: Any) -> str:
    """Return the one stem that is named, likewise."""
    if not isinstance(stem, str):
        raise _refusal("stem", stem, "the name of one stem")
    return stem


def read_given(given: Any, backing: Any) -> dict[str, Any]:
    """Return all that is given by name, the backing last.

    Raises:
        SettingsError: if what is given is no mapping, or has a backing of its own.
    """
    if not isinstance(given, Mapping):
        raise _refusal("given", given, "a mapping, such as {'bass': ...}")
    if BACKING in given:
        raise SettingsError(f"{BACKING} is no stem: hand it over by itself, as {BACKING}=...")
    return dict(given) | ({} if backing is None else {BACKING: backing})


def read_path(label: str, path: Any) -> Path:
    """Return a path.

    Raises:
        SettingsError: if it is neither text nor a path.
    """
    if not isinstance(path, str | os.PathLike):
        raise _refusal(label, path, "a path")
    return Path(path)


def _refusal(label: str, value: object, expected: str) -> SettingsError:
    return SettingsError(f"{label} is {shown(value)}: expected {expected}")
