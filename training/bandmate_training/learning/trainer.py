"""One training loop for all networks: time limit, averages, checkpoints, exact resume, DDP.

A step depends on the seed, the step's number and the weights only, so an interrupted run
that is resumed ends with the weights of an uninterrupted one.
"""

from __future__ import annotations

import csv
import io
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset

from bandmate_server.files import write_whole
from bandmate_training.learning.muon import Muon
from bandmate_training.networks.checkpoint_file import CHECKPOINT, State, read_checkpoint

log = logging.getLogger(__name__)
Optimisers = dict[str, torch.optim.Optimizer]
METRICS = "metrics.csv"


class TrainingTask(Protocol):
    """A network with its losses: what the loop needs to know of it."""

    @property
    def model(self) -> nn.Module:
        """The network that is averaged and exported."""

    def header(self) -> State:
        """Return what describes the network: spec and config as JSON values."""

    def modules(self) -> dict[str, nn.Module]:
        """Return every trained module by name; each gets an optimiser of its own."""

    def update(
        self, step: int, batch: Any, generator: torch.Generator, optimisers: Optimisers
    ) -> dict[str, float]:
        """Do one step on a batch, mostly of sources (B, 5, N); return figures to log."""

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return figures of the averaged model on validation examples."""

    def picture(self, model: nn.Module, path: Path) -> None:
        """Draw samples of the averaged model into a PNG file."""

    def finish(self, model: nn.Module) -> None:
        """Set what is measured once, before a checkpoint is written."""

    def wrap(self, parallel: Callable[[nn.Module], nn.Module]) -> None:
        """Send the gradients of what `update` runs through DDP."""


@dataclass(frozen=True)
class TrainerOptions:
    """How long and how a run trains; times in minutes."""

    out: Path
    minutes: float
    steps: int = 10**9
    optimiser: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = 4e-4
    betas: tuple[float, float] = (0.9, 0.99)  # of AdamW
    warmup: int = 500  # steps of linear rise
    rise_from: int = 1  # what the first step counts as in the rise; 0: its rate is zero
    cooldown: int = 0  # last of `steps`, in which the rate falls to zero
    average: float = 0.999  # EMA decay
    average_from: int = 0  # what the first step counts as in the EMA's warm-up
    seed: int = 0
    workers: int = 1
    save_every: float = 5.0
    resume: bool = False


def learning_rate(options: TrainerOptions, step: int) -> float:
    """Return the rate of a step: a linear rise, a plateau, a linear fall at the end."""
    rise = min(1.0, (step + options.rise_from) / max(options.warmup, 1))
    fall = min(1.0, (options.steps - step) / options.cooldown) if options.cooldown else 1.0
    return options.learning_rate * rise * max(0.0, fall)


def step_generator(seed: int, step: int, rank: int) -> torch.Generator:
    """Return the source of all randomness in one step of one process."""
    entropy = np.random.SeedSequence((seed, step, rank))
    return torch.Generator().manual_seed(int(entropy.generate_state(1)[0]))


def average_into(ema_model: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """Move the averaged weights towards the model's: EMA with the usual warm-up."""
    weight = 1 - min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        torch._foreach_lerp_(list(ema_model.parameters()), list(model.parameters()), weight)
        for mean, value in zip(ema_model.buffers(), model.buffers(), strict=True):
            mean.copy_(value)


