"""The instruments of the corpus: which sounds each stem has, and how it is played.

Some sounds are kept back for validation.

MuseScore General shares its samples with FluidR3 and counts as one family with it; only
its piano is another, so only its piano is used.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from bandmate_server.errors import CorpusError
from bandmate_server.spec import OTHER
from bandmate_training.corpus import bass, guitar, piano
from bandmate_training.corpus.bass import Player
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


@dataclass(frozen=True)
class Instrument:
    """What the corpus knows of a stem.

    presets: its sounds.
    held_back: those of them that only validation songs have.
    level: in a song, dBFS RMS.
    eager: chance that it plays in a section without energy, and what full energy adds to it.
    limits: lowest and highest MIDI pitch, into which a file's notes are folded.
    programs: of General MIDI, that are this stem in a file.
    players: its ways of playing, by name.
    """

    presets: Sequence[Preset]
    held_back: frozenset[Preset]
    level: float
    eager: tuple[float, float] = (0.5, 0.5)
    limits: tuple[int, int] | None = None
    programs: Collection[int] = ()
    players: Mapping[str, Player] = field(default_factory=dict)


_OTHERS = [
    *_rows("fluid", *range(16, 24), *range(40, 47), *range(48, 55), *range(56, 109)),
    *_rows("tim", *range(16, 24), *range(40, 47), *range(48, 55), *range(56, 109)),
    *_rows("freepats", 16, 19, 21, 40, 42, 48, 53, *range(56, 58), *range(60, 62)),
    *_rows("freepats", *range(64, 69), 71, 73, 75, 80),
]
# One row a stem; a new one has its row here, and its name in the model's spec.
INSTRUMENTS: dict[str, Instrument] = {
    "bass": Instrument(
        presets=[
            *_rows("fluid", *range(32, 40), (8, 38), (8, 39)),
            *_rows("tim", *range(32, 40)),
            *_rows("freepats", *range(32, 39)),
        ],
        held_back=frozenset(
            [*_rows("fluid", 34, 38, (8, 39)), *_rows("tim", 33, 36), *_rows("freepats", 35)]
        ),
        level=-20.0,
        eager=(0.65, 0.33),
        limits=(28, 55),
        programs=range(32, 40),
        players=bass.PLAYERS,
    ),
    "drums": Instrument(
        presets=[
            *_kits("fluid", *range(20), 24, 25, *range(32, 37), *range(40, 43)),
            *_kits("tim", 0, 8, 16, 24, 25, 32, 40),
            *_kits("freepats", 0),
        ],
        held_back=frozenset(
            [*_kits("fluid", *range(4, 8), *range(16, 20), 42), *_kits("tim", 8), *_kits("tim", 32)]
        ),
        level=-20.0,
        eager=(0.5, 0.5),
    ),
    "guitar": Instrument(
        presets=[
            *_rows("fluid", *range(24, 31), (8, 25), (8, 26), (8, 28), (8, 30), (16, 25)),
            *_rows("tim", *range(24, 31)),
            *_rows("freepats", *range(24, 31)),
        ],
        held_back=frozenset(
            [
                *_rows("fluid", 26, 29, (8, 25)),
                *_rows("tim", 25, 27, 28),
                *_rows("freepats", 24, 30),
            ]
        ),
        level=-21.0,
        eager=(0.55, 0.35),
        limits=(40, 88),
        programs=range(24, 32),
        players=guitar.PLAYERS,
    ),
    "piano": Instrument(
        presets=[
            *_rows("fluid", *range(8), (8, 4), (8, 5)),
            *_rows("musescore", 0, 1, 2, 3, (8, 0)),
            *_rows("tim", *range(8)),
            *_rows("freepats", 0, 1, 2, 4, 5, 6, 7),
        ],
        held_back=frozenset(
            [
                *_rows("fluid", 1, 5),
                *_rows("musescore", 0, (8, 0)),
                *_rows("tim", 2, 4, 7),
                *_rows("freepats", 0),
            ]
        ),
        level=-21.0,
        eager=(0.55, 0.35),
        limits=(21, 108),
        programs=range(8),
        players=piano.PLAYERS,
    ),
    OTHER: Instrument(
        presets=_OTHERS,
        held_back=frozenset(p for p in _OTHERS if (p.program * 7 + len(p.family)) % 4 == 0),
        level=-22.0,
        limits=(28, 100),
    ),
}


def stem_of(program: int, drums: bool) -> str:
    """Return the stem of a General MIDI program."""
    if drums:
        return "drums"
    return next((s for s, row in INSTRUMENTS.items() if program in row.programs), OTHER)


def fold(pitch: int, stem: str) -> int:
    """Return a pitch moved by octaves into its stem's range; drums stay."""
    limits = INSTRUMENTS[stem].limits
    if limits is None:
        return pitch
    low, high = limits
    while pitch < low:
        pitch += 12
    while pitch > high:
        pitch -= 12
    return pitch


def allowed(stem: str, split: str) -> list[Preset]:
    """Return the presets that a split may use for a stem."""
    row = INSTRUMENTS[stem]
    return [p for p in row.presets if (p in row.held_back) == (split == "validation")]


@cache
def foreign(font: Path) -> dict[str, list[Preset]]:
    """Return the presets of each stem that another General MIDI font has.

    Raises:
        CorpusError: if it cannot be read, or a stem has none.
    """
    if not font.is_file():
        raise CorpusError(f"there is no sound font {font}")
    wanted = {s: {(p.bank, p.program) for p in row.presets} for s, row in INSTRUMENTS.items()}
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
