"""Packages of HTDemucs become bundles that separate as the reference does."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bandmate_export.published import convert
from bandmate_server import open_model, separate
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.errors import CheckpointError, ExportError, OutputError
from bandmate_server.model.bundle import verify_bundle
from bandmate_server.model.waveform_model import WaveformModel

Music = Callable[..., FloatArray]
Package = Callable[..., Path]
SIX = ["drums", "bass", "other", "vocals", "guitar", "piano"]
FULL = {"channels": 48, "bottom_channels": 512, "t_heads": 8, "t_layers": 5, "segment": "39/5"}


def reference(paths: list[Path], audio: FloatArray) -> dict[str, FloatArray]:
    """Return what the reference makes of packages: of one, or of a bag with a source each."""
    apply = pytest.importorskip("demucs.apply", reason="the reference is not here")
    load_model = pytest.importorskip("demucs.states", reason="the reference is not here").load_model
    models = [load_model(path) for path in paths]
    weights = np.eye(len(paths)).tolist() if len(paths) > 1 else None
    bag = apply.BagOfModels(models, weights)
    mix = torch.from_numpy(audio.T.copy())[None]
    found = apply.apply_model(bag, mix, shifts=0, overlap=0.25)[0].numpy()
    return {name: wave.T for name, wave in zip(bag.sources, found, strict=True)}


def check(bundle: Path, expected: dict[str, FloatArray], audio: FloatArray) -> None:
    """Compare a bundle's stems with others', and the sum of all with the mixture."""
    found = separate(open_model(bundle, "cpu", threads=2), audio, sample_rate=44_100)
    assert set(found) == set(expected)
    for name in found.keys() - {"other"}:
        assert float(np.abs(expected[name]).max()) > 1e-3
        np.testing.assert_allclose(found[name], expected[name], atol=1e-4, err_msg=name)
    np.testing.assert_allclose(sum(found.values()), audio, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "sources", "half"),
    [("htdemucs", SIX[:4], True), ("htdemucs", SIX[:4], False), ("htdemucs_6s", SIX, True)],
)
def test_a_package_separates_as_the_reference_does(
    package: Package, music: Music, tmp_path: Path, kind: str, sources: list[str], half: bool
) -> None:
    file, audio = package(tmp_path / "some.th", half=half, sources=sources), music(3.0)
    out = convert(kind, {"0": file}, tmp_path / "made", licence="MIT")
    bundle = verify_bundle(out)
    assert bundle.spec.stems == tuple(name for name in sources if name != "other")
    assert bundle.manifest["weights"] == ("float16" if half else "float32")
    assert (bundle.name, bundle.manifest["licence"]) == ("made", "MIT")
    check(out, reference([file], audio), audio)


def test_a_bag_has_a_network_for_every_stem_and_runs_those_that_are_wanted(
    package: Package, music: Music, tmp_path: Path
) -> None:
    paths = [package(tmp_path / f"{seed}.th", seed) for seed in range(4)]
    audio = music(3.0)
    out = convert("htdemucs_ft", {str(n): path for n, path in enumerate(paths)}, tmp_path / "ft")
    assert set(verify_bundle(out).files) == {f"separator-{n}" for n in ("drums", "bass", "vocals")}
    check(out, reference(paths, audio), audio)
    model = open_model(out, "cpu", threads=1)
    assert isinstance(model, WaveformModel)
    segment = music(1.2).T.copy()
    one, all_three = model.separate(segment, [2]), model.separate(segment)
    np.testing.assert_array_equal(one[0], all_three[2])


def test_a_bag_of_packages_that_differ_is_refused(package: Package, tmp_path: Path) -> None:
    paths = [package(tmp_path / f"{n}.th", n, t_layers=2 + (n == 3)) for n in range(4)]
    with pytest.raises(CheckpointError, match=r"3\.th: of other sizes"):
        convert("htdemucs_ft", {str(n): p for n, p in enumerate(paths)}, tmp_path / "ft")
    assert not (tmp_path / "ft").exists()


def damaged(file: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Change what stands in a package; return the file."""
    package = pytest.importorskip("demucs.htdemucs", reason="the reference is not here")
    with torch.serialization.safe_globals([package.HTDemucs, __import__("fractions").Fraction]):
        content = torch.load(file, weights_only=True)
    change(content)
    torch.save(content, file)
    return file


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.mark),)


