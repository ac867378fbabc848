"""Widths and depths of the networks on notes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NoteDenoiserConfig:
    """A transformer over groups of frames."""

    width: int = 448
    blocks: int = 8
    head_width: int = 64
    expansion: int = 4
    group: int = 2  # frames in a token
    local_width: int = 128  # channels of what a key does before and after
    local_blocks: int = 2


@dataclass(frozen=True)
class NoteDecoderConfig:
    """ConvNeXt blocks on latent frames, then on mel frames; fewer for the timbre."""

    width: int = 384
    slow_blocks: int = 5
    fine_width: int = 256
    fine_blocks: int = 5
    expansion: int = 3
    timbre_width: int = 128


@dataclass(frozen=True)
class TranscriberConfig:
    """Channels near a pitch and across pitches, then ConvNeXt blocks on frames."""

    near: int = 24
    far: int = 48
    width: int = 448
    blocks: int = 4
    expansion: int = 3


NOTE_DENOISER = NoteDenoiserConfig()
NOTE_DECODER = NoteDecoderConfig()
TRANSCRIBER = TranscriberConfig()
