"""The wheel and the sdist hold what a user needs, and the wheel runs."""

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODEL = "server/bandmate_server/models/mini"
MODEL_FILES = (
    "bundle.json",
    "encoder.onnx",
    "denoiser.onnx",
    "decoder.onnx",
    "vocoder.onnx",
    "separator.onnx",
    "MODEL_CARD.md",
)
needs_model = pytest.mark.skipif(
    not (ROOT / MODEL / "bundle.json").is_file(), reason="the mini model is not in this checkout"
)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return folder


def wheel_names(dist: Path) -> list[str]:
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        return wheel.namelist()


def sdist_names(dist: Path) -> list[str]:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as sdist:
        return [name.partition("/")[2] for name in sdist.getnames()]


def test_wheel_has_the_four_packages_and_nothing_beside_them(dist: Path) -> None:
    tops = {name.partition("/")[0] for name in wheel_names(dist)}
    packages = {"bandmate_server", "bandmate_bridge", "bandmate_training", "bandmate_export"}
    assert {top for top in tops if not top.endswith(".dist-info")} == packages


def test_wheel_has_typing_marks_and_licences(dist: Path) -> None:
    names = wheel_names(dist)
    assert sum(name.endswith("/py.typed") for name in names) == 4
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/NOTICE") for name in names)


def test_sdist_builds_again_and_has_tests_examples_and_settings(dist: Path) -> None:
    names = sdist_names(dist)
    for name in ("pyproject.toml", "README.md", "Makefile", "constraints.txt", "NOTICE"):
        assert name in names
    assert "examples/late-bus.flac" in names
    assert "tests/test_package.py" in names


def test_scripts_for_daws_are_in_wheel_and_sdist(dist: Path) -> None:
    scripts = [
        *(ROOT / "plugin_bridge").glob("ardour/*/*.lua"),
        *(ROOT / "plugin_bridge/reaper").glob("*.lua"),
        ROOT / "plugin_bridge/plugin/Makefile",
    ]
    assert len(scripts) >= 14
    for path in scripts:
        name = path.relative_to(ROOT / "plugin_bridge").as_posix()
        assert f"bandmate_bridge/daw/scripts/{name}" in wheel_names(dist)
        assert f"plugin_bridge/{name}" in sdist_names(dist)


@needs_model
def test_the_mini_model_is_in_wheel_and_sdist_and_small_enough(dist: Path) -> None:
    for file in MODEL_FILES:
        assert f"bandmate_server/models/mini/{file}" in wheel_names(dist)
        assert f"{MODEL}/{file}" in sdist_names(dist)
    size = sum((ROOT / MODEL / file).stat().st_size for file in MODEL_FILES)
    assert size <= 80e6


@needs_model
def test_the_wheel_separates_without_this_checkout(dist: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    program = "import sys, bandmate_server, bandmate_bridge.cli as cli; " + (
        "assert 'site' in bandmate_server.__file__; sys.exit(cli.main(sys.argv[1:]))"
    )
    clip = ROOT / "examples" / "late-bus.flac"
    options = ["--out", "stems", "--end", "2", "--device", "cpu", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, "-c", program, "separate", str(clip), *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site"), "HOME": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "stems" / "late-bus" / "bass.wav").is_file()


def test_an_installed_wheel_finds_the_plug_in_s_sources(dist: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-m", "bandmate_bridge.cli", "daw", "where", "plugin", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site"), "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    found, sources = Path(json.loads(done.stdout)["scripts"]), ROOT / "plugin_bridge" / "plugin"
    assert found.is_relative_to(tmp_path / "site")
    files = [
        {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (found, sources)
    ]
    assert files[0] == files[1], "all of them, and nothing that was built"


def test_the_base_install_has_no_training_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {line.split(">")[0].split("[")[0] for line in project["dependencies"]}
    engines = {"onnxruntime-gpu", "onnxruntime"}
    others = {"mido", "mutagen", "numpy", "platformdirs", "portalocker", "pyloudnorm"}
    others |= {"python-osc", "soundfile", "soxr", "tqdm"}
    assert names == others | engines


def test_constraints_pin_every_direct_dependency_exactly() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {line.partition("==")[0] for line in lines if line and not line.startswith("#")}
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(line for extra in extras for line in extra)]
    names = {line.split(">")[0].split("[")[0].split(";")[0].strip() for line in wanted}
    assert names <= pinned


def test_commands_start_without_what_takes_long_to_load() -> None:
    slow = "{'scipy', 'torch', 'pedalboard', 'ray', 'sounddevice'}"
    for module in ("bandmate_bridge.commands.separate", "bandmate_bridge.commands.batch"):
        code = f"import sys, {module}; print(*sorted({slow} & set(sys.modules)))"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == []
