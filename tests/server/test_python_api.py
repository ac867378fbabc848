"""The public functions: names, signatures, kinds of audio, and what is refused in which words."""

import inspect
import subprocess
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import bandmate_server
from bandmate_server import (
    AudioError,
    BandmateError,
    DeviceError,
    Model,
    PartSettings,
    RegionError,
    Result,
    SeparateSettings,
    SettingsError,
    add,
    add_files,
    fill,
    fill_file,
    generate,
    generate_files,
    open_model,
    separate,
    separate_file,
    vary,
    vary_file,
)

RATE = 16_000
QUICK = PartSettings(steps=1, guidance=1.0)
WAVE = (0.3 * np.sin(np.arange(RATE) * 0.03)).astype(np.float32)
BASS = {"bass": WAVE}
TWINS = [
    (separate, separate_file),
    (add, add_files),
    (fill, fill_file),
    (vary, vary_file),
    (generate, generate_files),
]
FUNCTIONS = [function for twins in TWINS for function in twins]
# What only arrays have or need, and what only files do.
ONLY_ARRAYS, ONLY_FILES = {"audio", "sample_rate"}, {"path", "out_dir", "force"}


def test_completion_shows_the_public_names_alone() -> None:
    assert dir(bandmate_server) == sorted(bandmate_server.__all__)
    for name in bandmate_server.__all__:
        assert getattr(bandmate_server, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        _ = bandmate_server.nothing


def test_importing_the_package_loads_no_array_library() -> None:
    program = "import sys, bandmate_server; dir(bandmate_server); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.split() == [b"False"]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_all_arguments_have_types_and_what_follows_the_subject_goes_by_name(
    function: Callable[..., Any],
) -> None:
    parameters = inspect.signature(function).parameters
    assert typing.get_type_hints(function).keys() == {*parameters, "return"}
    named = {name for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY}
    subject = {"model", "audio", "path", "stems", "stem", "given", "seconds", "out_dir"}
    assert {*parameters} - named <= subject
    assert {"settings", "progress", "cancel"} <= named


@pytest.mark.parametrize(("arrays", "files"), TWINS, ids=lambda function: function.__name__)
def test_twins_take_the_same_arguments_in_the_same_order(
    arrays: Callable[..., Any], files: Callable[..., Any]
) -> None:
    first, second = (list(inspect.signature(one).parameters) for one in (arrays, files))
    common = [name for name in first if name in second]
    assert common == [name for name in second if name in first]
    assert {*first} - {*second} <= ONLY_ARRAYS
    assert {*second} - {*first} <= ONLY_FILES


@pytest.mark.parametrize(
    "error", [AudioError, DeviceError, RegionError, SettingsError], ids=lambda one: one.__name__
)
def test_errors_of_arguments_are_value_errors(error: type[BandmateError]) -> None:
    assert issubclass(error, BandmateError)
    assert issubclass(error, ValueError)


@pytest.mark.parametrize("kind", ["int16", "int32", ">i2", "float64"])
def test_other_kinds_of_samples_are_the_same_audio(model: Model, kind: str) -> None:
    expected = separate(model, WAVE, sample_rate=RATE)
    dtype = np.dtype(kind)
    scale = 1.0 if dtype.kind == "f" else 2.0 ** (8 * dtype.itemsize - 1)
    found = separate(model, (WAVE.astype(np.float64) * scale).astype(dtype), sample_rate=RATE)
    for name, stem in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], stem, atol=2e-4)


def test_lists_numpy_numbers_and_one_stem_as_a_string_are_taken(model: Model) -> None:
    found = separate(
        model,
        WAVE[:800].tolist(),
        sample_rate=np.int64(RATE),  # type: ignore[arg-type]
        settings=SeparateSettings(stems="bass", seed=np.int32(3)),  # type: ignore[arg-type]
    )
    assert list(found) == ["bass", "other"]
    made = add(model, "piano", BASS, sample_rate=RATE, settings=QUICK)
    assert list(made) == ["piano"]
    assert list(generate(model, 0.5, stems="drums", settings=QUICK)) == ["drums"]


def test_one_stem_as_a_string_makes_its_file(model: Model, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "bass.wav", WAVE, RATE)
    given, out = {"bass": tmp_path / "bass.wav"}, tmp_path / "out"
    (result,) = add_files(model, "piano", given, str(out), settings=QUICK)
    assert isinstance(result, Result)
    assert result.stems == {"piano": out / "piano.wav"}


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        ("song.wav", r"'song\.wav': expected an array \(frames, channels\)"),
        (Path("song.wav"), r"song\.wav.*: expected an array"),
        (None, "None: expected an array"),
        (0.5, r"0\.5: expected an array"),
        (WAVE.reshape(1, -1), r"16000 channels of 1 frames: .* transpose it: audio\.T"),
        (np.stack([WAVE, WAVE]), r"16000 channels of 2 frames: .* transpose it"),
        (np.zeros((2, 2, 2), np.float32), r"shape \(2, 2, 2\): expected \(frames, channels\)"),
        (np.zeros(99, np.uint8), "samples of the type uint8: expected float .* int16 or int32"),
        (np.zeros(99, np.int8), "type int8"),
        (np.zeros(99, np.int64), "type int64"),
        (np.zeros(99, np.uint16), "type uint16"),
        (np.zeros(99, bool), "type bool"),
        (np.zeros(99, complex), "type complex128"),
        (["a", "b"], "type <U1"),
        ([[0.0], [0.0, 1.0]], "is no array"),
        (np.zeros((0, 2), np.float32), "no audio"),
        (np.zeros((9, 0), np.float32), "0 channels"),
        (np.full(9_000, 1e300), "not finite"),
        (WAVE * np.nan, "not finite"),
    ],
)
def test_arrays_that_are_no_audio_are_refused(model: Model, audio: Any, words: str) -> None:
    with pytest.raises(AudioError, match=words):
        separate(model, audio, sample_rate=RATE)
    with pytest.raises(AudioError, match=words):
        add(model, "piano", {"bass": audio}, sample_rate=RATE, settings=QUICK)
    if audio is not None:
        with pytest.raises(AudioError, match=words):
            add(model, "piano", BASS, sample_rate=RATE, settings=QUICK, backing=audio)


