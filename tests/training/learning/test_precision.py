"""Which type the networks are trained in."""

from __future__ import annotations

import pytest
import torch

from bandmate_training.learning.muon import orthogonalise
from bandmate_training.networks.layers import autocast


@pytest.mark.parametrize(
    ("capability", "expected"),
    [
        ("AVX512", torch.bfloat16),
        ("AVX2", torch.float32),
        ("DEFAULT", torch.float32),
    ],
)
def test_bfloat16_is_used_where_the_processor_is_quick_at_it(
    capability: str, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    layer = torch.nn.Linear(4, 4)
    with autocast():
        assert layer(torch.ones(2, 4)).dtype == expected
    assert orthogonalise(torch.eye(4)).dtype == expected
