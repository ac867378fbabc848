"""The separator's task on the tiny corpus."""

from __future__ import annotations

from pathlib import Path

import torch

from bandmate_server.spec import MINI
from bandmate_training.data.dataset import Examples, find_tracks
from bandmate_training.learning.separator_task import SeparatorTask
from bandmate_training.networks.config import SeparatorConfig

TINY = SeparatorConfig((32,), 1, (), 32, 2)


def test_a_few_steps_separate_tones_that_lie_apart(corpus: Path) -> None:
    torch.manual_seed(0)
    data = Examples(find_tracks(corpus, "train"), 2, 5_120, seed=0)
    validation = Examples(find_tracks(corpus, "validation"), 4, 10_240, seed=1)[0]
    task = SeparatorTask(MINI, TINY, validation)
    optimisers: dict[str, torch.optim.Optimizer] = {
        "separator": torch.optim.AdamW(task.model.parameters(), 5e-3)
    }
    generator = torch.Generator().manual_seed(0)
    before = task.validate(task.model.eval())["val_db"]
    figures = [
        task.update(step, data[step], generator, optimisers)
        for step in range(40)
        if task.model.train()
    ]
    after = task.validate(task.model.eval())["val_db"]
    assert figures[-1].keys() == {"shares", "dB", "silent_dB"}
    assert sum(f["shares"] for f in figures[-5:]) < sum(f["shares"] for f in figures[:5])
    assert after > before + 2
