"""New mixtures out of a batch's sources."""

from __future__ import annotations

import torch

from bandmate_training.data.remix import remixed


def test_every_source_is_another_examples_at_another_level() -> None:
    torch.manual_seed(0)
    batch = torch.randn(6, 5, 400)
    found = remixed(batch, torch.Generator().manual_seed(1))
    assert found.shape == batch.shape
    elsewhere = 0
    for row in range(6):
        for source in range(5):
            wave = found[row, source]
            if wave.abs().max() == 0:
                continue  # left out
            like = torch.cosine_similarity(wave[None], batch[:, source])
            assert like.max() > 0.999
            elsewhere += int(like.argmax() != row)
    assert elsewhere > 12


def test_mixtures_are_as_loud_as_those_they_replace() -> None:
    torch.manual_seed(0)
    batch = torch.randn(4, 5, 400) * torch.tensor([0.01, 0.1, 0.5, 1.0])[:, None, None]
    found = remixed(batch, torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        found.sum(1).square().mean(-1), batch.sum(1).square().mean(-1), rtol=1e-3, atol=1e-9
    )


def test_silence_stays_silent_and_finite() -> None:
    found = remixed(torch.zeros(3, 5, 100), torch.Generator().manual_seed(0))
    assert found.abs().max() == 0
