"""`evaluate --table systems`: models, programs and files side by side, each in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from bandmate_training.cli import main
from bandmate_training.evaluation.systems.processes import run_measured

Run = Callable[..., int]
RATE = 44_100
# Finds the loudest source by name, in a folder between, as other programs have it.
PROGRAM = """
import sys, pathlib, soundfile
out = pathlib.Path(sys.argv[1]) / "their-model"
for path in map(pathlib.Path, sys.argv[2:]):
    wave, rate = soundfile.read(path, dtype="float32")
    (out / path.stem).mkdir(parents=True)
    for stem in ("vocals", "no_vocals"):
        soundfile.write(out / path.stem / f"{stem}.wav", wave, rate, "FLOAT")
"""


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stereo songs as in MUSDB: a mixture beside the sources, one of which is a voice."""
    folder, time_ = tmp_path_factory.mktemp("songs"), np.arange(3 * RATE) / RATE
    rng = np.random.default_rng(3)
    for k in range(2):
        song = folder / "test" / f"song [{k}]"
        song.mkdir(parents=True)
        waves = {
            "bass": 0.2 * np.sin(2 * np.pi * (60 + 20 * k) * time_),
            "drums": 0.2 * rng.standard_normal(len(time_)) * (time_ % 0.5 < 0.1),
            "vocals": 0.1 * np.sin(2 * np.pi * 880 * time_),
            "other": 0.05 * np.sin(2 * np.pi * 3000 * time_),
        }
        for name, wave in {**waves, "mixture": sum(waves.values())}.items():
            sf.write(song / f"{name}.wav", np.stack([wave, 0.8 * wave], 1), RATE)
    return folder


@pytest.fixture
def run(songs: Path, tmp_path: Path) -> Run:
    def run(*options: str) -> int:
        words = ["--corpus", str(songs), "--split", "test", "--seconds", "1.5", "--clips", "3"]
        return main(["evaluate", *words, "--out", str(tmp_path / "out"), *options])

    return run


def read(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "out" / "systems.json").read_text())
    return found


