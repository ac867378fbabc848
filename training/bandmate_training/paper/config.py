"""Widths of the published networks, and how to read them from the shapes of weights.

Strides, dilations and the width of a head leave no trace in the shapes: they are the same
in every file that was published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HEAD_WIDTH = 32  # channels per attention head of the U-Net
UPSAMPLE_STRIDES = (5, 4, 2, 2, 2)  # of the vocoder; their product is the mel's hop
DILATIONS = (1, 3, 5)  # of the vocoder's residual blocks

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class UNetConfig:
    """A 3-d U-Net over (latent channel, time, band); the stems are its input channels."""

    stems: int = 4
    widths: tuple[int, ...] = (128, 256, 384, 640)
    blocks: int = 2  # residual blocks per level on the way down; one more on the way up
    attention_levels: tuple[int, ...] = (1, 2, 3)

    @property
    def embedding(self) -> int:
        """Width of the noise level's embedding."""
        return 4 * self.widths[0]


@dataclass(frozen=True)
class VaeConfig:
    """A 2-d autoencoder of log-mels, each level at half the resolution of the last."""

    widths: tuple[int, ...] = (128, 256, 512)
    blocks: int = 2  # residual blocks per level in the encoder; one more in the decoder
    latent_channels: int = 8


@dataclass(frozen=True)
class VocoderConfig:
    """A HiFi-GAN generator: transposed convolutions, each followed by residual blocks."""

    bands: int = 64
    width: int = 1024  # halved by every upsampling
    upsample_kernels: tuple[int, ...] = (16, 16, 8, 4, 4)
    kernels: tuple[int, ...] = (3, 7, 11)  # of the residual blocks


UNET, VAE, VOCODER = UNetConfig(), VaeConfig(), VocoderConfig()


def unet_config(shapes: Shapes) -> UNetConfig:
    """Read the U-Net's widths from name -> shape, names as published.

    Raises:
        KeyError: if a weight that every such network has is not there.
    """
    stems = shapes["input_blocks.0.0.weight"][1]
    widths, counts = [shapes["input_blocks.0.0.weight"][0]], [0]
    attention = set()
    index = 1
    while True:
        if (weight := f"input_blocks.{index}.0.in_layers.2.weight") in shapes:
            widths[-1] = shapes[weight][0]
            counts[-1] += 1
            if f"input_blocks.{index}.1.qkv.weight" in shapes:
                attention.add(len(widths) - 1)
        elif f"input_blocks.{index}.0.op.weight" in shapes:
            widths.append(widths[-1])
            counts.append(0)
        else:
            return UNetConfig(stems, tuple(widths), counts[0], tuple(sorted(attention)))
        index += 1


def vae_config(shapes: Shapes) -> VaeConfig:
    """Read the VAE's widths from name -> shape, names as published.

    Raises:
        KeyError: if a weight that every such network has is not there.
    """
    widths: list[int] = []
    while (weight := f"encoder.down.{len(widths)}.block.0.conv1.weight") in shapes:
        widths.append(shapes[weight][0])
    blocks = 0
    while f"encoder.down.0.block.{blocks}.conv1.weight" in shapes:
        blocks += 1
    return VaeConfig(tuple(widths), blocks, shapes["decoder.conv_in.weight"][1])


def vocoder_config(shapes: Shapes) -> VocoderConfig:
    """Read the vocoder's widths from name -> shape of folded weights, names as published.

    Raises:
        KeyError: if a weight that every such network has is not there.
    """
    width, bands, _ = shapes["conv_pre.weight"]
    stages = range(len(UPSAMPLE_STRIDES))
    upsample = tuple(shapes[f"ups.{stage}.weight"][2] for stage in stages)
    kernels: list[int] = []
    while (weight := f"resblocks.{len(kernels)}.convs1.0.weight") in shapes:
        kernels.append(shapes[weight][2])
    per_stage = max(len(kernels) // len(UPSAMPLE_STRIDES), 1)
    return VocoderConfig(bands, width, upsample, tuple(kernels[:per_stage]))
