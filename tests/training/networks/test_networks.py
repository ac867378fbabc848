"""Shapes, exact parts and dependences of the networks."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bandmate_server.model.bands import band_centres
from bandmate_server.spec import MINI
from bandmate_training.learning.denoiser_task import Inputs
from bandmate_training.networks.config import (
    DenoiserConfig,
    SeparatorConfig,
    VaeConfig,
    VocoderConfig,
)
from bandmate_training.networks.denoiser import Denoiser
from bandmate_training.networks.layers import Attention
from bandmate_training.networks.separator import LOG_SCALE, Separator, Spectrum
from bandmate_training.networks.vae import Vae
from bandmate_training.networks.vocoder import Vocoder

WIDTHS = DenoiserConfig(
    widths=(32, 64), blocks=1, attention_levels=(1,), head_width=32, embedding=32
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
def test_denoiser_gives_v_for_every_multiple_of_8_frames(frames: int) -> None:
    v = Denoiser(MINI, WIDTHS)(*draw(2, frames).all())
    assert v.shape == (2, STEMS, CHANNELS, frames, BANDS)
    assert (v == 0).all()  # untrained: the output layer starts at zero


@pytest.mark.parametrize("name", ["x", "level", "mixture", "mixture_kind", "known", "known_mask"])
@torch.no_grad()
def test_v_depends_on_every_input(name: str) -> None:
    network, inputs = perturbed(Denoiser(MINI, WIDTHS)), draw()
    before = network(*inputs.all())
    value: Tensor = getattr(inputs, name)
    setattr(
        inputs, name, 1 - value if name.startswith(("known_mask", "mixture_kind")) else value + 1
    )
    after = network(*inputs.all())
    assert (after - before).abs().max() > 1e-3


@torch.no_grad()
def test_examples_of_a_batch_do_not_touch_each_other() -> None:
    network, inputs = perturbed(Denoiser(MINI, WIDTHS)), draw()
    whole = network(*inputs.all())
    for row in range(2):
        alone = network(*(value[row : row + 1] for value in inputs.all()))
        torch.testing.assert_close(whole[row : row + 1], alone, atol=1e-3, rtol=1e-3)


def test_attention_is_softmax_over_all_cells() -> None:
    layer = perturbed(Attention(64, 32), 0.3)
    x = torch.randn(1, 64, 3, 5, generator=torch.Generator().manual_seed(0))
    q, k, v = layer.qkv(layer.norm(x)).reshape(3, 2, 32, 15).unbind(0)
    weights = (q.transpose(1, 2) @ k / 32**0.5).softmax(-1)
    expected = x + layer.out((weights @ v.transpose(1, 2)).transpose(1, 2).reshape(1, 64, 3, 5))
    torch.testing.assert_close(layer(x), expected, atol=1e-4, rtol=1e-4)


SEPARATOR = SeparatorConfig(
    widths=(16, 32), blocks=1, attention_levels=(1,), head_width=16, mixer_channels=2
)


@pytest.mark.parametrize("blocks", [1, 2, 32])
@torch.no_grad()
def test_separator_gives_logits_for_every_block_of_samples(blocks: int) -> None:
    separator = perturbed(Separator(MINI, SEPARATOR))
    assert MINI.masks is not None
    logits = separator.separate(0.1 * torch.randn(2, blocks * MINI.block_samples))
    frames = blocks * MINI.latent_multiple * MINI.mask_ratio
    assert logits.shape == (2, STEMS + 1, frames, MINI.masks.bands)


@torch.no_grad()
def test_separator_hears_the_bands_of_a_frame_together_and_frames_far_away() -> None:
    separator = perturbed(Separator(MINI, SEPARATOR), 0.3)
    features = torch.zeros(1, 512, 128)
    touched = features.clone()
    touched[:, :4, :4] = 1
    change = (separator(touched) - separator(features)).abs().amax(dim=(0, 1))
    assert change[:4, -4:].max() > 1e-4
    assert change[-4:].max() > 1e-7


def test_spectrum_of_a_sine_lies_in_its_band() -> None:
    assert MINI.masks is not None
    wave = torch.sin(2 * torch.pi * 500.0 * torch.arange(16_000) / 16_000)
    spectrum = Spectrum(MINI.masks)
    features = spectrum.features(spectrum.stft(wave))
    centres = band_centres(MINI.masks)
    assert features.shape == (50, 128)
    loudest = features[10:40].argmax(dim=1)
    assert (abs(centres[loudest] - 500.0) <= 16_000 / 1024).all()
    assert features[10:40].amax() / LOG_SCALE == pytest.approx(np.log(1e5), abs=1.0)


def test_silence_has_finite_features_and_gradients() -> None:
    assert MINI.masks is not None
    wave = torch.zeros(1, 5120, requires_grad=True)
    spectrum = Spectrum(MINI.masks)
    features = spectrum.features(spectrum.stft(wave))
    (gradient,) = torch.autograd.grad(features.sum(), wave)
    assert features.isfinite().all()
    assert gradient.isfinite().all()


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
    found = vocoder.inverse(spectrum)
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
