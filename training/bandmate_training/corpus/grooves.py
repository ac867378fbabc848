"""MMA's library: which grooves there are, and which play the song, the fills and the end."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from bandmate_server.errors import CorpusError
from bandmate_training.corpus.fluid import INSTALL
from bandmate_training.corpus.score import Rng, Section

FOLDER = Path("/usr/share/mma/lib")
_GROOVE = re.compile(r"^\s*DefGroove\s+(\S+)", re.MULTILINE | re.IGNORECASE)
_FILL = re.compile(r"fill|break", re.IGNORECASE)
_EDGE = re.compile(r"intro|end|metronome", re.IGNORECASE)


@dataclass(frozen=True)
class GrooveFile:
    """A library file (below `FOLDER`, without suffix) and its grooves' names."""

    file: str
    mains: tuple[str, ...]  # play on and on
    fills: tuple[str, ...]  # close a section

    @property
    def grooves(self) -> int:
        """How many grooves it offers."""
        return len(self.mains) + len(self.fills)


def groove_files() -> tuple[GrooveFile, ...]:
    """Return the installed library, in order.

    Raises:
        CorpusError: if MMA or its library is missing.
    """
    if not shutil.which("mma") or not FOLDER.is_dir():
        raise CorpusError(f"mma is missing: {INSTALL}")
    rows = []
    for path in sorted(FOLDER.glob("*/*.mma")):
        if "metronome" in path.stem or path.stem == "none":
            continue
        names = dict.fromkeys(_GROOVE.findall(path.read_text(errors="replace")))
        fills = tuple(n for n in names if _FILL.search(n))
        mains = tuple(n for n in names if not _FILL.search(n) and not _EDGE.search(n))
        if mains:
            file = str(path.relative_to(FOLDER).with_suffix(""))
            rows.append(GrooveFile(file, mains, fills))
    return tuple(rows)


def per_bar(rng: Rng, file: GrooveFile, sections: tuple[Section, ...], bar: int) -> list[str]:
    """Draw the groove of every bar: one a kind of section, a fill in some last bars."""
    first = str(rng.choice(file.mains))
    near = [m for m in file.mains if m.lower().startswith(first.lower()[:5])]
    kinds: dict[str, str] = {}
    names: list[str] = []
    for section in sections:
        main = kinds.setdefault(section.kind, str(rng.choice(near)))
        bars = [main] * round((section.end - section.start) / bar)
        fills = [f for f in file.fills if f.lower().startswith(first.lower()[:4])]
        if fills and len(bars) > 1 and rng.random() < 0.7:
            bars[-1] = str(rng.choice(fills))
        names += bars
    return names


def tempo_range(file: GrooveFile) -> tuple[int, int]:
    """Return beats per minute that suit a groove by its name."""
    name = file.file.lower()
    if any(w in name for w in ("slow", "ballad", "lullaby", "hymn")):
        return 60, 90
    if any(w in name for w in ("fast", "bebop", "polka", "quick", "bluegrass")):
        return 130, 180
    return 84, 140
