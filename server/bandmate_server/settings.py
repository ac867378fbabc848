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
        _check_choice("format", self.format, get_args(Format))
        if self.bit_depth is not None:
            _check_choice("bit depth", self.bit_depth, get_args(BitDepth))
        if self.format == "flac" and self.bit_depth == "32f":
            raise SettingsError("flac holds 16 or 24 bits, not 32f: choose wav or fewer bits")
        _check_range("steps", self.steps, 0, MAX_STEPS)
        _check_range("seed", self.seed, 0, MAX_SEED)
        _check_range("guidance", self.guidance, 0.0, 100.0)
        _check_range("eta", self.eta, 0.0, 1.0)

    @property
    def stored_bit_depth(self) -> BitDepth:
        """The bit depth that files get."""
        return self.bit_depth or ("24" if self.format == "flac" else "32f")


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


def _check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"unknown {what} {value!r}: expected one of {', '.join(choices)}")


def _check_range(what: str, value: float | None, low: float, high: float) -> None:
    if value is None:
        return
    if not (math.isfinite(value) and low <= value <= high):
        raise SettingsError(f"{what} is {value}: expected {low} to {high}")
