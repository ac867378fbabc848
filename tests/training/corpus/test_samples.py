"""Recorded instruments: read, chosen, played."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from bandmate_server.errors import CorpusError
from bandmate_server.spec import MEL
from bandmate_training.corpus import sampled, samples
from bandmate_training.corpus.score import Note, Part

RATE = 32_000
RNG = np.random.default_rng


def tone(key: float, seconds: float = 1.0) -> samples.Audio:
    t = np.arange(int(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * 440 * 2 ** ((key - 69) / 12) * t)).astype(np.float32)


def write(folder: Path, role: str, notes: list[dict[str, object]], **facts: object) -> Path:
    folder.mkdir(parents=True)
    for note in notes:
        wave = tone(float(note.pop("sounds", note["midi"]) or 0))  # type: ignore[arg-type]
        sf.write(folder / str(note["file"]), wave, RATE)
    (folder / "instrument.json").write_text(json.dumps({"role": role, "notes": notes, **facts}))
    return folder


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five guitars, and one instrument of every other role."""
    root = tmp_path_factory.mktemp("kit")
    for number in range(5):
        notes: list[dict[str, object]] = [
            {"file": "a.flac", "midi": 60, "velocity_layer": 1.0, "articulation": "sustain"},
            {"file": "b.flac", "midi": 48, "velocity_layer": 0.5, "articulation": "sustain"},
            {"file": "c.flac", "midi": 48, "velocity_layer": 1.0, "articulation": "sustain"},
            {"file": "d.flac", "midi": 48, "articulation": "palm_mute", "sounds": 54},
        ]
        write(root / f"guitar_{number}", "guitar", notes, description="Strat, DI")
    for role in ("bass", "piano", "other"):
        write(root / role, role, [{"file": "a.flac", "midi": 50}], sustained=role == "other")
    strokes: list[dict[str, object]] = [
        {"file": "kick.flac", "midi": 36, "keys": [36, 35], "articulation": "kick"},
        {"file": "hat.flac", "midi": 42, "keys": [42], "choke": "hat", "sounds": 80},
    ]
    write(root / "kit", "drums", strokes)
    speech = root / "speech"
    speech.mkdir()
    (speech / "instrument.json").write_text(json.dumps({"role": "other", "phrases": True}))
    return root


def pitch(wave: samples.Audio) -> float:
    """Return the MIDI key of a wave's strongest frequency."""
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 1 << 18))
    return 69 + 12 * float(np.log2(np.argmax(spectrum) * MEL.sample_rate / (1 << 18) / 440))


def guitar(kit: Path) -> samples.Instrument:
    found = samples.read_instrument(kit / "guitar_0")
    assert found is not None
    return found


def test_instruments_are_read_and_speech_is_left_out(kit: Path) -> None:
    names = [one.name for one in samples.read_instruments(kit)]
    assert "speech" not in names and "kit" in names
    assert guitar(kit).direct and not guitar(kit).chordal


@pytest.mark.parametrize("key", [48, 50, 59, 63])
def test_notes_sound_at_their_keys_for_their_time(kit: Path, key: int) -> None:
    wave = samples.render([(0.25, 0.65, key, 100)], guitar(kit), MEL.sample_rate, RNG(0))
    assert not wave[: MEL.sample_rate // 4 - 1].any()
    assert pitch(wave) == pytest.approx(key, abs=0.05)
    assert not wave[round(0.85 * MEL.sample_rate) :].any()


def test_louder_notes_are_louder_and_short_ones_muted_where_asked(kit: Path) -> None:
    soft, loud = (samples.render([(0, 0.5, 60, v)], guitar(kit), 8000, RNG(0)) for v in (30, 120))
    assert np.abs(loud).max() > 2 * np.abs(soft).max()
    muted = samples.render([(0, 0.2, 48, 90)], guitar(kit), 8000, RNG(0), muted=True)
    assert pitch(muted) == pytest.approx(54, abs=0.1)  # what the palm-muted file holds


def test_notes_out_of_reach_are_moved_by_octaves(kit: Path) -> None:
    rows = [(0.0, 1.0, key, 90) for key in (20, 50, 64, 99)]
    assert [row[2] for row in samples.playable(rows, guitar(kit))] == [44, 50, 64, 63]


def test_a_kit_plays_its_pieces_and_their_stand_ins_alone(kit: Path) -> None:
    drums = samples.read_instrument(kit / "kit")
    assert drums is not None
    rows = [(0.1 * k, 0.1 * k + 0.05, key, 90) for k, key in enumerate((36, 35, 46, 38, 81))]
    assert [row[2] for row in samples.playable(rows, drums)] == [36, 35, 46]


def test_a_struck_hat_ends_the_one_that_rings(kit: Path) -> None:
    drums = samples.read_instrument(kit / "kit")
    assert drums is not None
    both = samples.render([(0.0, 0.1, 42, 100), (0.2, 0.3, 42, 100)], drums, 16_000, RNG(0))
    second = samples.render([(0.2, 0.3, 42, 100)], drums, 16_000, RNG(0))
    after = round(0.3 * MEL.sample_rate)
    ratio = np.abs(both[after:]).max() / np.abs(second[after:]).max()
    assert 0.8 < ratio < 1.25  # two that ring would add up or cancel


def test_held_notes_of_sustained_instruments_go_on(kit: Path) -> None:
    organ = samples.read_instrument(kit / "other")
    assert organ is not None
    wave = samples.render([(0.0, 3.0, 50, 100)], organ, 4 * MEL.sample_rate, RNG(0))
    middle = wave[2 * MEL.sample_rate : round(2.9 * MEL.sample_rate)]
    assert np.abs(middle).max() > 0.1


def test_the_same_seed_plays_the_same(kit: Path) -> None:
    rows = [(0.1 * k, 0.1 * k + 0.3, 50 + k, 60 + 5 * k) for k in range(8)]
    part = Part("guitar", [Note(0, 1, 60, 90)], role="chug+strum")
    takes = [sampled.play(part, rows, kit, "train", 32_000, RNG(seed)) for seed in (4, 4, 5)]
    assert takes[0][0] == takes[1][0]
    np.testing.assert_array_equal(takes[0][1], takes[1][1])
    assert not np.array_equal(takes[0][1], takes[2][1])


def test_splits_share_no_instrument_where_there_are_enough(kit: Path) -> None:
    train, held = (
        {one.name for one in sampled.instruments_for(kit, "guitar", split)}
        for split in ("train", "validation")
    )
    assert train and held and not train & held
    assert len(sampled.instruments_for(kit, "bass", "validation")) == 1


def test_damaged_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="holds no instruments"):
        samples.read_instruments(tmp_path / "empty")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "instrument.json").write_text('{"role": "guitar"}')
    with pytest.raises(CorpusError, match=r"broken.instrument\.json"):
        samples.read_instrument(broken)
    write(tmp_path / "odd" / "flute", "flute", [{"file": "a.flac", "midi": 60}])
    with pytest.raises(CorpusError, match="flute"):
        samples.read_instrument(tmp_path / "odd" / "flute")


def test_missing_roles_are_named(tmp_path: Path) -> None:
    write(tmp_path / "bass", "bass", [{"file": "a.flac", "midi": 40}])
    with pytest.raises(CorpusError, match="holds no drums"):
        sampled.check_instruments(tmp_path)
