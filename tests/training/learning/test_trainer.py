"""The training loop: exact resume, interrupts, checkpoints, figures."""

from __future__ import annotations

import copy
import csv
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from bandmate_server.errors import CheckpointError
from bandmate_server.spec import MINI
from bandmate_training.data.dataset import Examples, find_tracks
from bandmate_training.learning import vocoder_task
from bandmate_training.learning.denoiser_task import DenoiserTask
from bandmate_training.learning.separator_task import SeparatorTask
from bandmate_training.learning.trainer import (
    METRICS,
    Trainer,
    TrainerOptions,
    TrainingTask,
    _append,
    average_into,
    learning_rate,
)
from bandmate_training.learning.vae_task import VaeTask
from bandmate_training.learning.vocoder_task import VocoderTask
from bandmate_training.networks.checkpoint_file import CHECKPOINT, read_checkpoint
from bandmate_training.networks.config import (
    DenoiserConfig,
    SeparatorConfig,
    VaeConfig,
    VocoderConfig,
)
from bandmate_training.networks.vae import Vae
from bandmate_training.networks.weights import load_module, load_vae

SAMPLES = 5_120
TINY_VAE = VaeConfig(8, 1, 1)
TINY_DENOISER = DenoiserConfig((32,), 1, (), 32, 32)
TINY_SEPARATOR = SeparatorConfig((32,), 1, (), 32, 2)
TINY_VOCODER = VocoderConfig(width=16, blocks=1, tones_width=16, tones_blocks=1)


def examples(corpus: Path, seed: int = 0) -> Examples:
    return Examples(find_tracks(corpus, "train", 2 * SAMPLES), 3, SAMPLES, seed)


def make_task(kind: str, corpus: Path) -> TrainingTask:
    torch.manual_seed(0)
    validation = examples(corpus, seed=9)[0]
    if kind == "vae":
        return VaeTask(MINI, TINY_VAE, validation)
    if kind == "denoiser":
        return DenoiserTask(MINI, TINY_DENOISER, Vae(MINI, TINY_VAE), validation)
    if kind == "separator":
        return SeparatorTask(MINI, TINY_SEPARATOR, validation)
    return VocoderTask(MINI, TINY_VOCODER, validation, tones_only=kind == "tones")


def train(
    kind: str, corpus: Path, out: Path, data: Dataset[Tensor] | None = None, **options: Any
) -> bool:
    task = make_task(kind, corpus)
    trainer = Trainer(task, copy.deepcopy(task.model), TrainerOptions(out, minutes=5, **options))
    return trainer.run(data or examples(corpus))


def state(out: Path) -> dict[str, Any]:
    return read_checkpoint(out / CHECKPOINT)


