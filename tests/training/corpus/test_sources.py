from __future__ import annotations

import shutil
from pathlib import Path

import mido
import numpy as np
import pytest

from bandmate_server.errors import CorpusError
from bandmate_server.spec import OTHER, STEMS
from bandmate_training.corpus import build, grooves, instruments, mma, pop909, simutrans
from bandmate_training.corpus.form import own_skeleton
from bandmate_training.corpus.instruments import INSTRUMENTS, fold, stem_of
from bandmate_training.corpus.pop909_files import open_library, read_beats
from bandmate_training.corpus.styles import STYLES

needs_mma = pytest.mark.skipif(not shutil.which("mma"), reason="MMA is not installed")
needs_simutrans = pytest.mark.skipif(
    not simutrans.FOLDER.is_dir(), reason="simutrans-data is not installed"
)


def make_pop909(folder: Path, name: str = "001", bars: int = 40) -> None:
    """Write a song in POP909's layout: C, Am, F, G at 120 bpm, the first bar two beats in."""
    song = folder / name
    song.mkdir(parents=True)
    beats = [0.1 + 0.5 * k for k in range(bars * 4 + 2)]
    lines = [f"{b} {float(k % 2 == 0)} {float(k % 4 == 0)}" for k, b in enumerate(beats)]
    (song / "beat_midi.txt").write_text("\n".join(lines) + "\n")
    names = ["C:maj", "A:min7", "F:maj/3", "G:7"]
    rows = [f"{1.1 + 2 * k}\t{3.1 + 2 * k}\t{names[k % 4]}" for k in range(bars)]
    (song / "chord_midi.txt").write_text("\n".join(["0.1\t1.1\tN", *rows]) + "\n")
    midi = mido.MidiFile(ticks_per_beat=480)
    midi.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000)]))
    for track, pitch in (("MELODY", 72), ("BRIDGE", 76), ("PIANO", 60)):
        row = mido.MidiTrack([mido.MetaMessage("track_name", name=track)])
        row.append(mido.Message("note_on", note=pitch, velocity=80, time=1056))
        for _ in range(bars * 2 - 1):
            row.append(mido.Message("note_off", note=pitch, time=900))
            row.append(mido.Message("note_on", note=pitch, velocity=80, time=60))
        row.append(mido.Message("note_off", note=pitch, time=900))
        midi.tracks.append(row)
    midi.save(song / f"{name}.mid")


def test_pop909_bar_lines_follow_the_chords(tmp_path: Path) -> None:
    make_pop909(tmp_path / "POP909")
    library = open_library(tmp_path)
    song = pop909.compose(np.random.default_rng(1), library, "001", 40.0)
    assert song.bar == 4
    assert all(chord.start % 4 == 0 for chord in song.chords)
    assert {p.stem for p in song.parts} & set(STEMS)


def test_pop909_zip_reads_like_its_folder(tmp_path: Path) -> None:
    make_pop909(tmp_path / "data" / "POP909")
    archive = Path(shutil.make_archive(str(tmp_path / "pop"), "zip", tmp_path / "data"))
    songs = [
        pop909.compose(np.random.default_rng(5), open_library(path), "001", 40.0)
        for path in (tmp_path / "data", archive)
    ]
    assert songs[0].parts == songs[1].parts
    assert songs[0].chords == songs[1].chords


def test_pop909_folder_without_songs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no POP909 songs"):
        open_library(tmp_path)


def test_beats_in_three_are_heard() -> None:
    text = "\n".join(f"{k * 0.5} {float(k % 3 == 0)} {float(k % 6 == 0)}" for k in range(24))
    assert read_beats(text)[1] == 3


@pytest.mark.parametrize(
    ("program", "drums", "stem"),
    [(0, False, "piano"), (7, False, "piano"), (8, False, OTHER), (24, False, "guitar"),
     (33, False, "bass"), (48, False, OTHER), (33, True, "drums"), (120, False, OTHER)],
)  # fmt: skip
def test_programs_map_to_stems(program: int, drums: bool, stem: str) -> None:
    assert stem_of(program, drums) == stem


