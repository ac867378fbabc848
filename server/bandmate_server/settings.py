"""What a caller can choose; checked as far as no model or file is needed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from bandmate_server.errors import SettingsError

Render = Literal["mask", "vocoder"]
Solver = Literal["ddim", "dpm"]
Format = Literal["wav", "flac"]
BitDepth = Literal["16", "24", "32f"]

MAX_STEPS = 999  # one less than the noise levels: the reference schedule allows no more
MAX_SEED = 2**63 - 1
MAX_TAKES = 100
MAX_DRAFTS = 100
MAX_RESAMPLE = 20
MIN_SECONDS, MAX_SECONDS = 0.5, 1800.0  # of a new part


@dataclass(frozen=True)
class SeparateSettings:
    """Settings of one separation; None leaves the choice to the model's defaults.

    stems: those wanted as files of their own; the rest goes into `other`. None: all.
    start, end: the region, seconds from the beginning of the audio. None: its ends.
    render: "mask" filters the original audio; "vocoder" synthesises the stems.
    steps: 0 takes the separator, 1 and more as many diffusion steps.
    guidance: weight of the mixture: 1 conditional, 0 unconditional, above 1 exaggerated.
    eta: fresh noise of a DDIM step, from 0 (none) to 1.
    seed: of the diffusion noise; the separator needs none.
    bit_depth: None is 32f for wav and 24 for flac.

    Raises:
        SettingsError: if a value is out of its range or of an unknown kind.
    """

    stems: tuple[str, ...] | None = None
    start: float | None = None  # seconds
    end: float | None = None  # seconds
    render: Render = "mask"
    steps: int | None = None
    solver: Solver = "ddim"
    guidance: float | None = None
    eta: float | None = None
    seed: int = 0
    format: Format = "wav"
    bit_depth: BitDepth | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        _check_choice("render", self.render, get_args(Render))
        _check_choice("solver", self.solver, get_args(Solver))
        _check_file_kind(self.format, self.bit_depth)
        check_range("steps", self.steps, 0, MAX_STEPS)
        check_range("seed", self.seed, 0, MAX_SEED)
        check_range("guidance", self.guidance, 0.0, 100.0)
        check_range("eta", self.eta, 0.0, 1.0)

    @property
    def stored_bit_depth(self) -> BitDepth:
        """The bit depth that files get."""
        return _stored_bit_depth(self.format, self.bit_depth)


@dataclass(frozen=True)
class PartSettings:
    """Settings of a new part; None leaves the choice to the model's defaults.

    start, end: seconds from the beginning of what is given: the region that gets a part, or
        the range that is filled. None: its ends.
    steps: of the diffusion, 1 or more.
    guidance: 0 ignores what is given, 1 plays to it, above 1 exaggerates.
    eta: fresh noise of a DDIM step, from 0 (none) to 1.
    seed: of the first take; every further one has the next.
    takes: how many are written to files.
    drafts: how many are made of every take; the one that agrees best with what is given is kept.
    resample: how often every step is done, RePaint's way; 1 is plain.
    bit_depth: None is 32f for wav and 24 for flac.

    Raises:
        SettingsError: if a value is out of its range or of an unknown kind.
    """

    start: float | None = None  # seconds
    end: float | None = None  # seconds
    steps: int | None = None
    solver: Solver | None = None
    guidance: float | None = None
    eta: float | None = None
    seed: int = 0
    takes: int = 1
    drafts: int | None = None
    resample: int = 1
    format: Format = "wav"
    bit_depth: BitDepth | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        if self.solver is not None:
            _check_choice("solver", self.solver, get_args(Solver))
        _check_file_kind(self.format, self.bit_depth)
        check_range("steps", self.steps, 1, MAX_STEPS)
        check_range("takes", self.takes, 1, MAX_TAKES)
        check_range("seed", self.seed, 0, MAX_SEED - MAX_TAKES)
        check_range("drafts", self.drafts, 1, MAX_DRAFTS)
        check_range("resample", self.resample, 1, MAX_RESAMPLE)
        check_range("guidance", self.guidance, 0.0, 100.0)
        check_range("eta", self.eta, 0.0, 1.0)

    @property
    def stored_bit_depth(self) -> BitDepth:
        """The bit depth that files get."""
        return _stored_bit_depth(self.format, self.bit_depth)


def check_strength(strength: float) -> None:
    """Raise SettingsError unless the strength of a variation is within 0..1."""
    check_range("strength", strength, 0.0, 1.0)


def check_names(names: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Raise SettingsError unless names are some of the model's stems, each once."""
    for name in names:
        if name not in known:
            raise SettingsError(f"unknown stem {name!r}: this model knows {', '.join(known)}")
        if names.count(name) > 1:
            raise SettingsError(f"{name} is named twice")


def check_wanted(wanted: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Raise SettingsError unless at least one stem is wanted, and all are the model's."""
    if not wanted:
        raise SettingsError(f"name at least one stem of {', '.join(known)}")
    check_names(wanted, known)


def check_added(wanted: tuple[str, ...], given: tuple[str, ...], backed: bool) -> None:
    """Raise SettingsError unless stems have something to be added to, and are not there yet."""
    if not given and not backed:
        raise SettingsError(
            f"nothing is given to add {', '.join(wanted)} to: give stems or a backing,"
            " or generate a part from nothing"
        )
    for name in wanted:
        if name in given:
            raise SettingsError(
                f"{name} is both given and wanted: leave out one, or ask for a variation of it"
            )


def check_seconds(seconds: float) -> None:
    """Raise SettingsError unless so many seconds of music can be made."""
    check_range("length in seconds", seconds, MIN_SECONDS, MAX_SECONDS)


def check_stems(wanted: tuple[str, ...] | None, known: tuple[str, ...], other: str) -> list[int]:
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
            raise SettingsError(f"unknown stem {name!r}: this model knows {', '.join(known)}")
    found = [index for index, name in enumerate(known) if name in wanted]
    if not found:
        rest = f"{other!r} is what they leave" if wanted else "none are asked for"
        raise SettingsError(f"name at least one stem of {', '.join(known)}: {rest}")
    return found


def _stored_bit_depth(kind: Format, bits: BitDepth | None) -> BitDepth:
    return bits or ("24" if kind == "flac" else "32f")


def _check_file_kind(kind: Format, bits: BitDepth | None) -> None:
    _check_choice("format", kind, get_args(Format))
    if bits is not None:
        _check_choice("bit depth", bits, get_args(BitDepth))
    if kind == "flac" and bits == "32f":
        raise SettingsError("flac holds 16 or 24 bits, not 32f: choose wav or fewer bits")


def _check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"unknown {what} {value!r}: expected one of {', '.join(choices)}")


def check_range(what: str, value: float | None, low: float, high: float) -> None:
    """Raise SettingsError unless a value is None or a finite number from low to high."""
    if value is None:
        return
    if not (math.isfinite(value) and low <= value <= high):
        raise SettingsError(f"{what} is {value}: expected {low} to {high}")
