"""The published vocoder: the generator of HiFi-GAN (Kong et al. 2020), weights folded."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_training.paper.config import DILATIONS, UPSAMPLE_STRIDES, VocoderConfig

SLOPE = 0.1  # of all leaky ReLUs but the last
LAST_SLOPE = 0.01


class DilatedBlock(nn.Module):
    """Three residual pairs of convolutions, the first of each dilated."""

    def __init__(self, width: int, kernel: int) -> None:
        """Make the convolutions."""
        super().__init__()
        self.first = nn.ModuleList(
            nn.Conv1d(width, width, kernel, dilation=d, padding=(kernel - 1) * d // 2)
            for d in DILATIONS
        )
        self.second = nn.ModuleList(
            nn.Conv1d(width, width, kernel, padding=(kernel - 1) // 2) for _ in DILATIONS
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, N) to the same shape."""
        for first, second in zip(self.first, self.second, strict=True):
            x = x + second(F.leaky_relu(first(F.leaky_relu(x, SLOPE)), SLOPE))
        return x


class Vocoder(nn.Module):
    """Turn log-mels (B, M, N) into waves (B, 1, 160 N + 32)."""

    def __init__(self, config: VocoderConfig) -> None:
        """Make the network."""
        super().__init__()
        self.config = config
        width = config.width
        self.entry = nn.Conv1d(config.bands, width, 7, padding=3)
        self.upsample, self.blocks = nn.ModuleList(), nn.ModuleList()
        for kernel, stride in zip(config.upsample_kernels, UPSAMPLE_STRIDES, strict=True):
            padding = (kernel - stride) // 2
            self.upsample.append(
                nn.ConvTranspose1d(width, width // 2, kernel, stride, padding=padding)
            )
            width //= 2
            self.blocks.extend(DilatedBlock(width, k) for k in config.kernels)
        self.out = nn.Conv1d(width, 1, 7, padding=3)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Return the waves (B, 1, 160 N + 32) of log-mels (B, M, N)."""
        x = self.entry(log_mel)
        per_stage = len(self.config.kernels)
        for stage, upsample in enumerate(self.upsample):
            x = upsample(F.leaky_relu(x, SLOPE))
            blocks = self.blocks[stage * per_stage : (stage + 1) * per_stage]
            total = blocks[0](x)
            for block in list(blocks)[1:]:
                total = total + block(x)
            x = total / per_stage
        return self.out(F.leaky_relu(x, LAST_SLOPE)).tanh()


def fold(norm: Tensor, direction: Tensor) -> Tensor:
    """Return a weight from its norm (n, 1, ...) and direction (n, ...), per first axis."""
    length = torch.linalg.vector_norm(direction.flatten(1), dim=1).reshape(norm.shape)
    return norm * direction / length


def folded_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a vocoder's weights with norms and directions joined; others as they are."""
    found = {}
    for name, value in weights.items():
        if name.endswith("weight_v"):
            found[name[: -len("_v")]] = fold(weights[f"{name[:-2]}_g"], value)
        elif not name.endswith("weight_g"):
            found[name] = value
    return found
