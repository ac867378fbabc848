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


NOTE_DENOISER = NoteDenoiserConfig()