def test_folding_moves_by_octaves_into_the_range() -> None:
    assert fold(16, "bass") == 28
    assert fold(64, "bass") == 52
    assert fold(16, "drums") == 16


def test_presets_of_the_splits_are_disjoint_and_both_have_some() -> None:
    for stem in (*STEMS, OTHER):
        train, held = (set(instruments.allowed(stem, split)) for split in build.SPLITS)
        assert train
        assert held
        assert not train & held
        assert 0.12 < len(held) / len(train | held) < 0.4


def test_held_back_presets_exist() -> None:
    for row in INSTRUMENTS.values():
        assert row.held_back <= set(row.presets)


def test_musescore_lends_only_its_piano() -> None:
    for stem, row in INSTRUMENTS.items():
        families = {p.family for p in row.presets}
        assert ("musescore" in families) == (stem == "piano")


def test_drawn_presets_obey_the_split() -> None:
    rng = np.random.default_rng(0)
    for split in build.SPLITS:
        for stem in (*STEMS, OTHER):
            rows = set(instruments.allowed(stem, split))
            assert all(instruments.choose(rng, stem, split, (0, 33)) in rows for _ in range(50))


def test_every_file_belongs_to_one_split() -> None:
    names = [f"POP909/{k:03d}" for k in range(1, 910)]
    held = [n for n in names if build.in_split(n, "validation")]
    assert all(build.in_split(n, "train") != build.in_split(n, "validation") for n in names)
    assert 0.03 < len(held) / len(names) < 0.1


@needs_mma
def test_grooves_have_main_patterns_and_keep_fills_apart() -> None:
    rows = grooves.groove_files()
    assert len(rows) > 100
    assert not any("fill" in name.lower() for row in rows for name in row.mains)


@needs_mma
def test_mma_plays_our_chords_and_repeats_itself() -> None:
    library = [f for f in grooves.groove_files() if f.file == "stdlib/basicrock"]
    first, again = (mma.compose(np.random.default_rng(4), library, 12.0) for _ in range(2))
    assert first.parts == again.parts
    assert first.source == "mma"
    assert all(n.start < first.end for p in first.parts for n in p.notes)


@needs_mma
def test_mma_refuses_nonsense_with_our_error() -> None:
    with pytest.raises(CorpusError, match="mma failed"):
        mma.run("Groove NoSuchGroove\n1 C\n")


def test_script_holds_chords_over_the_bar() -> None:
    rng = np.random.default_rng(2)
    skeleton = own_skeleton(rng, next(s for s in STYLES if s.name == "rock"), 12.0)
    bars = round(skeleton.end / skeleton.bar)
    lines = mma.script(["Rock"] * bars, "stdlib/rock", skeleton, 3).splitlines()
    numbered = [line for line in lines if line[0].isdigit()]
    assert len(numbered) == bars
    assert all(len(line.split()) == skeleton.bar + 1 for line in numbered)


@needs_simutrans
def test_simutrans_song_is_sorted_into_stems() -> None:
    path = next(p for p in simutrans.songs() if p.name.startswith("14-"))
    song = simutrans.compose(np.random.default_rng(1), [path], 20.0)
    assert {p.stem for p in song.parts} <= {*STEMS, OTHER}
    assert song.chords[-1].end == song.end


def test_pedal_holds_notes_until_it_rises(tmp_path: Path) -> None:
    track = mido.MidiTrack(
        [
            mido.Message("control_change", control=64, value=127),
            mido.Message("note_on", note=60, velocity=80),
            mido.Message("note_off", note=60, time=480),
            mido.Message("control_change", control=64, value=0, time=480),
        ]
    )
    midi = mido.MidiFile(ticks_per_beat=480)
    midi.tracks.append(track)
    midi.save(tmp_path / "song.mid")
    note = simutrans.read(tmp_path / "song.mid").parts[0].notes[0]
    assert (note.start, note.end) == (0.0, 2.0)


def test_broken_midi_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "bad.mid").write_bytes(b"nothing")
    with pytest.raises(CorpusError, match=r"cannot read bad\.mid"):
        simutrans.read(tmp_path / "bad.mid")
