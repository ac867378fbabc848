"""Two processes under torchrun against one process that averages their batches."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bandmate_server.spec import MINI
from bandmate_training.data.dataset import Examples, find_tracks
from bandmate_training.learning import denoiser_task, vae_task
from bandmate_training.learning.denoiser_task import DenoiserTask
from bandmate_training.learning.trainer import TrainingTask, backward_and_step, step_generator
from bandmate_training.learning.vae_task import VaeTask
from bandmate_training.networks.config import DenoiserConfig, VaeConfig
from bandmate_training.networks.vae import Vae

ROOT = Path(__file__).parents[3]
SCRIPT = """
import copy, sys
from pathlib import Path
import torch
from bandmate_training.learning import vocoder_task
from bandmate_training.networks.config import DenoiserConfig, VaeConfig, VocoderConfig
from bandmate_training.data.dataset import Examples, find_tracks
from bandmate_training.learning.denoiser_task import DenoiserTask
from bandmate_training.learning.trainer import Trainer, TrainerOptions
from bandmate_training.networks.vae import Vae
from bandmate_training.learning.vae_task import VaeTask
from bandmate_training.learning.vocoder_task import VocoderTask
from bandmate_server.spec import MINI

corpus, out = Path(sys.argv[1]), Path(sys.argv[2])
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
vocoder_task.ADVERSARY_FROM = 0
tracks = find_tracks(corpus, "train")
validation = Examples(tracks, 2, 5120, 9)[0]
vae = VaeConfig(8, 1, 1)
makers = {
    "vae": lambda: VaeTask(MINI, vae, validation),
    "denoiser": lambda: DenoiserTask(
        MINI, DenoiserConfig((32,), 1, (), 32, 32), Vae(MINI, vae), validation),
    "vocoder": lambda: VocoderTask(
        MINI, VocoderConfig(16, 1, tones_width=16, tones_blocks=1), validation),
}
for name, make in makers.items():
    torch.manual_seed(0)
    task = make()
    for steps in (1, 3):  # the second run goes on from the first
        # Minutes: the first process wants to stop after one step of the last run.
        minutes = 0.0 if steps == 3 and rank == 0 else 5.0
        options = TrainerOptions(out / name, minutes, steps=10 if steps == 3 else 1, workers=0,
                          warmup=1, resume=steps == 3)
        if steps == 3:
            task = make()
            torch.distributed.barrier()
        trainer = Trainer(task, copy.deepcopy(task.model), options)
        trainer.run(Examples(tracks, 2, 5120, 0))
        gradients = {n: p.grad for n, p in task.model.named_parameters()}
        torch.save({"step": trainer.step, "gradients": gradients,
                    "weights": {k: m.state_dict() for k, m in task.modules().items()},
                    "average": trainer.ema_model.state_dict()}, out / f"{name}-{steps}-{rank}.pt")
torch.distributed.destroy_process_group()
"""


@pytest.fixture(scope="module")
def runs(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What both processes had after a first and a second run of every network."""
    out = tmp_path_factory.mktemp("distributed")
    (out / "script.py").write_text(SCRIPT)
    path = os.pathsep.join([str(ROOT / "server"), str(ROOT / "training")])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    command += ["2", str(out / "script.py"), str(corpus), str(out)]
    found = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert found.returncode == 0, found.stderr[-3000:]
    return out


def load(runs: Path, name: str, run: int, rank: int) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(runs / f"{name}-{run}-{rank}.pt")
    return found


def one_process(
    task: TrainingTask, module: object, name: str, data: Examples, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Tensor]:
    """Return the gradients of the mean loss of both processes' first batches."""
    losses: list[Tensor] = []
    monkeypatch.setattr(module, "backward_and_step", lambda loss, *_: losses.append(loss))
    for rank in range(2):
        generator = step_generator(0, 0, rank)
        task.update(0, data[rank], generator, {name: torch.optim.SGD(task.model.parameters())})
    backward_and_step(
        (losses[0] + losses[1]) / 2, task.model, torch.optim.SGD(task.model.parameters())
    )
    return {n: p.grad for n, p in task.model.named_parameters() if p.grad is not None}


def vae_of(validation: Tensor) -> TrainingTask:
    return VaeTask(MINI, VaeConfig(8, 1, 1), validation)


def denoiser_of(validation: Tensor) -> TrainingTask:
    vae = Vae(MINI, VaeConfig(8, 1, 1))
    return DenoiserTask(MINI, DenoiserConfig((32,), 1, (), 32, 32), vae, validation)


@pytest.mark.parametrize(
    ("name", "module", "make"),
    [("vae", vae_task, vae_of), ("denoiser", denoiser_task, denoiser_of)],
)
def test_gradients_are_those_of_one_process_with_both_batches(
    runs: Path,
    corpus: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    module: object,
    make: Callable[[Tensor], TrainingTask],
) -> None:
    data = Examples(find_tracks(corpus, "train"), 2, 5120, 0)
    torch.manual_seed(0)
    task = make(Examples(data.tracks, 2, 5120, 9)[0])
    expected = one_process(task, module, name, data, monkeypatch)
    found = load(runs, name, 1, 0)["gradients"]
    assert expected.keys() == found.keys()
    norm = sum(g.square().sum() for g in expected.values()) ** 0.5
    for key, gradient in expected.items():
        assert (found[key] - gradient).norm() < 5e-3 * norm, key  # bfloat16 sums


@pytest.mark.parametrize("name", ["vae", "denoiser", "vocoder"])
@pytest.mark.parametrize("run", [1, 3])
def test_both_processes_hold_the_same_weights_also_after_a_resume(
    runs: Path, name: str, run: int
) -> None:
    first, second = (load(runs, name, run, rank) for rank in range(2))
    for network, weights in first["weights"].items():
        for key, value in weights.items():
            if (name, key) != ("vae", "scale"):  # only the first process measures it
                assert torch.equal(value, second["weights"][network][key]), key


@pytest.mark.parametrize("name", ["vae", "denoiser", "vocoder"])
def test_both_processes_stop_at_the_same_step_when_one_wants_to(runs: Path, name: str) -> None:
    assert [load(runs, name, 3, rank)["step"] for rank in range(2)] == [2, 2]
