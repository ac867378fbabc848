"""Shapes, exact parts and dependences of the three networks."""

from __future__ import annotations

from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

from bandmate_server.spec import MINI
from bandmate_training.config import (
    DenoiserConfig,
    VaeConfig,
    VocoderConfig,
)
from bandmate_training.denoiser import Denoiser
from bandmate_training.denoiser_task import Inputs, join, mask_inputs
from bandmate_training.layers import Attention
from bandmate_training.vae import Vae
from bandmate_training.vocoder import Vocoder

WIDTHS = DenoiserConfig(
    widths=(32, 64), blocks=1, attention_levels=(1,), head_width=32, embedding=32, mask_width=32
)
Network = TypeVar("Network", bound=nn.Module)
STEMS, CHANNELS, BANDS = len(MINI.stems), MINI.latent_channels, MINI.latent_bands


def perturbed(network: Network, scale: float = 0.05) -> Network:
    """Move all weights, the zero ones too, so that every input can reach the output."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=generator))
    network.eval()
    return network


def draw(batch: int = 2, frames: int = 16) -> Inputs:
    g = torch.Generator().manual_seed(1)
    latents = (batch, STEMS, CHANNELS, frames, BANDS)
    mask = (torch.rand(batch, STEMS, frames, generator=g) < 0.5).float()
    return Inputs(
        torch.randn(latents, generator=g),
        torch.tensor([10.0, 700.0])[:batch],
        torch.randn(batch, CHANNELS, frames, BANDS, generator=g),
        torch.tensor([[1.0, 0.0], [0.0, 1.0]])[:batch],
        torch.randn(latents, generator=g) * mask[:, :, None, :, None],
        mask,
    )


@pytest.mark.parametrize("frames", [8, 16, 40])
@torch.no_grad()
def test_denoiser_gives_v_and_logits_for_every_multiple_of_8_frames(frames: int) -> None:
    v, logits = Denoiser(MINI, WIDTHS)(*draw(2, frames).all())
    assert v.shape == (2, STEMS, CHANNELS, frames, BANDS)
    assert logits.shape == (2, STEMS + 1, 4 * frames, MINI.mel.bands)
    assert (v == 0).all()  # untrained: the output layers start at zero
    assert (logits == 0).all()


@pytest.mark.parametrize("name", ["x", "level", "mixture", "mixture_kind", "known", "known_mask"])
@torch.no_grad()
def test_both_outputs_depend_on_every_input(name: str) -> None:
    network, inputs = perturbed(Denoiser(MINI, WIDTHS)), draw()
    before = network(*inputs.all())
    value: Tensor = getattr(inputs, name)
    setattr(
        inputs, name, 1 - value if name.startswith(("known_mask", "mixture_kind")) else value + 1
    )
    after = network(*inputs.all())
    for output, (a, b) in {"v": (before[0], after[0]), "logits": (before[1], after[1])}.items():
        assert (a - b).abs().max() > 1e-3, output


@torch.no_grad()
def test_examples_of_a_batch_do_not_touch_each_other() -> None:
    network, inputs = perturbed(Denoiser(MINI, WIDTHS)), draw()
    whole = network(*inputs.all())
    for row in range(2):
        alone = network(*(value[row : row + 1] for value in inputs.all()))
        for a, b in zip(whole, alone, strict=True):
            torch.testing.assert_close(a[row : row + 1], b, atol=1e-3, rtol=1e-3)


def test_attention_is_softmax_over_all_cells() -> None:
    layer = perturbed(Attention(64, 32), 0.3)
    x = torch.randn(1, 64, 3, 5, generator=torch.Generator().manual_seed(0))
    q, k, v = layer.qkv(layer.norm(x)).reshape(3, 2, 32, 15).unbind(0)
    weights = (q.transpose(1, 2) @ k / 32**0.5).softmax(-1)
    expected = x + layer.out((weights @ v.transpose(1, 2)).transpose(1, 2).reshape(1, 64, 3, 5))
    torch.testing.assert_close(layer(x), expected, atol=1e-4, rtol=1e-4)


def test_mask_inputs_ask_for_a_full_mixture_at_the_highest_level() -> None:
    mixture = torch.randn(3, CHANNELS, 16, BANDS)
    inputs = mask_inputs(mixture, STEMS, 999)
    assert inputs.level.tolist() == [999.0] * 3
    assert inputs.mixture_kind.tolist() == [[1.0, 0.0]] * 3
    assert all(part.abs().max() == 0 for part in (inputs.x, inputs.known, inputs.known_mask))
    both = join(inputs, draw(2, 16))
    assert [len(part) for part in both.all()] == [5] * 6


@pytest.mark.parametrize("frames", [4, 32, 1024])
@torch.no_grad()
def test_vae_maps_mels_to_latents_at_a_quarter_and_back(frames: int) -> None:
    vae = Vae(MINI, VaeConfig(8, 1, 1))
    mels = torch.randn(2, frames, MINI.mel.bands)
    mean, log_variance = vae.encode(mels)
    assert mean.shape == log_variance.shape == (2, CHANNELS, frames // 4, BANDS)
    assert vae.decode(mean).shape == mels.shape
    assert vae.state_dict()["scale"] == 1


@torch.no_grad()
def test_vae_hears_nothing_of_what_is_far_away() -> None:
    vae = perturbed(Vae(MINI, VaeConfig(8, 2, 2)))
    mels = torch.randn(1, 512, MINI.mel.bands, generator=torch.Generator().manual_seed(0))
    other = mels.clone()
    other[:, 256:] += 1
    a, b = (vae.decode(vae.encode(m)[0]) for m in (mels, other))
    torch.testing.assert_close(a[:, :128], b[:, :128], atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [320, 640, 1024])
def test_vocoder_inverse_transform_is_exact(size: int) -> None:
    vocoder = Vocoder(MINI, VocoderConfig(width=8, blocks=1, fft_size=size))
    wave = torch.randn(2, 20 * 160, generator=torch.Generator().manual_seed(0))
    window = torch.hann_window(size)
    frames = torch.stft(wave, size, 160, window=window, center=True, return_complex=True)
    spectrum = torch.cat([frames.real, frames.imag], dim=1)[..., :20]
    found = vocoder._inverse(spectrum)
    assert found.shape == wave.shape
    inside = slice(0, 20 * 160 - size)  # frame 20 is not there
    torch.testing.assert_close(found[:, inside], wave[:, inside], atol=1e-5, rtol=0)


@pytest.mark.parametrize("frames", [1, 5, 64])
@torch.no_grad()
def test_vocoder_gives_a_hop_of_samples_per_frame(frames: int) -> None:
    vocoder = Vocoder(MINI, VocoderConfig(width=8, blocks=1))
    wave = vocoder(torch.full((2, frames, MINI.mel.bands), -5.0))
    assert wave.shape == (2, 160 * frames)
    assert wave.isfinite().all()
    assert vocoder(torch.full((1, 8, MINI.mel.bands), 60.0)).isfinite().all()