@pytest.mark.parametrize("rate", ["16000", 16_000.5, True, None, 4_000, 400_000, float("nan")])
def test_sample_rates_are_whole_numbers_in_their_range(model: Model, rate: Any) -> None:
    words = r"sample rate is .*: expected 8000 to 192000, a whole number"
    with pytest.raises(SettingsError, match=words):
        separate(model, WAVE, sample_rate=rate)
    with pytest.raises(SettingsError, match=words):
        add(model, "piano", BASS, sample_rate=rate)
    with pytest.raises(SettingsError, match=words):
        generate(model, 1.0, sample_rate=rate)


@pytest.mark.parametrize("kind", [SeparateSettings, PartSettings])
@pytest.mark.parametrize(
    "wrong",
    [
        {"start": "0"},
        {"start": True},
        {"end": [1]},
        {"steps": "4"},
        {"steps": 4.5},
        {"steps": True},
        {"seed": 1.5},
        {"seed": "1"},
        {"seed": False},
        {"seed": None},
        {"guidance": "1"},
        {"eta": True},
        {"solver": 1},
        {"format": None},
        {"format": ["wav"]},
        {"bit_depth": 24.5},
    ],
    ids=str,
)
def test_settings_of_wrong_types_are_refused_by_name(kind: Any, wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(SettingsError, match=f"{name.replace('_', ' ')} is .*: expected"):
        kind(**wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"model": "mini"}, "model is 'mini': expected what open_model returns"),
        ({"settings": {"steps": 4}}, r"settings is \{'steps': 4\}: expected PartSettings"),
        ({"settings": SeparateSettings()}, "settings is Separate.*: expected PartSettings"),
        ({"stems": 5}, "stems is 5: expected"),
        ({"stems": None}, "stems is None: expected"),
        ({"stems": [b"bass"]}, "stems is .*: expected"),
        ({"stems": {"bass"}}, "stems is .*: expected"),
        ({"stems": []}, "no stems are wanted"),
        ({"given": WAVE}, "given is .*: expected a mapping"),
        ({"given": [("bass", WAVE)]}, "given is .*: expected a mapping"),
        ({"given": None}, "given is None: expected a mapping"),
        ({"given": {3: WAVE}}, "unknown stem 3"),
        ({"progress": 5}, "progress is 5: expected a function"),
        ({"cancel": False}, "cancel is False: expected a function"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_arguments_of_add_are_refused_by_name(
    model: Model, wrong: dict[str, Any], words: str
) -> None:
    right: dict[str, Any] = {"model": model, "stems": "piano", "given": BASS, "sample_rate": RATE}
    with pytest.raises(SettingsError, match=words):
        add(**right | wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"given": {"bass": 5}}, "bass is 5: expected a path"),
        ({"given": {"bass": None}}, "bass is None: expected a path"),
        ({"out_dir": 5}, "out_dir is 5: expected a path"),
        ({"out_dir": None}, "out_dir is None: expected a path"),
        ({"backing": WAVE}, "backing is .*: expected a path"),
        ({"force": "no"}, "force is 'no': expected true or false"),
        ({"force": 1}, "force is 1: expected true or false"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_arguments_of_files_are_refused_by_name(
    model: Model, tmp_path: Path, wrong: dict[str, Any], words: str
) -> None:
    soundfile.write(tmp_path / "bass.wav", WAVE, RATE)
    given, out = {"bass": tmp_path / "bass.wav"}, tmp_path / "out"
    right: dict[str, Any] = {"model": model, "stems": "piano", "given": given, "out_dir": out}
    with pytest.raises(SettingsError, match=words):
        add_files(**right | wrong)
    assert not out.exists()


def test_wrong_arguments_of_the_others_are_refused_by_name(model: Model, tmp_path: Path) -> None:
    anything: Any = 5
    for strength in ("0.5", True, None, [0.5]):
        with pytest.raises(SettingsError, match=r"strength is .*: expected"):
            vary(model, "bass", BASS, strength=strength, sample_rate=RATE)  # type: ignore[arg-type]
    for stem in (["bass"], None, 3):
        with pytest.raises(SettingsError, match=r"stem is .*: expected the name of one stem"):
            fill(model, stem, BASS, sample_rate=RATE, settings=QUICK)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="length in seconds is '3': expected"):
        generate(model, "3")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="channels is True: expected"):
        generate(model, 1.0, channels=True)
    with pytest.raises(SettingsError, match="path is 5: expected a path"):
        separate_file(model, anything, tmp_path)
    with pytest.raises(SettingsError, match="out_dir is 5: expected a path"):
        separate_file(model, "song.wav", anything)
    with pytest.raises(SettingsError, match="expected SeparateSettings"):
        separate(model, WAVE, sample_rate=RATE, settings=anything)
    with pytest.raises(SettingsError, match="model name is 5: expected a name"):
        open_model(anything)
    with pytest.raises(SettingsError, match="threads is True: expected"):
        Model(model.bundle, "cpu", threads=True)
    with pytest.raises(DeviceError, match="unknown device 5"):
        Model(model.bundle, anything)