def test_models_programs_and_files_stand_side_by_side(
    run: Run, tmp_path: Path, fake_bundle: Path, waveform_bundle: Path, songs: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    options = ["--model", str(fake_bundle), "--system", f"waves={waveform_bundle}"]
    options += ["--system", f"theirs={sys.executable} {program} {{out}} {{files}}"]
    options += ["--system", f"true={songs}"]
    assert run("--table", "systems", *options) == 0
    found = read(tmp_path)
    systems = found["systems"]
    assert list(systems) == ["mixture as stem", "fake", "waves", "theirs", "true"]
    stems = {name: set(row["si_sdr"]) for name, row in systems.items()}
    assert stems["fake"] == {"bass", "drums", "guitar", "piano"}
    assert stems["waves"] == {"drums", "vocals"}  # not `other`, which is another thing for each
    assert stems["theirs"] == {"vocals"} and stems["true"] == {"bass", "drums", "vocals"}
    assert systems["true"]["si_sdr"]["vocals"]["mean"] == 100  # the highest that is given
    mixture = systems["mixture as stem"]["si_sdr"]["vocals"]["mean"]
    assert systems["theirs"]["si_sdr"]["vocals"]["mean"] == pytest.approx(mixture, abs=1e-3)
    assert systems["theirs"]["si_sdri"]["vocals"]["mean"] == pytest.approx(0, abs=1e-3)
    assert systems["fake"]["si_sdr"]["guitar"]["mean"] is None  # sounds nowhere
    for name in ("fake", "waves", "theirs"):
        assert systems[name]["processor_seconds"] > 0.05
        assert 20e6 < systems[name]["peak_bytes"] < 2e9
    assert systems["true"]["peak_bytes"] is None
    report = (tmp_path / "out" / "systems.md").read_text()
    header = "| system | bass | drums | guitar | piano | vocals | processor, s/min | memory, MB |"
    assert header in report and "| true | 100.0 |" in report
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["systems.md", "systems.json"]


def test_a_model_beside_the_default_report_is_in_both(
    run: Run, tmp_path: Path, fake_bundle: Path
) -> None:
    options = ["--model", "none", "--system", f"mine={fake_bundle}", "--steps", "0"]
    assert run(*options) == 0
    scores = json.loads((tmp_path / "out" / "separation.json").read_text())["systems"]
    assert scores["mine"]["null_error"] < 1e-6
    assert list(read(tmp_path)["systems"]) == ["mixture as stem", "mine"]


def test_mixtures_are_written_for_programs_that_run_elsewhere(
    run: Run, tmp_path: Path, songs: Path
) -> None:
    assert run("--mixtures") == 0
    mixtures = sorted((tmp_path / "out").glob("*.wav"))
    assert len(mixtures) == 3 and mixtures[0].name == "song [0]_from_0.wav"
    wave, rate = sf.read(mixtures[0])
    true = sf.read(songs / "test" / "song [0]" / "mixture.wav")[0][: len(wave)]
    assert rate == RATE and float(np.abs(wave - true).max()) < 2e-4  # 16 bits five times
    theirs = tmp_path / "theirs"
    for path in mixtures:
        (theirs / path.stem).mkdir(parents=True)
        (theirs / path.stem / "vocals.flac").write_bytes(_flac(path))
    assert run("--table", "systems", "--model", "none", "--system", str(theirs)) == 0
    assert read(tmp_path)["systems"]["theirs"]["si_sdri"]["vocals"]["mean"] == pytest.approx(
        0, abs=1e-3
    )


def _flac(path: Path) -> bytes:
    wave, rate = sf.read(path)
    target = path.with_suffix(".flac")
    sf.write(target, wave, rate, subtype="PCM_24")
    return target.read_bytes()


@pytest.mark.parametrize(
    ("system", "message"),
    [
        ("x=/nowhere", "no such folder of stems, and unknown model '/nowhere'"),
        ("nobody", "unknown model 'nobody'"),
        ("x=no-such-program {out}", "x failed (status 127): No such file"),
        (
            f"x={sys.executable} -c 'raise SystemExit(\"no weights\")' {{out}}",
            "status 1): no weights",
        ),
        (f"x={sys.executable} -c 'import os; os.abort()' {{out}}", "x failed (signal 6)"),
        (f"x={sys.executable} -c 0 {{out}}", "the system x has no stem of the corpus: expected"),
    ],
)
def test_a_system_that_cannot_be_scored_is_named(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], system: str, message: str
) -> None:
    assert run("--table", "systems", "--model", "none", "--system", system) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_memory_is_the_programs_own_and_not_of_who_measures() -> None:
    ballast = np.ones(50_000_000)  # 400 MB of this process
    small = run_measured("small", [sys.executable, "-c", "0"], lambda: None)
    words = "held = bytearray(200_000_000); sum(range(3_000_000))"
    large = run_measured("large", [sys.executable, "-c", words], lambda: None)
    assert small.peak and large.peak and small.processor and large.processor
    assert small.peak < 60e6 < ballast.nbytes
    assert 190e6 < large.peak - small.peak < 230e6
    assert large.processor > small.processor


def test_a_model_is_measured_without_what_training_needs() -> None:
    code = "import sys, bandmate_training.evaluation.systems.separate_files; print(*sys.modules)"
    words = [sys.executable, "-c", code]
    found = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert "bandmate_server.separation.api" in found
    assert not {"torch", "onnx", "pedalboard"} & set(found)


def test_a_program_ends_with_an_interrupt(tmp_path: Path) -> None:
    def interrupt() -> None:
        if (tmp_path / "pid").exists():
            raise KeyboardInterrupt

    words = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); "
    with pytest.raises(KeyboardInterrupt):
        run_measured("slow", [sys.executable, "-c", words + "time.sleep(60)"], interrupt)
    process = int((tmp_path / "pid").read_text() or 0)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _lives(process):
        time.sleep(0.05)
    assert not _lives(process)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{process}/status").read_text()
