"""Separators of waves as bundles, compared with the reference's own separation of a whole file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from bandmate_bridge.cli import main
from bandmate_export.bundle import About
from bandmate_export.waveform.bundle import WaveformNetwork, export_waveform
from bandmate_server import SeparateSettings, open_model, separate
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.errors import ExportError, OutputError
from bandmate_server.model.bundle import verify_bundle
from bandmate_training.networks.waveform.htdemucs import HTDemucs
from bandmate_training.networks.waveform.roformer import RoFormer

RATE = 44_100
Music = Callable[..., FloatArray]
SIX = ("drums", "bass", "other", "vocals", "guitar", "piano")
SIZES = ("channels", "bottom_channels", "t_heads", "t_layers", "dconv_mode")


@pytest.mark.parametrize("name", ["ht", "bs"])
def test_bundle_is_whole_and_says_how_near_it_is(separator_bundles: Path, name: str) -> None:
    bundle = verify_bundle(separator_bundles / name)
    rows = bundle.manifest["parity"]
    assert {row["segment"] for row in rows} == {RATE, RATE // 2}
    assert all(row["relative"] <= 1e-4 for row in rows)
    assert bundle.spec.stems == {"ht": (*SIX[:2], *SIX[3:]), "bs": ("vocals",)}[name]


def test_a_whole_file_is_what_the_reference_makes_of_it(
    separator_bundles: Path, htdemucs: HTDemucs, music: Music
) -> None:
    """Everywhere, the file's ends among it: segments lie where the reference has them."""
    apply = pytest.importorskip("demucs.apply", reason="the reference is not here")
    package = pytest.importorskip("demucs.htdemucs", reason="the reference is not here")
    sizes = {name: getattr(htdemucs.config, name) for name in SIZES}
    reference = package.HTDemucs(list(SIX), segment=Fraction(1), samplerate=RATE, **sizes)
    reference.load_state_dict(htdemucs.state_dict())
    audio = music(12.0)
    mix = torch.from_numpy(audio.T.copy())[None]
    expected = apply.apply_model(reference.eval(), mix, shifts=0, overlap=0.25)[0].numpy()
    found = separate(
        open_model(separator_bundles / "ht", "cpu", threads=2), audio, sample_rate=RATE
    )
    for name, stem in zip(SIX, expected, strict=True):
        if name != "other":
            np.testing.assert_allclose(found[name], stem.T, atol=1e-4)
    assert float(np.abs(expected).max()) > 0.01


def test_a_region_is_what_the_whole_file_gives_there(separator_bundles: Path, music: Music) -> None:
    """A region whose segments lie where those of the whole file do: three quarters of one apart."""
    model, audio = open_model(separator_bundles / "ht", "cpu", threads=2), music(6.0)
    start, end = 1.75, 3.75  # a quarter of a segment behind the third, and the sixth, one's start
    region = separate(
        model, audio, sample_rate=RATE, settings=SeparateSettings(start=start, end=end)
    )
    whole = separate(model, audio, sample_rate=RATE)
    for name, stem in region.items():
        part = whole[name][round(start * RATE) : round(end * RATE)]
        np.testing.assert_allclose(stem, part, atol=1e-5)


@pytest.mark.parametrize("name", ["ht", "bs"])
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_the_command_separates_to_files_that_sum_to_the_song(
    separator_bundles: Path, music: Music, tmp_path: Path, name: str, rate: int
) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, music(2.2, rate), rate, subtype="FLOAT")
    out = tmp_path / "out"
    words = [
        "separate",
        str(song),
        "--out",
        str(out),
        "--model",
        str(separator_bundles / name),
        "--quiet",
    ]
    assert main(words) == 0
    manifest = json.loads((out / "song" / "manifest.json").read_bytes())
    stems = [soundfile.read(out / "song" / f["file"])[0] for f in manifest["outputs"].values()]
    assert "vocals" in manifest["outputs"]
    assert float(np.abs(stems[0]).max()) > 0
    np.testing.assert_allclose(sum(stems), soundfile.read(song)[0], atol=1e-6)


def test_a_graph_that_differs_is_not_written(
    htdemucs: HTDemucs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bandmate_export.waveform.bundle.LIMIT", 1e-12)
    with pytest.raises(ExportError, match="differs from torch"):
        export_waveform(WaveformNetwork.of_htdemucs(htdemucs), tmp_path / "b", About("b", "1"))
    assert not list(tmp_path.iterdir())


def test_a_bundle_is_not_replaced_unasked(separator_bundles: Path, roformer: RoFormer) -> None:
    source = WaveformNetwork((roformer,), ("vocals",), RATE, RATE, hop=441)
    with pytest.raises(OutputError, match="use --force"):
        export_waveform(source, separator_bundles / "bs", About("bs", "1"))
    assert replace(source, overlap=0.5).spec("x").overlap == 0.5


def test_what_the_page_shows_writes_a_bundle(htdemucs: HTDemucs, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "separators.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    exec(program, {"network": htdemucs, "folder": tmp_path / "made"})
    assert verify_bundle(tmp_path / "made").name == "my-demucs"
