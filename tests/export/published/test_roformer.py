"""RoFormers with their YAML become bundles that give what the reference gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from bandmate_export.published import convert
from bandmate_server import open_model, separate
from bandmate_server.errors import CheckpointError
from bandmate_server.model.bundle import verify_bundle

RATE = 44_100
KINDS = {"bs": "bs-roformer", "mel": "mel-band-roformer"}
Files = Callable[[str, int], dict[str, Path]]
WIDTHS = (*[2] * 24, *[4] * 12, *[12] * 8, *[24] * 8, *[48] * 8, 128, 129)
LINES = "".join(f"    - {width}\n" for width in WIDTHS)
BANDS = {
    "bs": f"  freqs_per_bands: !!python/tuple\n{LINES}",
    "mel": "  num_bands: 60\n  sample_rate: 44100\n",
}
SETTINGS = """audio:
  chunk_size: 44100
  hop_length: 441
  num_channels: 2
  sample_rate: 44100
model:
  dim: 16
  depth: 2
  stereo: true
  num_stems: {stems}
  time_transformer_depth: 1
  freq_transformer_depth: 1
  linear_transformer_depth: 0
{bands}  dim_head: 8
  heads: 2
  attn_dropout: 0.1
  ff_dropout: 0.1
  flash_attn: true
  dim_freqs_in: 1025
  stft_n_fft: 2048
  stft_hop_length: 441
  stft_win_length: 2048
  stft_normalized: false
  mask_estimator_depth: 2
  multi_stft_resolution_loss_weight: 1.0
  multi_stft_resolutions_window_sizes: !!python/tuple
  - 4096
  - 2048
  multi_stft_hop_size: 147
training:
  instruments: {instruments}
  target_instrument: {target}
  lr: 1.0e-05
inference:
  batch_size: 4
  num_overlap: {overlap}
"""


def settings(
    folder: Path,
    kind: str,
    stems: int = 1,
    target: str = "vocals",
    instruments: str = "[vocals, other]",
    overlap: int = 1,
) -> Path:
    path = folder / "config.yaml"
    path.write_text(
        SETTINGS.format(
            stems=stems, bands=BANDS[kind], target=target, instruments=instruments, overlap=overlap
        )
    )
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("stems", "target", "instruments", "names"),
    [
        (1, "vocals", "[vocals, other]", ["vocals"]),
        (3, "null", "[Drums, Lead Vocals, other]", ["drums", "lead_vocals", "other"]),
    ],
)
def test_weights_and_settings_give_what_the_reference_gives(
    roformer_files: Files,
    tmp_path: Path,
    kind: str,
    stems: int,
    target: str,
    instruments: str,
    names: list[str],
) -> None:
    files = roformer_files(kind, stems)
    config = settings(tmp_path, kind, stems, target, instruments)
    out = convert(KINDS[kind], {"weights": files["weights"]}, tmp_path / "made", config=config)
    assert {row["segment"] for row in verify_bundle(out).manifest["parity"]} == {RATE, RATE // 2}
    sound = np.load(files["sound"])
    mix = sound["mix"].T
    found = separate(open_model(out, "cpu", threads=1), mix, sample_rate=RATE)
    assert set(found) == {*names, "other"}
    for name, wave in zip(names, sound["stems"], strict=True):
        if name != "other":
            assert float(np.abs(wave).max()) > 1e-3
            np.testing.assert_allclose(found[name], wave.T, atol=1e-5)
    np.testing.assert_allclose(sum(found.values()), mix, atol=1e-6)


def wrapped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights as other versions and wrappers of the training program name them."""
    return {
        f"module.{n.replace('.layers.0.0.', '.layers.0.0.branch.')}": w for n, w in state.items()
    }