def _leave_stopping_to_the_loop(_worker: int) -> None:
    """Let a Ctrl-C, which a terminal sends to workers too, pass by: the loop ends them."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def _stop_flag() -> Iterator[list[bool]]:
    """Yield a one-item list that a first Ctrl-C or SIGTERM sets, so the step can finish."""
    flag = [False]

    def stop(*_: object) -> None:
        flag[0] = True

    before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _optimiser(module: nn.Module, options: TrainerOptions) -> torch.optim.Optimizer:
    if options.optimiser == "muon":
        return Muon(module, options.learning_rate)
    return torch.optim.AdamW(
        module.parameters(),
        lr=options.learning_rate,
        betas=options.betas,
        weight_decay=0.01,
        fused=True,
    )


class Trainer:
    """Run a task on a data set of batches, from scratch or from a checkpoint."""

    def __init__(self, task: TrainingTask, ema_model: nn.Module, options: TrainerOptions) -> None:
        """Make the optimisers; load the checkpoint if the run is resumed."""
        self.task, self.options = task, options
        self.ema_model = ema_model.requires_grad_(False).eval()
        self.ema_model.load_state_dict(task.model.state_dict())
        self.optimisers: Optimisers = {
            name: _optimiser(module, options) for name, module in task.modules().items()
        }
        self.step, self.minutes = 0, 0.0
        self.rank = int(os.environ.get("RANK", "0"))
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        if options.resume:
            self._load(options.out / CHECKPOINT)
        if self.world > 1:
            task.wrap(DistributedDataParallel)

    def run(self, data: Dataset[Any]) -> bool:
        """Train until the minutes or steps are over, or Ctrl-C; the state is saved.

        Returns:
            False if it was stopped by a signal.
        """
        options = self.options
        options.out.mkdir(parents=True, exist_ok=True)
        order = range(self.step * self.world + self.rank, options.steps * self.world, self.world)
        loader = DataLoader(
            data,
            batch_size=None,
            sampler=order,
            num_workers=options.workers,
            worker_init_fn=_leave_stopping_to_the_loop,
        )
        begin = saved = time.monotonic()
        earlier = self.minutes
        figures: list[dict[str, float]] = []
        with _stop_flag() as stopped:
            for batch in loader:
                figures.append(self._update(batch))
                now = time.monotonic()
                self.minutes = earlier + (now - begin) / 60
                if self._agree(stopped[0] or now - begin > options.minutes * 60):
                    break
                if now - saved > options.save_every * 60:
                    self._checkpoint(figures)
                    figures, saved = [], time.monotonic()
        self._checkpoint(figures)
        return not stopped[0]

    def _agree(self, stop: bool) -> bool:
        """Whether any process wants to stop: one that went on alone would wait for ever."""
        if self.world == 1:
            return stop
        wanted = torch.tensor(float(stop))
        torch.distributed.all_reduce(wanted)
        return bool(wanted)

    def _update(self, batch: Any) -> dict[str, float]:
        rate = learning_rate(self.options, self.step)
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = rate
        generator = step_generator(self.options.seed, self.step, self.rank)
        figures = self.task.update(self.step, batch, generator, self.optimisers)
        counted = self.step + self.options.average_from
        average_into(self.ema_model, self.task.model, counted, self.options.average)
        self.step += 1
        return figures

    def _checkpoint(self, figures: list[dict[str, float]]) -> None:
        if self.rank or not figures:
            return
        self.task.finish(self.ema_model)
        self._save()  # first: an interrupt during the validation loses nothing
        row = {"step": self.step, "minutes": round(self.minutes, 2)}
        row |= {key: _mean([f[key] for f in figures if key in f]) for key in figures[-1]}
        row |= self.task.validate(self.ema_model)
        log.info("%s", "  ".join(f"{key} {value:.5g}" for key, value in row.items()))
        _append(self.options.out / METRICS, row)
        self.task.picture(self.ema_model, self.options.out / "samples.png")

    def _save(self) -> None:
        state = {
            **self.task.header(),
            "step": self.step,
            "minutes": self.minutes,
            "seed": self.options.seed,
            "average": self.ema_model.state_dict(),
            "modules": {k: m.state_dict() for k, m in self.task.modules().items()},
            "optimisers": {k: o.state_dict() for k, o in self.optimisers.items()},
        }
        write_whole(self.options.out / CHECKPOINT, partial(torch.save, state))

    def _load(self, path: Path) -> None:
        state = read_checkpoint(path)
        for name, module in self.task.modules().items():
            module.load_state_dict(state["modules"][name])
            self.optimisers[name].load_state_dict(state["optimisers"][name])
        self.ema_model.load_state_dict(state["average"])
        self.step, self.minutes = state["step"], state["minutes"]


def backward_and_step(loss: Tensor, module: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Take one step down a loss, its gradient's norm cut to 1.

    Raises:
        RuntimeError: if the gradient is not finite; the last checkpoint is still good.
    """
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), 1.0, error_if_nonfinite=True)
    optimiser.step()


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _append(path: Path, row: dict[str, float]) -> None:
    """Add a row to a CSV file; one with new columns gives them to all rows."""
    rows: list[dict[str, Any]] = []
    if path.exists():
        with path.open(newline="") as file:
            rows = [{k: v for k, v in old.items() if k} for old in csv.DictReader(file)]
    rows.append(row)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(key for r in rows for key in r)))
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())