def _wrong_weights(content: dict[str, Any]) -> None:
    state = content["state"]
    del state["encoder.0.conv.bias"]
    state["extra.weight"] = torch.zeros(3)
    state["decoder.0.conv_tr.weight"] = state["decoder.0.conv_tr.weight"][:, :1]


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "weights": (
        _wrong_weights,
        r"missing: encoder\.0\.conv\.bias; surplus: extra\.weight; misshapen: decoder\.0\.conv_tr",
    ),
    "not a number": (
        lambda c: c["state"]["encoder.0.conv.bias"].fill_(float("nan")),
        r"not finite: encoder\.0\.conv\.bias",
    ),
    "another embedding": (
        lambda c: c["kwargs"].update(t_emb="cape"),
        "t_emb is 'cape', expected sin",
    ),
    "norms": (lambda c: c["kwargs"].update(norm_starts=1), "norm_starts is below"),
    "no sources": (lambda c: c["kwargs"].pop("sources"), "does not say which sources"),
    "same sources": (lambda c: c["kwargs"].update(sources=["bass"] * 4), "expected each once"),
    "sizes": (lambda c: c["kwargs"].update(channels=-3), "its sizes make no HTDemucs"),
    "packed": (lambda c: c["state"].update(__quantized=True), "packed"),
    "no package": (lambda c: c.pop("klass"), "no package of an HTDemucs"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_package_is_named(package: Package, tmp_path: Path, what: str) -> None:
    change, words = WRONG[what]
    file = damaged(package(tmp_path / "some.th"), change)
    with pytest.raises(CheckpointError, match=words):
        convert("htdemucs", {"0": file}, tmp_path / "made")
    assert [path.name for path in tmp_path.iterdir()] == ["some.th"]


def test_a_package_that_would_run_code_is_refused(package: Package, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    file = damaged(package(tmp_path / "some.th"), lambda c: c.update(training_args=Evil(mark)))
    with pytest.raises(CheckpointError, match=r"refused, as reading it would run code.*mkdir"):
        convert("htdemucs", {"0": file}, tmp_path / "made")
    file.write_bytes(pickle.dumps(Evil(mark)))
    with pytest.raises(CheckpointError, match=r"some\.th"):
        convert("htdemucs", {"0": file}, tmp_path / "made")
    assert not mark.exists()


def test_an_unknown_argument_is_left_out_with_a_warning(
    package: Package, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = damaged(package(tmp_path / "some.th"), lambda c: c["kwargs"].update(num_subbands=1))
    convert("htdemucs", {"0": file}, tmp_path / "made")
    assert "nothing is known of them: num_subbands" in caplog.text


def test_progress_goes_from_nothing_to_all(package: Package, tmp_path: Path) -> None:
    seen: list[tuple[float, str]] = []
    file = package(tmp_path / "some.th")
    convert(
        "htdemucs", {"0": file}, tmp_path / "made", on_progress=lambda f, w: seen.append((f, w))
    )
    assert [seen[0][0], seen[-1][0]] == [0.0, 1.0]
    assert [f for f, _ in seen] == sorted(f for f, _ in seen)


def test_wrong_words_are_errors(package: Package, tmp_path: Path) -> None:
    file = package(tmp_path / "some.th")
    with pytest.raises(ExportError, match="'demucs9' cannot be converted: expected one of"):
        convert("demucs9", {"0": file}, tmp_path / "made")
    with pytest.raises(ExportError, match="htdemucs_ft is made of 0, 1, 2, 3: got 0"):
        convert("htdemucs_ft", {"0": file}, tmp_path / "made")
    with pytest.raises(CheckpointError, match="no such file"):
        convert("htdemucs", {"0": tmp_path / "none.th"}, tmp_path / "made")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "song.wav").write_text("mine")
    with pytest.raises(OutputError, match="is no bundle: it is left alone"):
        convert("htdemucs", {"0": file}, tmp_path / "taken")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "sources"), [("htdemucs", SIX[:4]), ("htdemucs_6s", SIX)])
def test_a_package_of_the_published_size_separates_as_the_reference_does(
    package: Package, music: Music, tmp_path: Path, kind: str, sources: list[str]
) -> None:
    file, audio = package(tmp_path / "some.th", sources=sources, **FULL), music(9.0)
    out = convert(kind, {"0": file}, tmp_path / "made")
    assert len(json.loads((out / "bundle.json").read_text())["parity"]) == 4
    check(out, reference([file], audio), audio)