def assert_same(a: Any, b: Any) -> None:
    """Compare two nested states to the bit."""
    if isinstance(a, Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert a == b


def assert_same_run(a: Path, b: Path) -> None:
    first, second = state(a), state(b)
    for key in ("step", "average", "modules", "optimisers", "spec", "config"):
        assert_same(first[key], second[key])


@pytest.mark.parametrize("kind", ["vae", "separator", "denoiser", "vocoder"])
def test_a_resumed_run_has_the_weights_of_an_uninterrupted_one(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(vocoder_task, "ADVERSARY_FROM", 1)
    train(kind, corpus, tmp_path / "whole", steps=4, workers=0)
    train(kind, corpus, tmp_path / "parts", steps=2, workers=0)
    train(kind, corpus, tmp_path / "parts", steps=4, workers=0, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_the_oscillators_learn_alone_and_the_whole_goes_on_from_there(
    corpus: Path, tmp_path: Path, optimiser: str
) -> None:
    before = make_task("tones", corpus).model.state_dict()
    train("tones", corpus, tmp_path, steps=2, workers=0, optimiser=optimiser)
    after = state(tmp_path)["modules"]["vocoder"]
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.startswith("tones.") for name in moved)
    train("vocoder", corpus, tmp_path, steps=4, workers=0, optimiser=optimiser, resume=True)
    whole = state(tmp_path)["modules"]["vocoder"]
    assert any(not torch.equal(after[n], whole[n]) for n in whole if not n.startswith("tones."))


def test_the_number_of_workers_changes_nothing(corpus: Path, tmp_path: Path) -> None:
    train("vae", corpus, tmp_path / "whole", steps=4, workers=0)
    train("vae", corpus, tmp_path / "parts", steps=2, workers=1)
    train("vae", corpus, tmp_path / "parts", steps=4, workers=1, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


class Interrupting(Dataset[Tensor]):
    """Examples that press Ctrl-C while the batch of a step is drawn."""

    def __init__(self, examples: Examples, step: int, number: int) -> None:
        self.examples, self.step, self.number = examples, step, number

    def __getitem__(self, step: int) -> Tensor:
        if step == self.step:
            os.kill(os.getpid(), self.number)
        return self.examples[step]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_a_checkpoint_from_which_the_run_goes_on_exactly(
    corpus: Path, tmp_path: Path, number: int
) -> None:
    handler = signal.getsignal(number)
    data = Interrupting(examples(corpus), 2, number)
    finished = train("vae", corpus, tmp_path / "parts", data, steps=5, workers=0)
    assert not finished
    assert signal.getsignal(number) is handler
    assert state(tmp_path / "parts")["step"] == 3
    assert train("vae", corpus, tmp_path / "parts", steps=5, workers=0, resume=True)
    train("vae", corpus, tmp_path / "whole", steps=5, workers=0)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_an_interrupt_during_validation_loses_no_step(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> dict[str, float]:
        raise KeyboardInterrupt

    monkeypatch.setattr(VaeTask, "validate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train("vae", corpus, tmp_path, steps=2, workers=0)
    assert state(tmp_path)["step"] == 2


def test_a_run_stops_when_its_minutes_are_over(corpus: Path, tmp_path: Path) -> None:
    task = make_task("vae", corpus)
    options = TrainerOptions(tmp_path, minutes=0.0, workers=0)
    assert Trainer(task, copy.deepcopy(task.model), options).run(examples(corpus))
    assert state(tmp_path)["step"] == 1


def test_figures_a_picture_and_the_header_are_written_and_nothing_else(
    corpus: Path, tmp_path: Path
) -> None:
    train("denoiser", corpus, tmp_path, steps=2, workers=0, save_every=0.0)
    assert sorted(p.name for p in tmp_path.iterdir()) == [CHECKPOINT, METRICS, "samples.png"]
    with (tmp_path / METRICS).open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2"]
    assert {"v", "val_add_bass", "val_separate", "val_generate"} <= rows[0].keys()
    found = state(tmp_path)
    assert (found["kind"], found["spec"]["name"], found["config"]["widths"]) == (
        "denoiser",
        "mini",
        (32,),
    )


def test_figures_that_begin_later_get_a_column_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / METRICS
    _append(path, {"step": 1, "loss": 0.5, "val": 2.0})
    _append(path, {"step": 2, "loss": 0.25, "judges": 4.0, "val": 1.0})
    with path.open() as file:
        first, second = csv.DictReader(file)
    assert first == {"step": "1", "loss": "0.5", "val": "2.0", "judges": ""}
    assert second == {"step": "2", "loss": "0.25", "val": "1.0", "judges": "4.0"}


def test_vae_scale_brings_latents_to_unit_variance(corpus: Path, tmp_path: Path) -> None:
    train("vae", corpus, tmp_path, steps=3, workers=0)
    vae = load_vae_of(tmp_path)
    task = make_task("vae", corpus)
    assert isinstance(task, VaeTask)
    with torch.no_grad():
        latents = torch.cat([vae.encode(mels)[0] for mels in task.validation]) * vae.scale
    assert latents.std().item() == pytest.approx(1.0, abs=1e-4)


def load_vae_of(out: Path) -> Vae:
    vae = Vae(MINI, TINY_VAE)
    load_module(out / CHECKPOINT, "vae", vae)
    return vae


def test_training_lowers_the_vaes_loss(corpus: Path, tmp_path: Path) -> None:
    train("vae", corpus, tmp_path, steps=30, workers=0, warmup=1)
    with (tmp_path / METRICS).open() as file:
        (row,) = csv.DictReader(file)
    before = make_task("vae", corpus)
    assert float(row["val_mse"]) < 0.9 * before.validate(before.model)["val_mse"]


@pytest.mark.parametrize("batch", [2, 3, 8])
def test_denoiser_loss_is_finite_for_every_batch_of_two_and_more(corpus: Path, batch: int) -> None:
    task = make_task("denoiser", corpus)
    data = Examples(find_tracks(corpus, "train"), batch, 5120, 0)
    optimisers: dict[str, torch.optim.Optimizer] = {
        "denoiser": torch.optim.AdamW(task.model.parameters())
    }
    figures = task.update(0, data[0], torch.Generator().manual_seed(0), optimisers)
    assert all(value == value and abs(value) < 1e4 for value in figures.values())
    weights = torch.cat([p.flatten() for p in task.model.parameters()])
    assert weights.isfinite().all()


def test_silent_batches_do_no_harm(corpus: Path) -> None:
    for kind in ("vae", "separator", "denoiser", "vocoder"):
        task = make_task(kind, corpus)
        optimisers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.AdamW(module.parameters()) for name, module in task.modules().items()
        }
        task.update(0, torch.zeros(3, 5, SAMPLES), torch.Generator().manual_seed(0), optimisers)
        for parameter in task.model.parameters():
            assert parameter.isfinite().all(), kind


def test_rate_rises_stays_and_falls() -> None:
    options = TrainerOptions(Path(), 1, steps=1000, learning_rate=1.0, warmup=100, cooldown=200)
    rates = [learning_rate(options, step) for step in (0, 49, 99, 500, 799, 900, 999, 1000)]
    assert rates == pytest.approx([0.01, 0.5, 1, 1, 1, 0.5, 0.005, 0])
    assert learning_rate(replace(options, warmup=0), 0) == 1.0


def test_average_follows_with_the_usual_warm_up_and_copies_buffers() -> None:
    model, shadow = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    with torch.no_grad():
        model.weight.fill_(2.0)
        model.running_mean.fill_(5.0)  # type: ignore[union-attr]
    average_into(shadow, model, 0, 0.999)
    assert shadow.weight.tolist() == pytest.approx([1.9] * 2)  # 1 - 1/10 of the way
    assert shadow.running_mean.tolist() == [5.0] * 2  # type: ignore[union-attr]
    average_into(shadow, model, 10**6, 0.5)
    assert shadow.weight.tolist() == pytest.approx([1.95] * 2)


def _not_a_checkpoint(path: Path) -> None:
    path.write_text("hello")


def _foreign_checkpoint(path: Path) -> None:
    torch.save({"state_dict": {}}, path)


def _pickled_code(path: Path) -> None:
    torch.save({"average": os.system}, path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no checkpoint there"),
        (_not_a_checkpoint, "not a readable checkpoint"),
        (_foreign_checkpoint, "not a bandmate checkpoint: lacks"),
        (_pickled_code, "not a readable checkpoint"),
    ],
)
def test_what_is_no_checkpoint_is_named(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "file.pt"
    make(path)
    with pytest.raises(CheckpointError, match=f"file.pt: {message}"):
        read_checkpoint(path)


def test_weights_of_another_network_or_width_are_refused(corpus: Path, tmp_path: Path) -> None:
    train("vae", corpus, tmp_path, steps=1, workers=0)
    with pytest.raises(CheckpointError, match="expected a vocoder, got a vae"):
        load_module(tmp_path / CHECKPOINT, "vocoder", nn.Linear(1, 1))
    with pytest.raises(CheckpointError, match="does not fit the vae"):
        load_module(tmp_path / CHECKPOINT, "vae", Vae(MINI, VaeConfig(16, 1, 1)))
    with pytest.raises(CheckpointError, match="does not fit the vae"):
        load_vae(tmp_path / CHECKPOINT)


def test_what_is_loaded_are_the_averaged_weights(corpus: Path, tmp_path: Path) -> None:
    train("vae", corpus, tmp_path, steps=3, workers=0)
    assert_same(dict(load_vae_of(tmp_path).state_dict()), dict(state(tmp_path)["average"]))