def test_wrappers_and_safetensors_hold_the_same_weights(
    roformer_files: Files, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = roformer_files("mel", 1)
    state = torch.load(files["weights"], weights_only=True)
    torch.save({"epoch": 3, "state_dict": wrapped(state)}, tmp_path / "wrapped.ckpt")
    copies = {name: value.clone() for name, value in state.items()}
    safetensors.torch.save_file(copies, tmp_path / "same.safetensors")
    config, bundles = settings(tmp_path, "mel", overlap=4), []
    for file in ("wrapped.ckpt", "same.safetensors"):
        out = convert(
            KINDS["mel"], {"weights": tmp_path / file}, tmp_path / file[:4], config=config
        )
        bundles.append(verify_bundle(out))
    assert "names begin with module.: it is left out" in caplog.text
    assert bundles[0].spec.overlap == 0.75  # type: ignore[union-attr]
    networks = [bundle.files["separator"].read_bytes() for bundle in bundles]
    assert networks[0].replace(b'"wrap"', b'"same"') == networks[1]


def test_what_is_left_of_an_instrumental_network_is_other(
    roformer_files: Files, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files, config = roformer_files("bs", 1), settings(tmp_path, "bs", target="other")
    out = convert(KINDS["bs"], {"weights": files["weights"]}, tmp_path / "made", config=config)
    assert verify_bundle(out).spec.stems == ("instrumental",)
    assert "the stem is called instrumental" in caplog.text


EDITS = {
    "another network": ("  dim: 16\n", "  hidden: 16\n", "describes no bs-roformer.*has hidden"),
    "the other's": ("  dim: 16\n", "  dim: 16\n  num_bands: 60\n", "of mel-band-roformer, not of"),
    "linear": ("_transformer_depth: 0", "_transformer_depth: 1", "linear_transformer_depth is 1"),
    "skip": ("  heads: 2", "  heads: 2\n  skip_connection: true", "skip_connection is True"),
    "unknown": ("  heads: 2", "  heads: 2\n  mamba_depth: 2", "no bs-roformer.*mamba_depth"),
    "no number": ("  heads: 2", "  heads: two", "heads is 'two': expected a whole number"),
    "few bins": ("    - 129\n", "    - 12\n", "its bands have 908 of 1025 bins"),
    "window": ("win_length: 2048", "win_length: 1024", "stft_win_length differs"),
    "stems": ("num_stems: 1", "num_stems: 2", r"1 names \(vocals\) for num_stems of 2"),
    "no names": ("target_instrument: vocals", "target_instrument: null", "2 names"),
    "sizes": ("  dim: 16\n", "  dim: 24\n", "misshapen: band_split"),
    "no length": ("  chunk_size: 44100\n", "", "chunk_size is None"),
    "code": ("  lr: 1.0e-05", "  lr: !!python/object/apply:os.mkdir [mark]", "refused.*os.mkdir"),
    "no yaml": ("audio:", "audio: [", "not readable as YAML"),
}


@pytest.mark.parametrize("what", EDITS)
def test_what_is_wrong_with_settings_is_named(
    roformer_files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    before, after, words = EDITS[what]
    monkeypatch.chdir(tmp_path)
    weights, config = roformer_files("bs", 1)["weights"], settings(tmp_path, "bs")
    text = config.read_text()
    assert text.count(before) >= 1
    config.write_text(text.replace(before, after, 1))
    with pytest.raises(CheckpointError, match=words):
        convert("bs-roformer", {"weights": weights}, tmp_path / "made", config=config)
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_wrong_weights_are_named(roformer_files: Files, tmp_path: Path) -> None:
    state = torch.load(roformer_files("bs", 1)["weights"], weights_only=True)
    config, file = settings(tmp_path, "bs"), tmp_path / "some.ckpt"
    changes: dict[str, tuple[dict[str, Tensor], str]] = {
        "rates": ({n: w * 2 if "rotary" in n else w for n, w in state.items()}, "not as usual"),
        "nan": (
            {n: w * float("nan") if "gates" in n else w for n, w in state.items()},
            "not finite",
        ),
        "surplus": (state | {"layers.0.2.norm.gamma": torch.ones(16)}, r"surplus: layers\.0\.2"),
        "none": ({}, "holds no weights"),
    }
    for changed, words in changes.values():
        torch.save(changed, file)
        with pytest.raises(CheckpointError, match=words):
            convert("bs-roformer", {"weights": file}, tmp_path / "made", config=config)
    with pytest.raises(CheckpointError, match="the YAML file of its settings is needed"):
        convert("bs-roformer", {"weights": file}, tmp_path / "made")
