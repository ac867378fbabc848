"""Which sounds there are, and which are kept back for validation: the one list.

MuseScore General shares its samples with FluidR3 and counts as one family with it; only
its piano is another, so only its piano is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from bandmate_server.errors import CorpusError
from bandmate_training.corpus.fluid import INSTALL, presets_in
from bandmate_training.corpus.score import Rng

FONTS = {
    "fluid": Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    "musescore": Path("/usr/share/sounds/sf3/MuseScore_General_Full.sf3"),
    "tim": Path("/usr/share/sounds/sf2/TimGM6mb.sf2"),
    "freepats": Path("/etc/timidity/freepats.cfg"),
}
DRUM_BANK = 128


@dataclass(frozen=True, order=True)
class Preset:
    """A sound: font family, bank and program (drum kits in bank 128)."""

    family: str
    bank: int
    program: int

    @property
    def drums(self) -> bool:
        """Whether it is a drum kit."""
        return self.bank == DRUM_BANK

    @property
    def label(self) -> str:
        """Name it for reports: `fluid 0:33`."""
        return f"{Path(self.family).stem} {self.bank}:{self.program}"

    @property
    def font(self) -> Path:
        """The file that it is in; a font that is none of ours is its own family."""
        return FONTS.get(self.family, Path(self.family))


def _rows(family: str, *programs: int | tuple[int, int]) -> list[Preset]:
    pairs = [p if isinstance(p, tuple) else (0, p) for p in programs]
    return [Preset(family, bank, program) for bank, program in pairs]


def _kits(family: str, *kits: int) -> list[Preset]:
    return [Preset(family, DRUM_BANK, kit) for kit in kits]


PRESETS: dict[str, list[Preset]] = {
    "bass": [
        *_rows("fluid", *range(32, 40), (8, 38), (8, 39)),
        *_rows("tim", *range(32, 40)),
        *_rows("freepats", *range(32, 39)),
    ],
    "drums": [
        *_kits("fluid", *range(20), 24, 25, *range(32, 37), *range(40, 43)),
        *_kits("tim", 0, 8, 16, 24, 25, 32, 40),
        *_kits("freepats", 0),
    ],
    "guitar": [
        *_rows("fluid", *range(24, 31), (8, 25), (8, 26), (8, 28), (8, 30), (16, 25)),
        *_rows("tim", *range(24, 31)),
        *_rows("freepats", *range(24, 31)),
    ],
    "piano": [
        *_rows("fluid", *range(8), (8, 4), (8, 5)),
        *_rows("musescore", 0, 1, 2, 3, (8, 0)),
        *_rows("tim", *range(8)),
        *_rows("freepats", 0, 1, 2, 4, 5, 6, 7),
    ],
    "other": [
        *_rows("fluid", *range(16, 24), *range(40, 47), *range(48, 55), *range(56, 109)),
        *_rows("tim", *range(16, 24), *range(40, 47), *range(48, 55), *range(56, 109)),
        *_rows("freepats", 16, 19, 21, 40, 42, 48, 53, *range(56, 58), *range(60, 62)),
        *_rows("freepats", *range(64, 69), 71, 73, 75, 80),
    ],
}

HELD_BACK: dict[str, frozenset[Preset]] = {
    "bass": frozenset(
        [*_rows("fluid", 34, 38, (8, 39)), *_rows("tim", 33, 36), *_rows("freepats", 35)]
    ),
    "drums": frozenset(
        [*_kits("fluid", *range(4, 8), *range(16, 20), 42), *_kits("tim", 8), *_kits("tim", 32)]
    ),
    "guitar": frozenset(
        [
            *_rows("fluid", 26, 29, (8, 25)),
            *_rows("tim", 25, 27, 28),
            *_rows("freepats", 24, 30),
        ]
    ),
    "piano": frozenset(
        [
            *_rows("fluid", 1, 5),
            *_rows("musescore", 0, (8, 0)),
            *_rows("tim", 2, 4, 7),
            *_rows("freepats", 0),
        ]
    ),
    "other": frozenset(p for p in PRESETS["other"] if (p.program * 7 + len(p.family)) % 4 == 0),
}


def allowed(stem: str, split: str) -> list[Preset]:
    """Return the presets that a split may use for a stem."""
    held = HELD_BACK[stem]
    return [p for p in PRESETS[stem] if (p in held) == (split == "validation")]


@cache
def foreign(font: Path) -> dict[str, list[Preset]]:
    """Return the presets of each stem that another General MIDI font has.

    Raises:
        CorpusError: if it cannot be read, or a stem has none.
    """
    if not font.is_file():
        raise CorpusError(f"there is no sound font {font}")
    wanted = {stem: {(p.bank, p.program) for p in rows} for stem, rows in PRESETS.items()}
    there = presets_in(font, sorted(set().union(*wanted.values())))
    sounds = {stem: [Preset(str(font), *pair) for pair in there if pair in pairs]
              for stem, pairs in wanted.items()}  # fmt: skip
    missing = [stem for stem, rows in sounds.items() if not rows]
    if missing:
        raise CorpusError(f"{font}: no General MIDI font: it has no {' and no '.join(missing)}")
    return sounds


def choose(
    rng: Rng, stem: str, split: str, programs: tuple[int, ...], font: Path | None = None
) -> Preset:
    """Draw a preset of a stem, among the wanted GM programs if the split has any of them.

    With a font of another origin, from all of its presets instead of the split's.

    Families are drawn by the square root of their number of presets, so that the largest
    does not crowd out the others, nor a single preset fill a family's share.
    """
    options = foreign(font)[stem] if font else allowed(stem, split)
    wanted = [p for p in options if not programs or p.program in programs] or options
    families = sorted({p.family for p in wanted})
    weights = np.sqrt([sum(p.family == f for p in wanted) for f in families])
    family = str(rng.choice(families, p=weights / weights.sum()))
    rows = [p for p in wanted if p.family == family]
    return rows[int(rng.integers(len(rows)))]


def check_fonts(families: tuple[str, ...] = tuple(FONTS)) -> None:
    """Check that the fonts are installed.

    Raises:
        CorpusError: naming the missing file and how to install it.
    """
    for family in families:
        if not FONTS[family].exists():
            raise CorpusError(f"the sounds {FONTS[family]} are missing: {INSTALL}")
