"""The optimiser's mathematics, and that it learns."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from bandmate_training.learning.muon import Muon, orthogonalise


def test_singular_values_come_near_one() -> None:
    for shape in ((16, 64), (64, 16), (32, 32)):
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        values = torch.linalg.svdvals(orthogonalise(matrix).float())
        assert values.min() > 0.3
        assert values.max() < 1.3


def test_directions_of_singular_vectors_are_kept() -> None:
    left, _ = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(1)))
    right, _ = torch.linalg.qr(torch.randn(20, 8, generator=torch.Generator().manual_seed(2)))
    found = orthogonalise(left @ torch.diag(torch.linspace(0.5, 2.0, 8)) @ right.T).float()
    inner = left.T @ found @ right
    torch.testing.assert_close(inner, torch.diag(inner.diagonal()), atol=0.05, rtol=0)


def test_update_is_as_large_as_adams_for_any_shape_and_gradient() -> None:
    for shape in ((64, 16, 3, 3), (16, 64, 1, 1)):
        layer = nn.Conv2d(shape[1], shape[0], shape[2], bias=False)
        before = layer.weight.detach().clone()
        layer.weight.grad = 1e3 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
        Muon(layer, lr=0.01, weight_decay=0.0).step()
        change = (layer.weight - before).square().mean().sqrt() / 0.01
        assert 0.1 < change < 0.3


def test_vectors_move_as_with_adam() -> None:
    layer = nn.BatchNorm2d(6)
    twin = copy.deepcopy(layer)
    ours = Muon(layer, lr=0.01, weight_decay=0.02)
    theirs = torch.optim.AdamW(twin.parameters(), lr=0.01, betas=(0.9, 0.99), weight_decay=0.02)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        for a, b in zip(layer.parameters(), twin.parameters(), strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        ours.step()
        theirs.step()
    for a, b in zip(layer.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def _error(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    error: Tensor = (network(x) - y).square().mean()
    return error


def test_it_learns_and_goes_on_from_a_saved_state() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 8, 3), nn.SiLU(), nn.Conv2d(8, 3, 1))
    x, y = torch.randn(4, 2, 8, 8), torch.randn(4, 3, 6, 6)
    optimiser = Muon(network, lr=0.02)
    first = _error(network, x, y).item()
    for step in range(40):
        if step == 20:
            state = copy.deepcopy(optimiser.state_dict())
            optimiser = Muon(network, lr=0.02)
            optimiser.load_state_dict(state)
        optimiser.zero_grad()
        torch.autograd.backward(_error(network, x, y))
        optimiser.step()
    assert _error(network, x, y).item() < 0.9 * first
