"""What the denoiser learns from: levels, weights and mixtures of one batch."""

from __future__ import annotations

import pytest
import torch

from bandmate_server.spec import MINI, STEMS
from bandmate_training.learning.conditions import BACKING, FULL, ConditionPlan
from bandmate_training.learning.denoiser_task import DenoiserTask
from bandmate_training.networks.config import DenoiserConfig, VaeConfig
from bandmate_training.networks.vae import Vae

SAMPLES = 10_240
FRAMES = SAMPLES // MINI.latent_hop


@pytest.fixture(scope="module")
def waves() -> torch.Tensor:
    """Two examples (2, 5, N): a short bass, loud drums, the rest in between, no `other`."""
    generator = torch.Generator().manual_seed(0)
    waves = 0.1 * torch.randn(2, len(STEMS) + 1, SAMPLES, generator=generator)
    waves[:, 0, SAMPLES // 8 :] = 0.0
    waves[:, -1] = 0.0
    return waves


@pytest.fixture(scope="module")
def task(waves: torch.Tensor) -> DenoiserTask:
    torch.manual_seed(0)
    tiny = DenoiserConfig((32,), 1, (), 32, 32)
    return DenoiserTask(MINI, tiny, Vae(MINI, VaeConfig(8, 1, 1)), waves)


@pytest.mark.parametrize("count", [1, 4, 8])
def test_the_levels_of_a_batch_are_spread_over_the_schedule(task: DenoiserTask, count: int) -> None:
    full = torch.zeros(count, dtype=torch.bool)
    for seed in range(20):
        level = task.draw_levels(full, torch.Generator().manual_seed(seed))
        assert sorted((level * count // MINI.schedule.steps).tolist()) == list(range(count))


def test_every_stem_counts_alike_and_what_sounds_counts_more(
    task: DenoiserTask, waves: torch.Tensor
) -> None:
    heard = task.encode(waves).heard
    assert torch.allclose(heard.mean((0, 2, 3, 4)), torch.ones(len(STEMS)))
    bass = heard[:, 0].mean((0, 1, 3))
    assert bass[0] > 2 * bass[-1]


def test_mixtures_are_what_their_plans_say(task: DenoiserTask, waves: torch.Tensor) -> None:
    nothing = torch.zeros(len(STEMS), FRAMES)
    some = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0])
    plans = [
        ConditionPlan(torch.ones(5), FULL, nothing),
        ConditionPlan(None, FULL, nothing),
        ConditionPlan(None, FULL, nothing),
        ConditionPlan(some, BACKING, nothing),
    ]
    latents, kind = task.mixtures(task.encode(waves).spectra, plans)
    assert kind.tolist() == [[1, 0], [0, 0], [0, 0], [0, 1]]
    assert not latents[1:3].any()
    mixed = torch.stack([waves[0].sum(0), waves[1, :2].sum(0)])
    expected = task.latents_of(task.mel(mixed))
    assert torch.allclose(latents[[0, 3]], expected, atol=0.02 * float(expected.abs().max()))
