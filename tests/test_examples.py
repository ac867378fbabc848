"""The demo's clip is what NOTICE and README say, and the demo's figures come out."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bandmate_server import open_model, separate

EXAMPLES = Path(__file__).parent.parent / "examples"
STEMS = ("bass", "drums", "guitar", "piano")


def test_the_clip_is_short_small_and_the_sum_of_its_stems() -> None:
    mix, rate = soundfile.read(EXAMPLES / "late-bus.flac", dtype="int16")
    assert (EXAMPLES / "late-bus.flac").stat().st_size <= 3_000_000
    assert 20 <= len(mix) / rate <= 24
    total = np.zeros(mix.shape, np.int64)
    for stem in STEMS:
        sound, stem_rate = soundfile.read(EXAMPLES / f"late-bus-stems/{stem}.flac", dtype="int16")
        assert stem_rate == rate
        assert np.abs(sound).max() > 3_000
        total += sound
    np.testing.assert_array_equal(total, mix)


def test_the_figures_of_the_demo_come_out(fake_bundle: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "bandmate_bridge.cli",
        "separate",
        str(EXAMPLES / "late-bus.flac"),
    ]
    options = [
        "--out",
        str(tmp_path),
        "--model",
        str(fake_bundle),
        "--device",
        "cpu",
        "--threads",
        "1",
    ]
    subprocess.run([*command, *options], check=True, capture_output=True)
    measure = [sys.executable, str(EXAMPLES / "measure.py"), str(tmp_path / "late-bus")]
    done = subprocess.run(
        [*measure, str(EXAMPLES / "late-bus-stems")], check=True, capture_output=True, text=True
    )
    assert done.stdout.count("better than the mix") == 4
    for word in (str(tmp_path), "null test", "real-time factor", "fake"):
        assert word in done.stdout


@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="needs fluidsynth")
@pytest.mark.skipif(not Path("/usr/share/sounds/sf2/FluidR3_GM.sf2").exists(), reason="no font")
@pytest.mark.skipif(importlib.util.find_spec("mido") is None, reason="needs the train extra")
def test_the_clip_can_be_made_again(tmp_path: Path) -> None:
    subprocess.run([sys.executable, EXAMPLES / "make_clip.py", tmp_path], check=True)
    made, rate = soundfile.read(tmp_path / "late-bus.flac")
    shipped, _ = soundfile.read(EXAMPLES / "late-bus.flac")
    assert made.shape == shipped.shape
    # Another version of fluidsynth renders a little differently.
    assert np.corrcoef(np.abs(made).sum(1), np.abs(shipped).sum(1))[0, 1] > 0.9
    assert rate == 44_100


def test_instruments_to_the_sides_stay_on_their_sides() -> None:
    """Guitar left, piano right: each is heard where it stands, and hardly on the other side."""
    stems = {}
    for name in STEMS:
        wave, rate = soundfile.read(EXAMPLES / f"late-bus-stems/{name}.flac", dtype="float32")
        left = np.float32(name != "piano")
        right = np.float32(name != "guitar")
        stems[name] = wave.mean(axis=1, keepdims=True) * np.array([left, right])
    found = separate(open_model("mini"), np.sum(list(stems.values()), axis=0), sample_rate=rate)
    for name, away in (("guitar", 1), ("piano", 0)):
        powers = np.square(found[name]).mean(axis=0)
        assert powers[away] < 0.05 * powers[1 - away]
