"""New parts from files to files: manifests, takes, and nothing half-written."""

import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bandmate_server import PartSettings, add_files, fill_file, generate_files, vary_file
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.errors import AudioError, Cancelled, OutputError, RegionError
from bandmate_server.model.model import Model

QUICK = PartSettings(steps=2)


def write(path: Path, hertz: float, seconds: float, rate: int, channels: int = 1) -> Path:
    time = np.arange(round(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * hertz * time) * np.exp(-3.0 * (time % 0.5))
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate, "PCM_24")
    return path


def read(path: Path) -> tuple[FloatArray, int]:
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return audio, rate


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A bass, and drums of another rate, width and length."""
    return {
        "bass": write(tmp_path / "bass.wav", 80.0, 2.0, 48_000),
        "drums": write(tmp_path / "drums.wav", 900.0, 1.2, 44_100, channels=2),
    }


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if "partial" in path.name]


def test_add_writes_stems_and_a_manifest_that_says_how(
    model: Model, files: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "out"
    [result] = add_files(model, ["guitar", "piano"], files, out, settings=replace(QUICK, seed=7))
    assert result.stems == {name: out / f"{name}.wav" for name in ("guitar", "piano")}
    for path in result.stems.values():
        audio, rate = read(path)
        assert (audio.shape, rate) == ((96_000, 2), 48_000)
        assert soundfile.info(path).subtype == "FLOAT"
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest == result.manifest
    assert (manifest["task"], manifest["rate"], manifest["frames"]) == ("add", 48_000, 96_000)
    assert [entry["stem"] for entry in manifest["inputs"]] == ["bass", "drums"]
    digest = hashlib.sha256(files["drums"].read_bytes()).hexdigest()
    assert manifest["inputs"][1]["sha256"] == digest
    wanted = {"seed": 7, "steps": 2, "take": 1, "takes": 1, "stems": ["guitar", "piano"]}
    assert manifest["settings"].items() >= wanted.items()
    assert manifest["levels"]["guitar"]["true_peak_db"] <= -1.0
    assert manifest["levels"]["context_lufs"] < -10.0
    assert manifest["timings"]["total"] > 0.0
    assert [word for word in manifest["warnings"] if "resampled for the model" in word]
    assert [word for word in manifest["warnings"] if "ends 0.80 s before" in word]
    assert not leftovers(tmp_path)


def test_stems_of_different_rates_stay_aligned(model: Model, tmp_path: Path) -> None:
    """The same music at two rates is heard as the same, up to resampling."""
    drums = write(tmp_path / "drums.wav", 900.0, 2.0, 44_100)
    rates = {rate: write(tmp_path / f"b{rate}.wav", 80.0, 2.0, rate) for rate in (44_100, 32_000)}
    first, second = (
        read(
            add_files(
                model,
                ["guitar"],
                {"drums": drums, "bass": path},
                tmp_path / str(rate),
                settings=QUICK,
            )[0].stems["guitar"]
        )[0]
        for rate, path in rates.items()
    )
    assert first.shape == second.shape
    assert float(np.corrcoef(first[:, 0], second[:, 0])[0, 1]) > 0.999


def test_takes_lie_side_by_side_with_seeds_that_count_up(
    model: Model, files: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    results = add_files(model, ["guitar"], files, out, settings=replace(QUICK, seed=5, takes=3))
    assert [result.folder.name for result in results] == ["take-1", "take-2", "take-3"]
    assert [result.manifest["settings"]["seed"] for result in results] == [5, 6, 7]
    takes = [read(result.stems["guitar"])[0] for result in results]
    for first, second in itertools.combinations(takes, 2):
        assert np.abs(first - second).max() > 1e-4
    [alone] = add_files(model, ["guitar"], files, tmp_path / "one", settings=replace(QUICK, seed=6))
    np.testing.assert_array_equal(read(alone.stems["guitar"])[0], takes[1])


def test_fill_writes_the_whole_stem_untouched_outside_the_range(
    model: Model, files: dict[str, Path], tmp_path: Path
) -> None:
    chosen = replace(QUICK, start=0.4, end=0.9, bit_depth="24")
    [result] = fill_file(model, "drums", files, tmp_path / "out", settings=chosen)
    was, now = read(files["drums"])[0], read(result.stems["drums"])[0]
    assert was.shape == now.shape
    changed = np.flatnonzero((was != now).any(axis=1))
    assert (changed[0] >= round(0.4 * 44_100), changed[-1] < round(0.9 * 44_100)) == (True, True)
    assert changed[-1] - changed[0] > 0.49 * 44_100
    assert result.manifest["region"]["frames"] == round(0.5 * 44_100)
    assert result.manifest["frames"] == len(was)


def test_vary_writes_the_stems_own_shape(
    model: Model, files: dict[str, Path], tmp_path: Path
) -> None:
    chosen = replace(QUICK, end=1.0, format="flac")
    [result] = vary_file(model, "drums", files, tmp_path / "out", strength=0.3, settings=chosen)
    audio, rate = read(result.stems["drums"])
    assert (audio.shape, rate) == ((44_100, 2), 44_100)
    assert result.manifest["settings"]["strength"] == 0.3


def test_generate_writes_all_stems(model: Model, tmp_path: Path) -> None:
    [result] = generate_files(model, 0.5, tmp_path / "out", settings=QUICK, sample_rate=8_000)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "bass.wav", "drums.wav", "guitar.wav", "manifest.json", "piano.wav",
    ]  # fmt: skip
    assert read(result.stems["bass"])[0].shape == (4_000, 1)
    assert result.manifest["inputs"] == []


def test_a_result_that_is_there_is_kept_unless_forced(
    model: Model, files: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    add_files(model, ["guitar"], files, out, settings=QUICK)
    before = (out / "guitar.wav").read_bytes()
    with pytest.raises(OutputError, match="is there already: use --force"):
        add_files(model, ["guitar"], files, out, settings=replace(QUICK, seed=2))
    assert (out / "guitar.wav").read_bytes() == before
    add_files(model, ["piano"], files, out, settings=QUICK, force=True)
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "piano.wav"]


def test_other_files_in_the_folder_stay(
    model: Model, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    [result] = add_files(model, ["guitar"], files, Path(), settings=QUICK)
    assert result.stems["guitar"].is_file()
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not leftovers(tmp_path)


def test_what_is_given_is_never_written_over(
    model: Model, files: dict[str, Path], tmp_path: Path
) -> None:
    before = files["bass"].read_bytes()
    words = r"would be overwritten by the new bass\.wav"
    with pytest.raises(OutputError, match=words):
        vary_file(model, "bass", files, tmp_path, strength=0.5, settings=QUICK, force=True)
    with pytest.raises(OutputError, match=words):
        fill_file(model, "bass", files, tmp_path, settings=replace(QUICK, end=1.0), force=True)
    assert files["bass"].read_bytes() == before


def test_cancelling_leaves_whole_takes_and_nothing_else(
    model: Model, files: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(Cancelled):
        add_files(
            model,
            ["guitar"],
            files,
            out,
            settings=replace(QUICK, takes=3),
            cancel=lambda: (out / "take-1").exists(),
        )
    assert sorted(path.name for path in out.rglob("*")) == ["guitar.wav", "manifest.json", "take-1"]
    with pytest.raises(Cancelled):
        add_files(model, ["guitar"], files, tmp_path / "new", settings=QUICK, cancel=lambda: True)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda path: path.unlink(), AudioError, "does not exist"),
        (lambda path: path.write_bytes(b""), AudioError, "the file is empty"),
        (lambda path: path.write_bytes(b"no audio"), AudioError, "not audio that can be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:9_000]), AudioError, "is cut off"),
    ],
)
def test_spoilt_files_are_named_and_nothing_is_written(
    model: Model,
    files: dict[str, Path],
    tmp_path: Path,
    spoil: Callable[[Path], object],
    error: type[Exception],
    words: str,
) -> None:
    spoil(files["drums"])
    with pytest.raises(error, match=words):
        add_files(model, ["guitar"], files, tmp_path / "out", settings=QUICK)
    assert not (tmp_path / "out").exists()


def test_a_range_past_the_stems_own_end_is_refused(
    model: Model, files: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(RegionError, match=r"the audio is 1\.200 s long"):
        fill_file(
            model, "drums", files, tmp_path / "o", settings=replace(QUICK, start=1.3, end=1.5)
        )
