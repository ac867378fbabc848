"""Widths and depths of the networks: one row per preset."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VaeConfig:
    """Residual blocks of one width on the latent grid."""

    width: int = 96
    encoder_blocks: int = 3
    decoder_blocks: int = 4


@dataclass(frozen=True)
class SeparatorConfig:
    """A 2-d U-Net on patches of the spectrum, each level at half the resolution of the last."""

    widths: tuple[int, ...] = (96, 192, 256)
    blocks: int = 2  # residual blocks per level, down and up alike
    attention_levels: tuple[int, ...] = (2,)
    head_width: int = 64  # channels per attention head
    mixer_channels: int = 8  # in which all bands of a frame are seen at once
    patch: int = 4  # frames, and bands, per cell


@dataclass(frozen=True)
class DenoiserConfig:
    """A 2-d U-Net: one width per level, each level at half the resolution of the last."""

    widths: tuple[int, ...] = (128, 192, 256)
    blocks: int = 2  # residual blocks per level, down and up alike
    attention_levels: tuple[int, ...] = (1, 2)
    head_width: int = 64  # channels per attention head
    embedding: int = 256


@dataclass(frozen=True)
class VocoderConfig:
    """ConvNeXt blocks on mel frames, then an inverse STFT; fewer for the oscillators."""

    width: int = 256
    blocks: int = 8
    expansion: int = 3
    fft_size: int = 640  # samples; the hop is the mel's
    tones_width: int = 160
    tones_blocks: int = 4
    tones_expansion: int = 2


MINI_VAE = VaeConfig()
MINI_SEPARATOR = SeparatorConfig()
MINI_DENOISER = DenoiserConfig()
MINI_VOCODER = VocoderConfig()
