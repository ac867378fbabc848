"""`bandmate models get` and `import` from a local server: random weights in published layouts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_server.model.library.catalogue import CATALOGUE

ROWS = {row.name: row for row in CATALOGUE}
ONE = ROWS["htdemucs_6s"].files[0].name
BAG = [file.name for file in ROWS["htdemucs_ft"].files]
CPU = ("--device", "cpu", "--threads", "1")
SIX = ["drums", "bass", "other", "vocals", "guitar", "piano"]
Run = Callable[..., Any]


def left(folder: Path) -> list[str]:
    """Return what is in a folder, but for locks."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(name for name in names if not name.endswith(".lock"))


def check_stems(local: Run, tmp_path: Path, name: str, stems: set[str]) -> None:
    """Separate by an installed model: its stems, and their sum is the song."""
    noise = 0.1 * np.random.default_rng(0).standard_normal((60_000, 2))
    soundfile.write(tmp_path / "song.wav", noise.astype(np.float32), 48_000, "FLOAT")
    status, _, errors = local("separate", "song.wav", "--out", name, "--model", name, *CPU)
    assert status == 0, errors
    found = {
        file.stem: soundfile.read(file)[0] for file in (tmp_path / name / "song").glob("*.wav")
    }
    assert set(found) == {*stems, "other"}
    total = sum(found.values())
    assert np.abs(total - soundfile.read(tmp_path / "song.wav")[0]).max() < 1e-6


def test_one_command_gives_a_model_that_separates(
    local: Run, site: Any, tmp_path: Path, models: Path, cache: Path
) -> None:
    site.cut = [40_000]
    status, out, errors = local("models", "get", "htdemucs_6s")
    assert status == 0, errors
    assert "added htdemucs_6s" in out
    assert "licence of the weights: research" in errors[0]
    assert site.asked == [(f"/{ONE}", ""), (f"/{ONE}", "bytes=40000-")]
    assert left(models) == ["htdemucs_6s"]
    assert left(cache) == []
    manifest = json.loads((models / "htdemucs_6s" / "bundle.json").read_bytes())
    assert manifest["licence"] == "research"
    check_stems(local, tmp_path, "htdemucs_6s", set(SIX) - {"other"})
    status, out, _ = local("models", "list", "--all", "--json")
    listed = json.loads(out)
    assert "htdemucs_6s" in [model["name"] for model in listed["models"]]
    assert "htdemucs_6s" not in [model["name"] for model in listed["available"]]
    status, _, errors = local("models", "get", "htdemucs_6s")
    assert status == 1
    assert errors == [
        "bandmate: error: htdemucs_6s is installed already: use --force to replace it"
    ]
    assert len(site.asked) == 2
    assert local("config", "set", "model.separate", "htdemucs_6s")[0] == 0
    status, out, errors = local("models", "remove", "htdemucs_6s")
    assert (status, left(models)) == (0, [])
    assert "bandmate config unset model.separate" in errors[0]


def test_a_bag_comes_from_a_folder_or_a_mirror(
    local: Run, site: Any, weights: Path, tmp_path: Path, models: Path
) -> None:
    status, _, errors = local("models", "get", "htdemucs_ft", "--from", weights, "--quiet")
    assert (status, errors) == (0, [])
    assert site.asked == []
    check_stems(local, tmp_path, "htdemucs_ft", {"drums", "bass", "vocals"})
    mirror = ("--from", f"{site.base}/", "--force", "--quiet")
    status, _, errors = local("models", "get", "htdemucs_ft", *mirror)
    assert (status, errors) == (0, [])
    assert [path for path, _ in site.asked] == [f"/{name}" for name in BAG]
    assert left(models) == ["htdemucs_ft"]


def test_ctrl_c_leaves_no_model_and_the_next_time_goes_on(
    local: Run, site: Any, models: Path, cache: Path
) -> None:
    site.pause = 0.2
    process = local("models", "get", "htdemucs_6s", start=True)
    part = cache / "htdemucs_6s" / f"{ONE}.part"
    while not part.exists() or not part.stat().st_size:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "bandmate: cancelled"
    assert left(models) == []
    came = part.stat().st_size
    site.pause = 0.0
    assert local("models", "get", "htdemucs_6s")[0] == 0
    assert site.asked[-1] == (f"/{ONE}", f"bytes={came}-")
    assert left(models) == ["htdemucs_6s"]


def test_ctrl_c_while_it_is_converted_leaves_nothing_but_the_files(
    local: Run, models: Path, cache: Path
) -> None:
    process = local("models", "get", "htdemucs_6s", start=True)
    while not (models / ".staging").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert left(models) == []
    assert ONE in left(cache / "htdemucs_6s")


def test_a_killed_conversion_is_cleared_away_and_two_at_once_are_one_too_many(
    local: Run, models: Path, weights: Path
) -> None:
    process = local("models", "get", "htdemucs_6s", "--from", weights, start=True)
    while not (models / ".staging").exists() or not list((models / ".staging").iterdir()):
        assert process.poll() is None
        time.sleep(0.01)
    second = local("models", "get", "htdemucs_ft", "--from", weights, "--quiet")
    assert second[0] == 1
    assert "another bandmate installs a model" in second[2][0]
    process.kill()
    process.communicate()
    assert left(models) == [".staging"]
    assert local("models", "list")[0] == 0
    assert local("models", "get", "htdemucs_6s", "--from", weights)[0] == 0
    assert left(models) == ["htdemucs_6s"]


