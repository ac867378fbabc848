"""The Muon optimiser: momentum whose matrices are made orthogonal; AdamW for all that is no matrix.

Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the
scale of the update, which makes AdamW's learning rates and weight decay fit, from J. Liu et
al., "Muon is scalable for LLM training", 2025, equation 4.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from bandmate_training.networks.layers import quick_type

MOMENTUM = 0.95
_STEPS = 5  # of the Newton-Schulz iteration
_POLYNOMIAL = (3.4445, -4.7750, 2.0315)  # odd, brings singular values into 0.7..1.2
_UPDATE_SIZE = 0.2  # root mean square of an update at a learning rate of one, as AdamW's


def orthogonalise(matrix: Tensor) -> Tensor:
    """Return about the nearest semi-orthogonal matrix (rows, columns), in `quick_type`."""
    a, b, c = _POLYNOMIAL
    x = matrix.to(quick_type())
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T.contiguous()
    x = x / (x.norm() + 1e-7)
    for _ in range(_STEPS):
        square = x @ x.T
        powers = torch.addmm(square, square, square, beta=b, alpha=c)
        x = torch.addmm(x, powers, x, beta=a)
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Muon for the weights of inner layers, AdamW for the rest.

    A convolution's weight is the matrix (outputs, inputs times taps).
    """

    def __init__(self, module: nn.Module, lr: float, weight_decay: float = 0.01) -> None:
        """Sort a module's parameters: those of two and more axes, both longer than one."""
        inner: list[Tensor] = []
        rest: list[Tensor] = []
        for parameter in module.parameters():
            matrix = parameter.flatten(1) if parameter.ndim > 1 else parameter[None]
            (inner if min(matrix.shape) > 1 else rest).append(parameter)
        groups: list[dict[str, Any]] = [
            {"params": inner, "inner": True},
            {"params": rest, "inner": False},
        ]
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take one step along the gradients that are there."""
        for group in self.param_groups:
            move = self._muon_update if group["inner"] else self._adam
            for parameter in _with_gradient(group["params"]):
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                move(parameter, group["lr"])

    def _muon_update(self, parameter: Tensor, lr: float) -> None:
        """Move by the orthogonalised Nesterov momentum."""
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"].lerp_(parameter.grad, 1 - MOMENTUM)
        ahead = parameter.grad.lerp(momentum, MOMENTUM).flatten(1)
        update = orthogonalise(ahead).reshape(parameter.shape).to(parameter.dtype)
        parameter.add_(update, alpha=-lr * _UPDATE_SIZE * math.sqrt(max(ahead.shape)))

    def _adam(self, parameter: Tensor, lr: float) -> None:
        """Move as Adam does, betas 0.9 and 0.99."""
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["count"] = torch.zeros(())
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
        count = int(state["count"].add_(1))
        mean = state["mean"].lerp_(parameter.grad, 0.1)
        square = state["square"].lerp_(parameter.grad.square(), 0.01)
        size = (square / (1 - 0.99**count)).sqrt_().add_(1e-8)
        parameter.addcdiv_(mean, size, value=-lr / (1 - 0.9**count))


def _with_gradient(parameters: Iterable[Tensor]) -> list[Tensor]:
    return [parameter for parameter in parameters if parameter.grad is not None]
