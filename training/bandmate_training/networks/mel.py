"""Waveform to log-mel and to complex spectra, in torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bandmate_server.model.mel import filter_bank
from bandmate_server.spec import BandSpec, MelSpec

_LEAST_POWER = 1e-16  # of a bin: far below the mel's floor


def all_frames(wave: Tensor, spec: MelSpec | BandSpec, window: Tensor) -> Tensor:
    """Return the complex spectra (..., N / hop + 1, fft_size / 2 + 1) of waves (..., N).

    The wave is reflect-padded by half a window on both sides.
    """
    spectrum = torch.stft(
        wave.reshape(-1, wave.shape[-1]),
        spec.fft_size,
        spec.hop,
        window=window,
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    spectrum = spectrum.transpose(-1, -2)
    return spectrum.reshape(*wave.shape[:-1], *spectrum.shape[-2:])


class LogMel(nn.Module):
    """Log-mel of a waveform, as `MelSpec` defines it."""

    bank: Tensor
    window: Tensor

    def __init__(self, spec: MelSpec) -> None:
        """Compute the filter bank and window of a spec."""
        super().__init__()
        self.spec = spec
        self.register_buffer("bank", torch.from_numpy(filter_bank(spec)), persistent=False)
        self.register_buffer("window", torch.hann_window(spec.fft_size), persistent=False)

    def stft(self, wave: Tensor) -> Tensor:
        """Return the complex spectra (..., N / hop, fft_size / 2 + 1) of waves (..., N).

        The wave is reflect-padded by half a window on both sides; the frame that would
        stand after the last whole hop is left out.
        """
        return self.all_frames(wave)[..., :-1, :]

    def all_frames(self, wave: Tensor) -> Tensor:
        """Return what `stft` does and the last frame (..., N / hop + 1, fft_size / 2 + 1)."""
        return all_frames(wave, self.spec, self.window)

    def log_mel(self, spectrum: Tensor) -> Tensor:
        """Return the log-mel (..., N, M) of complex spectra (..., N, fft_size / 2 + 1)."""
        square = torch.view_as_real(spectrum).square()
        # Three times as fast as abs(); the floor gives silence a gradient of zero, not NaN.
        magnitude = (square[..., 0] + square[..., 1]).clamp_min(_LEAST_POWER).sqrt()
        return (magnitude @ self.bank.T).clamp_min(self.spec.floor).log()

    def forward(self, wave: Tensor) -> Tensor:
        """Return the log-mel (..., N / hop, M) of waves (..., N) in [-1, 1]."""
        return self.log_mel(self.stft(wave))
