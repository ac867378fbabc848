"""MMA: Debian's accompaniment grooves over our chords."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np

from bandmate_server.errors import CorpusError
from bandmate_server.spec import OTHER
from bandmate_training.corpus.arrange import active_sections, band, within
from bandmate_training.corpus.form import own_skeleton
from bandmate_training.corpus.grooves import GrooveFile, per_bar, tempo_range
from bandmate_training.corpus.harmony import mma_name
from bandmate_training.corpus.instruments import fold, stem_of
from bandmate_training.corpus.midi import track_notes
from bandmate_training.corpus.score import Note, Part, Rng, Skeleton, Song
from bandmate_training.corpus.styles import STYLES


def script(names: Sequence[str], file: str, skeleton: Skeleton, seed: int) -> str:
    """Return the MMA source of a song.

    Args:
        names: the groove of every bar.
        file: the library file that defines them.
        skeleton: the harmony; `/` holds a chord on.
        seed: of MMA's own randomness.
    """
    lines = [f"RndSeed {seed}", "Tempo 120", f"Use {file}"]
    starts = np.arange(0, skeleton.end - 1e-6, skeleton.bar)
    playing, chords = "", skeleton.chords
    for number, (start, name) in enumerate(zip(starts, names, strict=True), 1):
        if name != playing:
            lines.append(f"Groove {name}")
            playing = name
        words, last = [], ""
        for beat in range(skeleton.bar):
            chord = mma_name(next(c for c in chords if start + beat < c.end - 1e-6))
            words.append(chord if chord != last else "/")
            last = chord
        lines.append(f"{number} {' '.join(words)}")
    return "\n".join(lines) + "\n"


def run(source: str) -> tuple[mido.MidiFile, str]:
    """Run MMA on a source; return the MIDI file and what it printed.

    Raises:
        CorpusError: if MMA refuses it.
    """
    with tempfile.TemporaryDirectory(prefix="bandmate-") as folder:
        path, out = Path(folder) / "song.mma", Path(folder) / "song.mid"
        path.write_text(source)
        command = ["mma", "-w", "-f", str(out), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode or not out.exists():
            raise CorpusError(f"mma failed: {(done.stdout + done.stderr).strip()[-300:]}")
        return mido.MidiFile(out), done.stdout


def groove_bar(file: GrooveFile) -> int:
    """Return the beats in a groove's bar, as MMA counts them."""
    lines = f"Use {file.file}\nGroove {file.mains[0]}\nPrint BAR=$_Time\n1 C\n"
    match = re.search(r"BAR=(\d+)", run(lines)[1])
    return int(match[1]) if match else 4


def parts_of(midi: mido.MidiFile, end: float) -> list[Part]:
    """Return a MIDI file's tracks as parts, beats as written, notes after `end` left out."""
    parts = []
    for track in midi.tracks:
        channels = [m.channel for m in track if m.type == "note_on"]
        programs = [m.program for m in track if m.type == "program_change"]
        if not channels:
            continue
        program = programs[0] if programs else 0
        stem = stem_of(program, channels[0] == 9)
        per = midi.ticks_per_beat
        notes = [
            Note(a / per, max(b / per, a / per + 0.05), fold(p, stem), v)
            for a, b, p, v in track_notes(track)
            if a / per < end - 0.05
        ]
        wanted = () if stem == "drums" else (program,)
        parts.append(Part(stem, notes, [], wanted, "mma", 0.6))
    return parts


def compose(rng: Rng, library: Sequence[GrooveFile], seconds: float) -> Song:
    """Play own harmony with a random groove; stems rest or are replaced by our own players.

    Raises:
        CorpusError: if the groove has a bar that our players cannot keep.
    """
    weights = np.sqrt([f.grooves for f in library])
    file = library[int(rng.choice(len(library), p=weights / weights.sum()))]
    bar = groove_bar(file)
    rows = [s for s in STYLES if s.bar == bar]
    if not rows:
        raise CorpusError(f"groove {file.file} has {bar} beats a bar")
    style = rows[int(rng.integers(len(rows)))]
    style = replace(style, tempo=tempo_range(file), swing=(0.5, 0.5))
    skeleton = own_skeleton(rng, style, seconds)
    names = per_bar(rng, file, skeleton.sections, bar)
    midi, _ = run(script(names, file.file, skeleton, int(rng.integers(1, 2**31))))
    parts = _thin(rng, parts_of(midi, skeleton.end), skeleton)
    parts = band(rng, skeleton, style, parts, other=0.08)
    key = skeleton.sections[0].key
    return Song("mma", f"{file.file}:{names[0]}", skeleton.clock, bar, key, skeleton.chords,
                parts, skeleton.end)  # fmt: skip


def _thin(rng: Rng, parts: list[Part], skeleton: Skeleton) -> list[Part]:
    """Leave each stem to the groove in some sections only; give some stems to our players."""
    stems = sorted({p.stem for p in parts})
    kept = [s for s in stems if rng.random() > (0.75 if s == OTHER else 0.2)] or stems[:1]
    four = [s for s in kept if s != OTHER]
    playing = active_sections(rng, skeleton, four) if four else {}
    everything = set(range(len(skeleton.sections)))
    rows = []
    for part in parts:
        if part.stem in kept:
            inside = within(part.notes, skeleton, playing.get(part.stem, everything))
            rows.append(replace(part, notes=inside))
    return [p for p in rows if p.notes][:8]
