"""Our networks compute what the reference implementations compute, weight by weight."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor, nn

from bandmate_training.networks.waveform.htdemucs import HTDemucs, HTDemucsConfig
from bandmate_training.networks.waveform.roformer import (
    FREQS_PER_BAND,
    RoFormer,
    RoFormerConfig,
    mel_bands,
    split_bands,
)

ATOL = 1e-5  # of waves whose input has a deviation of 0.1
Network = TypeVar("Network", bound=nn.Module)

SOURCES = {
    "four": ("drums", "bass", "other", "vocals"),
    "six": ("drums", "bass", "other", "vocals", "guitar", "piano"),
}


def shaken(network: Network) -> Network:
    """Return the network with every weight moved, so that no layer stays at its start."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "rotary" not in name:
                weight.add_(0.02 * torch.randn(weight.shape, generator=generator))
    return network.eval()


def noise(seconds: float) -> Tensor:
    frames = int(seconds * 44_100)
    return 0.1 * torch.randn(1, 2, frames, generator=torch.Generator().manual_seed(1))


def as_parts(spectrum: Tensor) -> Tensor:
    """Return a complex spectrum (C, bins, T) as (1, 2C, bins, T)."""
    return torch.view_as_real(spectrum).permute(0, 3, 1, 2).flatten(0, 1)[None]


def as_complex(spectra: Tensor) -> Tensor:
    """Return spectra (1, S, 2C, bins, T) as complex (S, C, bins, T)."""
    stems, parts, bins, frames = spectra.shape[1:]
    pairs = spectra.reshape(stems, parts // 2, 2, bins, frames).permute(0, 1, 3, 4, 2)
    return torch.view_as_complex(pairs.contiguous())


@pytest.mark.parametrize("sources", SOURCES)
@pytest.mark.parametrize("sizes", [{"bottom_channels": 96, "dconv_mode": 3}, {"t_layers": 3}])
def test_htdemucs_is_the_reference(sources: str, sizes: dict[str, Any]) -> None:
    reference_module = pytest.importorskip("demucs.htdemucs", reason="the reference is not here")
    names = SOURCES[sources]
    sizes = {"channels": 16, "t_heads": 4, **sizes}
    reference = shaken(
        reference_module.HTDemucs(list(names), segment=Fraction(2), samplerate=44_100, **sizes)
    )
    ours = HTDemucs(HTDemucsConfig(names, segment=2.0, **sizes)).eval()
    ours.load_state_dict(reference.state_dict())
    mix = noise(2.0)
    with torch.no_grad():
        expected = reference(mix)
        spectra, waves = ours(reference._magnitude(reference._spec(mix)), mix)
        found = reference._ispec(as_complex(spectra)[None], mix.shape[-1]) + waves
    assert float(expected.abs().max()) > 0.01
    torch.testing.assert_close(found, expected, atol=ATOL, rtol=0)


ROFORMERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "bs": (
        {"mask_estimator_depth": 2},
        {"bands": split_bands(FREQS_PER_BAND), "mask_layers": 1},
    ),
    "mel": (
        {"mask_estimator_depth": 2, "linear_transformer_depth": 0},
        {"bands": mel_bands(60, 44_100, 2048), "mask_layers": 2, "norm_output": True},
    ),
}


@pytest.mark.filterwarnings("ignore:A window was not provided")
@pytest.mark.parametrize("kind", ROFORMERS)
@pytest.mark.parametrize("stems", [1, 3])
def test_roformer_is_the_reference(kind: str, stems: int) -> None:
    package = pytest.importorskip("bs_roformer", reason="the reference is not here")
    build = {"bs": package.BSRoformer, "mel": package.MelBandRoformer}[kind]
    theirs, own = ROFORMERS[kind]
    common: dict[str, Any] = {"dim": 32, "depth": 2, "heads": 2, "dim_head": 16}
    reference = shaken(
        build(
            **common,
            stereo=True,
            num_stems=stems,
            time_transformer_depth=1,
            freq_transformer_depth=1,
            flash_attn=False,
            stft_hop_length=441,
            **theirs,
        )
    )
    ours = RoFormer(
        RoFormerConfig(
            bins=1025, stems=stems, channels=2, time_depth=1, band_depth=1, **common, **own
        )
    ).eval()
    ours.load_state_dict(own_names(reference.state_dict(), kind))
    mix, window = noise(1.0), torch.hann_window(2048)
    with torch.no_grad():
        expected = reference(mix).reshape(stems, 2, -1)
        spectrum = torch.stft(mix[0], 2048, 441, window=window, return_complex=True)
        masked = as_complex(ours(as_parts(spectrum))).flatten(0, 1)
        found = torch.istft(masked, 2048, 441, window=window).reshape(stems, 2, -1)
    assert float(expected.abs().max()) > 0.001
    torch.testing.assert_close(found, expected, atol=ATOL, rtol=0)


def own_names(weights: dict[str, Tensor], kind: str) -> dict[str, Tensor]:
    """Return weights without the rotary tables; Mel-Band counts transformers from 1."""

    def renamed(name: str) -> str:
        if kind == "bs":
            return name
        return re.sub(r"^(layers\.\d+)\.(\d)", lambda m: f"{m[1]}.{int(m[2]) - 1}", name)

    return {renamed(name): w for name, w in weights.items() if "rotary_embed" not in name}
