"""The published data path's resampler: a windowed sinc, as torchaudio's defaults have it."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

ZEROS = 6  # crossings of the sinc on either side
ROLLOFF = 0.99  # cut-off as a share of the lower Nyquist frequency


@lru_cache(maxsize=8)
def _kernels(source: int, target: int) -> tuple[Tensor, int]:
    """Return one filter per output phase (target, 1, taps), and how far they look back.

    Args:
        source: rate divided by the common divisor.
        target: rate divided by the common divisor.
    """
    cutoff = min(source, target) * ROLLOFF
    reach = math.ceil(ZEROS * source / cutoff)
    # All in float32, as torchaudio: what that rounds is heard in quiet bands.
    taps = torch.arange(-reach, reach + source, dtype=torch.float32)[None, None] / source
    phases = torch.arange(0, -target, -1, dtype=torch.float32)[:, None, None] / target
    time = ((phases + taps) * cutoff).clamp(-ZEROS, ZEROS)
    window = torch.cos(time * math.pi / ZEROS / 2).square()  # Hann
    time = time * math.pi
    sinc = torch.where(time == 0, torch.ones(()), time.sin() / time)
    return sinc * (window * (cutoff / source)), reach


def resample(wave: Tensor, source: int, target: int) -> Tensor:
    """Resample waves (..., N) from a rate in Hz to another: (..., ceil(N target / source)).

    Source: torchaudio.functional.resample with its default settings.
    """
    if source == target:
        return wave
    divisor = math.gcd(source, target)
    source, target = source // divisor, target // divisor
    kernels, reach = _kernels(source, target)
    samples = wave.shape[-1]
    padded = F.pad(wave.reshape(-1, 1, samples), (reach, reach + source))
    phases = F.conv1d(padded, kernels, stride=source)  # (waves, target, N / source)
    length = -(-samples * target // source)
    return phases.transpose(1, 2).flatten(1)[:, :length].reshape(*wave.shape[:-1], length)