def test_what_is_wrong_is_said_in_one_line_and_nothing_is_installed(
    local: Run, site: Any, weights: Path, models: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    other = tmp_path / "other"
    shutil.copytree(weights, other)
    shutil.copy(weights / BAG[0], other / ONE)
    gone = f"{site.base}/nothing"
    for place, words in (
        (empty, f"has no {ONE}"),
        (tmp_path / "nosuch", "neither a folder, a file nor an address"),
        ("ftp://example.org", "neither a folder, a file nor an address"),
        (other, "is not the published file"),
        (gone, f"{gone}/{ONE} is not there (HTTP 404)"),
        ("http://127.0.0.1:1", "cannot reach 127.0.0.1"),
    ):
        status, out, errors = local("models", "get", "htdemucs_6s", "--from", place, "--quiet")
        assert (status, out, len(errors)) == (1, "", 1), errors
        assert words in errors[0]
    assert (other / ONE).exists(), "a file of the user's own was removed"
    one = weights / BAG[0]
    status, _, errors = local("models", "get", "htdemucs_ft", "--from", one, "--quiet")
    assert status == 1
    assert "is one file, htdemucs_ft has these: name a folder" in errors[0]
    site.files[f"/{ONE}"] = b"no weights at all"
    assert "it was removed" in local("models", "get", "htdemucs_6s", "--quiet")[2][0]
    assert left(models) == []


@pytest.mark.parametrize("missing", ["torch", "onnx"])
def test_without_torch_nothing_is_fetched(local: Run, site: Any, missing: str) -> None:
    status, _, errors = local("models", "get", "htdemucs_6s", WITHOUT=missing)
    assert status == 1
    assert len(errors) == 1
    assert "pip install 'bandmate[export]' (nothing was fetched)" in errors[0]
    assert site.asked == []


def test_a_name_in_another_folder_of_models_is_not_hidden(
    local: Run, environment: dict[str, str], fake_bundle: Path, site: Any
) -> None:
    (Path(environment["BANDMATE_MODELS"]) / "htdemucs_6s").symlink_to(fake_bundle)
    status, _, errors = local("models", "get", "htdemucs_6s", "--force")
    assert status == 1
    assert "which counts first" in errors[0]
    assert site.asked == []
    status, _, errors = local("models", "remove", "htdemucs_6s")
    assert status == 1
    assert "not one of your own models" in errors[0]
    assert "no model 'nosuch'" in local("models", "remove", "nosuch")[2][0]


def test_models_that_cannot_be_had(local: Run) -> None:
    assert "did you mean htdemucs" in local("models", "get", "htdemuks")[2][0]
    assert "mini comes with bandmate" in local("models", "get", "mini")[2][0]


def test_a_folder_that_cannot_be_written_is_named_before_the_conversion(
    local: Run, models: Path, weights: Path
) -> None:
    models.parent.mkdir(parents=True)
    models.write_text("a file in the way")
    status, _, errors = local("models", "get", "htdemucs_6s", "--from", weights, "--quiet")
    assert status == 1
    assert "cannot write to" in errors[0]


def test_weights_that_somebody_has(local: Run, weights: Path, tmp_path: Path, models: Path) -> None:
    shutil.copy(weights / ONE, tmp_path / "mine.th")
    status, _, errors = local("models", "import", "mine.th", "--kind", "htdemucs_6s")
    assert status == 0, errors
    assert "the licence of these weights is not known here" in errors[0]
    assert json.loads((models / "mine" / "bundle.json").read_bytes())["licence"] == "unknown"
    check_stems(local, tmp_path, "mine", set(SIX) - {"other"})


def test_code_in_a_file_of_weights_is_not_run(local: Run, tmp_path: Path, models: Path) -> None:
    torch = pytest.importorskip("torch")

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"klass": Evil(), "state": {}}, tmp_path / "evil.th")
    status, _, errors = local("models", "import", "evil.th")
    assert status == 1
    assert "evil.th" in errors[-1]
    assert not (tmp_path / "ran").exists()
    assert left(models) == []


YAML = "audio:\n  chunk_size: 44100\nmodel:\n  {}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.ckpt"], "what is it? A RoFormer needs --config"),
        (["a.th", "b.th"], "an HTDemucs is one .th file, or four"),
        (["a.ckpt", "--config", "scnet.yaml"], "describes no network that is known here"),
        (["a.ckpt", "--config", "both.yaml"], "describes no network that is known here"),
        (["a.ckpt", "--config", "bytes.yaml"], "cannot read bytes.yaml"),
        (["a.ckpt", "--config", "nosuch.yaml"], "nosuch.yaml is not a file"),
        (["nosuch.ckpt"], "nosuch.ckpt is not a file"),
        (["a.ckpt", "--kind", "bs-roformer"], "needs its settings: --config"),
        (["a.ckpt", "a.th", "--config", "mel.yaml"], "is one file of weights: 2 are named"),
        (["a.th", "--name", "../up"], "no name for a model"),
        (["a.th", "--name", ".hidden"], "no name for a model"),
        (["a.th", "--name", "fake"], "which counts first: choose --name"),
        (["a.th"], "a.th"),
    ],
)
def test_weights_that_are_none_are_refused(
    local: Run, tmp_path: Path, models: Path, arguments: list[str], words: str
) -> None:
    for name in ("a.ckpt", "a.th", "b.th"):
        (tmp_path / name).write_bytes(b"no weights")
    (tmp_path / "scnet.yaml").write_text(YAML.format("sources: [drums]"))
    (tmp_path / "both.yaml").write_text(YAML.format("num_bands: 60\n  freqs_per_bands: [2]"))
    (tmp_path / "mel.yaml").write_text(YAML.format("num_bands: 60"))
    (tmp_path / "bytes.yaml").write_bytes(b"model: \xff")
    status, out, errors = local("models", "import", *arguments, "--quiet")
    assert (status, out) == (1, "")
    assert errors[-1].startswith("bandmate: error: ")
    assert words in errors[-1]
    assert left(models) == []
