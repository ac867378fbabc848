"""VGGish as an embedding, as the paper's tables use it: weights from the user's file.

The file is a torch state dict in the layout of the `torchvggish` port (for instance
`vggish-10086976.pth`): `features.{0,3,6,8,11,13}` are 3x3 convolutions, `embeddings.{0,2,4}`
linear layers. The paper takes the values before the last ReLU, without PCA, of clips whose mean
is removed. A smaller network in the same layout loads too: widths come from the tensors.

Source: Hershey et al. 2017 (CNN architectures for large-scale audio classification).
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from bandmate_server.errors import CheckpointError
from bandmate_server.spec import MEL

FloatArray = npt.NDArray[np.float32]

WINDOW, HOP, FFT = 400, 160, 512  # samples
BANDS, LOWEST, HIGHEST = 64, 125.0, 7500.0  # Hz
OFFSET = 0.01  # added before the logarithm
EXAMPLE = 96  # frames: 0.96 s
CONVOLUTIONS = (0, 3, 6, 8, 11, 13)
POOLED = (0, 3, 8, 13)  # convolutions that a 2x2 maximum follows
LINEARS = (0, 2, 4)


def mel_matrix() -> FloatArray:
    """Return the bands' weights (FFT / 2 + 1, BANDS): triangles on the HTK mel scale."""
    frequencies = np.arange(FFT // 2 + 1) * MEL.sample_rate / FFT
    mels = 1127.0 * np.log1p(frequencies / 700.0)
    low, high = (1127.0 * math.log1p(edge / 700.0) for edge in (LOWEST, HIGHEST))
    edges = np.linspace(low, high, BANDS + 2)
    rising = (mels[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mels[:, None]) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0.0, np.minimum(rising, falling))
    weights[0] = 0.0  # no band hears the mean
    return weights.astype(np.float32)


class Vggish:
    """The network with its weights, for inference."""

    name = "VGGish (128 values per 0.96 s, before the last ReLU)"

    def __init__(self, path: Path) -> None:
        """Read the weights.

        Raises:
            CheckpointError: if the file is no such state dict.
        """
        self._weights = _read(path)
        self._bank = torch.from_numpy(mel_matrix())
        self._window = torch.hann_window(WINDOW)

    @torch.no_grad()
    def embed(self, wave: FloatArray) -> FloatArray:
        """Return the values (examples, 128) of a wave (N,) at 16 kHz; its mean is removed.

        What is left over after whole examples is not heard; a wave shorter than one is
        padded with zeros.
        """
        found: FloatArray = torch.cat(
            [self._network(part) for part in self.examples(wave).split(16)]
        ).numpy()
        return found

    def examples(self, wave: FloatArray) -> Tensor:
        """Return the log-mels (examples, EXAMPLE, BANDS) of a wave (N,)."""
        x = torch.from_numpy(np.ascontiguousarray(wave, np.float32))
        x = x - x.mean()
        x = F.pad(x, (0, max(0, (EXAMPLE - 1) * HOP + WINDOW - len(x))))
        magnitude = torch.fft.rfft(x.unfold(0, WINDOW, HOP) * self._window, FFT).abs()
        log_mel = (magnitude @ self._bank + OFFSET).log()
        count = len(log_mel) // EXAMPLE
        return log_mel[: count * EXAMPLE].reshape(count, EXAMPLE, BANDS)

    def _network(self, examples: Tensor) -> Tensor:
        x = examples[:, None]
        for index in CONVOLUTIONS:
            x = F.relu(F.conv2d(x, *self._layer(f"features.{index}"), padding=1))
            if index in POOLED:
                x = F.max_pool2d(x, 2)
        x = x.permute(0, 2, 3, 1).flatten(1)  # time, band, channel, as in TensorFlow
        for index in LINEARS:
            x = F.linear(x, *self._layer(f"embeddings.{index}"))
            x = F.relu(x) if index != LINEARS[-1] else x
        return x

    def _layer(self, name: str) -> tuple[Tensor, Tensor]:
        return self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]


def _read(path: Path) -> dict[str, Tensor]:
    """Return the layers' tensors of a state dict; other entries (PCA) are left out."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        first = str(error).splitlines()[0]
        raise CheckpointError(f"{path} is no torch state dict: {first}") from error
    layers = [(f"features.{i}", 4) for i in CONVOLUTIONS] + [
        (f"embeddings.{i}", 2) for i in LINEARS
    ]
    weights: dict[str, Tensor] = {}
    for layer, dimensions in layers:
        for kind, wanted in (("weight", dimensions), ("bias", 1)):
            tensor = found.get(f"{layer}.{kind}") if isinstance(found, dict) else None
            if not isinstance(tensor, Tensor) or tensor.ndim != wanted:
                raise CheckpointError(
                    f"{path} is not VGGish in torchvggish's layout: expected {layer}.{kind}"
                    f" with {wanted} dimensions"
                )
            weights[f"{layer}.{kind}"] = tensor.float()
    return weights
