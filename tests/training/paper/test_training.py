"""Training as published: data, scale, gradients on several processes, resume, other precision."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch
from torch import Tensor

from bandmate_server.errors import CorpusError
from bandmate_server.spec import STEMS
from bandmate_training.cli import main
from bandmate_training.learning.trainer import Trainer, step_generator
from bandmate_training.paper import task as paper_task
from bandmate_training.paper.config import UNetConfig
from bandmate_training.paper.data.latents import KeptMoments, keep_moments, shifts
from bandmate_training.paper.data.segments import LARGEST_SHIFT, WINDOW
from bandmate_training.paper.data.slakh import Shuffled, Windows, find_segments
from bandmate_training.paper.data.slakh_command import instruments
from bandmate_training.paper.published import load_autoencoder
from bandmate_training.paper.recipe import published_options
from bandmate_training.paper.task import PaperTask, Setup

ROOT = Path(__file__).parents[3]
WIDTHS = UNetConfig(widths=(32, 64), blocks=1, attention_levels=(1,))
CPU = Setup(torch.device("cpu"))
SCRIPT = """
import copy, sys
from dataclasses import replace
from pathlib import Path
import torch
from bandmate_training.paper.config import UNetConfig
from bandmate_training.paper.published import load_autoencoder
from bandmate_training.paper.recipe import published_options
from bandmate_training.paper.task import PaperTask, Setup
from bandmate_training.learning.trainer import Trainer

vae, out = Path(sys.argv[1]), Path(sys.argv[2])
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
data = list(torch.load(out / "data.pt"))
torch.manual_seed(0)
widths = UNetConfig(widths=(32, 64), blocks=1, attention_levels=(1,))
task = PaperTask(widths, load_autoencoder(vae), data[0], Setup(torch.device("cpu"), dropout=0.5))
for weight in task.model.parameters():
    torch.nn.init.normal_(weight, std=0.05)
options = replace(published_options(out / "run"), steps=1, workers=0)
trainer = Trainer(task, copy.deepcopy(task.model), options)
trainer.run(data)
gradients = {n: p.grad for n, p in task.model.named_parameters()}
torch.save({"gradients": gradients, "scale": task.model.scale_factor}, out / f"{rank}.pt")
torch.distributed.destroy_process_group()
"""


def moments(count: int, seed: int) -> Tensor:
    """Return moments (count, S + 1, 2 C, 8, 16) of short windows."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, len(STEMS) + 1, 16, 8, 16, generator=generator)


def make(vae: Path, setup: Setup = CPU) -> PaperTask:
    """Return a small task, no weight of which is zero."""
    torch.manual_seed(0)
    task = PaperTask(WIDTHS, load_autoencoder(vae), moments(2, 0), setup)
    for weight in task.model.parameters():
        torch.nn.init.normal_(weight, std=0.05)
    return task


def train(task: PaperTask, out: Path, steps: int, **more: Any) -> Trainer:
    options = replace(published_options(out), steps=steps, workers=0, warmup=1, **more)
    trainer = Trainer(task, copy.deepcopy(task.model), options)
    trainer.run([moments(2, seed) for seed in range(8)])  # type: ignore[arg-type]
    return trainer


def test_two_processes_have_the_gradients_of_one(parts: dict[str, Path], tmp_path: Path) -> None:
    data = torch.stack([moments(2, seed) * (1 + 3 * seed) for seed in range(2)])
    torch.save(data, tmp_path / "data.pt")
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(tmp_path / "script.py"), str(parts["vae"])]
    path = os.pathsep.join(str(ROOT / folder) for folder in ("server", "training"))
    done = subprocess.run(
        [*command, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    task = make(parts["vae"], replace(CPU, dropout=0.5))
    draws = [task.draw_latents(data[rank], step_generator(0, 0, rank))[0] for rank in range(2)]
    scale = 1 / torch.cat(draws).std()
    for rank in range(2):
        torch.testing.assert_close(found[rank]["scale"], scale)
    task.model.scale_factor.copy_(scale)
    losses = [task.loss(data[rank], step_generator(0, 0, rank)) for rank in range(2)]
    ((losses[0] + losses[1]) / 2).backward()  # type: ignore[no-untyped-call]
    for name, parameter in task.model.named_parameters():
        for rank in range(2):
            torch.testing.assert_close(
                found[rank]["gradients"][name], parameter.grad, rtol=1e-4, atol=1e-6, msg=name
            )


def test_the_scale_brings_the_first_batch_to_unit_variance(parts: dict[str, Path]) -> None:
    task = make(parts["vae"])
    batch = moments(3, 4)
    task.loss(batch, step_generator(0, 0, 0))
    stems, _ = task.draw_latents(batch, step_generator(0, 0, 0))
    assert float((task.model.scale_factor * stems).std()) == pytest.approx(1.0)
    before = float(task.model.scale_factor)
    task.loss(5 * batch, step_generator(0, 1, 0))
    assert float(task.model.scale_factor) == before


def test_the_first_step_changes_nothing_and_the_next_ones_do(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    task = make(parts["vae"])
    before = copy.deepcopy(task.model)
    train(task, tmp_path / "one", 1)
    for a, b in zip(task.model.parameters(), before.parameters(), strict=True):
        assert torch.equal(a, b)
    train(task, tmp_path / "two", 2)
    assert not torch.equal(task.model.unet.out.weight, before.unet.out.weight)


def test_a_resumed_run_ends_as_an_uninterrupted_one(parts: dict[str, Path], tmp_path: Path) -> None:
    whole = make(parts["vae"])
    train(whole, tmp_path / "whole", 4)
    train(make(parts["vae"]), tmp_path / "parts", 2)
    rest = make(parts["vae"])
    trainer = train(rest, tmp_path / "parts", 4, resume=True)
    assert trainer.step == 4
    for a, b in zip(
        rest.model.state_dict().values(), whole.model.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)


@pytest.mark.slow
def test_a_resumed_run_scales_its_loss_as_before(parts: dict[str, Path], tmp_path: Path) -> None:
    half = Setup(torch.device("cpu"), precision="float16")
    first = make(parts["vae"], half)
    first.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**7, growth_interval=2)
    train(first, tmp_path, 3)
    assert first.scaler.get_scale() == 2**8
    again = make(parts["vae"], half)
    train(again, tmp_path, 4, resume=True)
    assert again.scaler.get_scale() == 2**9
    assert again.scaler.get_growth_interval() == 2


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_gives_about_the_same_loss(
    parts: dict[str, Path], precision: paper_task.Precision
) -> None:
    exact, rough = make(parts["vae"]), make(parts["vae"], replace(CPU, precision=precision))
    losses = [task.loss(moments(2, 3), step_generator(0, 0, 0)) for task in (exact, rough)]
    assert losses[1].dtype == torch.float32
    torch.testing.assert_close(losses[1], losses[0], rtol=0.02, atol=0)
    losses[1].backward()  # type: ignore[no-untyped-call]


def test_checkpointing_changes_no_gradient(parts: dict[str, Path]) -> None:
    tasks = make(parts["vae"]), make(parts["vae"], replace(CPU, checkpointing=True))
    for task in tasks:
        task.loss(moments(2, 3), step_generator(0, 0, 0)).backward()  # type: ignore[no-untyped-call]
    for a, b in zip(*(task.model.parameters() for task in tasks), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_validation_drops_no_condition(parts: dict[str, Path]) -> None:
    tasks = make(parts["vae"]), make(parts["vae"], replace(CPU, dropout=1.0))
    for task in tasks:
        task.model.scale_factor.fill_(1.0)
    assert tasks[0].validate(tasks[0].model) == tasks[1].validate(tasks[1].model)


def test_a_loss_that_is_not_finite_stops_the_run(parts: dict[str, Path], tmp_path: Path) -> None:
    task = make(parts["vae"])
    with torch.no_grad():
        task.model.unet.out.weight.fill_(float("inf"))
    with pytest.raises(RuntimeError, match="the last checkpoint is still good"):
        train(task, tmp_path, 1)


def test_windows_are_those_of_the_split_and_mixtures_are_clipped_sums(slakh: Path) -> None:
    segments = find_segments(slakh, "train")
    assert [s.name() for s in segments] == [
        "Track00001_from_0", "Track00001_from_10", "Track00002_from_0"
    ]  # fmt: skip
    waves = Windows(segments, 3, seed=0)[0]
    assert waves.shape == (3, len(STEMS) + 1, WINDOW)
    torch.testing.assert_close(waves[:, -1], waves[:, :-1].sum(1).clamp(-1, 1))
    assert waves[:, -1].abs().max() <= 1.0


def test_loud_stems_do_not_stop_the_program(tmp_path: Path, parts: dict[str, Path]) -> None:
    place = tmp_path / "train" / "loud"
    place.mkdir(parents=True)
    square = np.sign(np.sin(2 * np.pi * 441 * np.arange(11 * 22_050) / 22_050))
    for stem in STEMS:
        sf.write(place / f"{stem}.wav", square, 22_050)
    waves = find_segments(tmp_path, "train")[0].read()
    assert waves[0].abs().max() > 1.1  # the resampler's overshoot
    assert torch.isfinite(make(parts["vae"]).mel(waves)).all()


def test_a_track_that_lacks_a_stem_or_is_too_short_is_left_out(tmp_path: Path) -> None:
    for track, seconds, stems in (("short", 10.0, STEMS), ("part", 12.0, STEMS[:3])):
        place = tmp_path / "train" / track
        place.mkdir(parents=True)
        for stem in stems:
            sf.write(place / f"{stem}.wav", np.zeros(int(seconds * 22_050)), 22_050)
    with pytest.raises(CorpusError, match="no tracks"):
        find_segments(tmp_path, "train")


def test_every_pass_has_every_window_once_in_an_order_of_its_own() -> None:
    draw = Shuffled(7, seed=3)
    passes = [[draw(7 * p + i)[0] for i in range(7)] for p in range(3)]
    assert all(sorted(order) == list(range(7)) for order in passes)
    assert passes[0] != passes[1]
    assert draw(9)[0] == Shuffled(7, seed=3)(9)[0]


def test_latents_are_kept_once_and_for_one_network_only(slakh: Path, tmp_path: Path) -> None:
    segments, chosen = find_segments(slakh, "train"), shifts(2)
    assert all(-LARGEST_SHIFT <= shift < LARGEST_SHIFT for shift in chosen)
    calls = []

    def encode(waves: Tensor) -> Tensor:
        calls.append(waves)
        return waves[:, :, :64].reshape(1, len(STEMS) + 1, 4, 4, 4)

    for _ in range(2):
        keep_moments(tmp_path, segments, chosen, encode, "one")
    assert len(calls) == len(segments) * 2
    batch = KeptMoments(tmp_path, segments, chosen, 2, seed=0)[5]
    assert batch.shape == (2, len(STEMS) + 1, 4, 4, 4)
    with pytest.raises(CorpusError, match="another VAE"):
        keep_moments(tmp_path, segments, chosen, encode, "two")


def test_instruments_of_a_slakh_track_are_sorted_into_stems() -> None:
    text = (
        "UUID: x\nstems:\n  S00:\n    inst_class: Guitar\n    plugin_name: a.nkm\n"
        "  S01:\n    inst_class: Strings (continued)\n  S02:\n    inst_class: Bass\n"
        "  S03:\n    inst_class: Drums\n  S04:\n    inst_class: Guitar\n"
    )
    found = instruments(text)
    assert found == {"bass": ["S02"], "drums": ["S03"], "guitar": ["S00", "S04"], "piano": []}


def test_slakh_is_converted_whole_tracks_only(tmp_path: Path) -> None:
    for track, kinds in (
        ("Track00001", ("Bass", "Drums", "Guitar", "Piano", "Piano")), ("Track00002", ("Bass",))
    ):  # fmt: skip
        place = tmp_path / "in" / "train" / track
        (place / "stems").mkdir(parents=True)
        lines = ["stems:"]
        for index, kind in enumerate(kinds):
            lines += [f"  S{index:02}:", f"    inst_class: {kind}"]
            sf.write(place / "stems" / f"S{index:02}.flac", np.full(44_100, 0.1), 44_100)
        (place / "metadata.yaml").write_text("\n".join(lines))
    assert main(["slakh", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    assert [p.name for p in (tmp_path / "out" / "train").iterdir()] == ["Track00001"]
    wave, rate = sf.read(tmp_path / "out" / "train" / "Track00001" / "piano.wav")
    assert (rate, len(wave)) == (22_050, 22_050)
    assert wave[11_000] == pytest.approx(0.2, abs=1e-3)


@pytest.mark.slow
def test_the_command_trains_and_its_checkpoint_loads(
    slakh: Path, parts: dict[str, Path], tmp_path: Path
) -> None:
    from bandmate_training.paper.published import load_published

    command = ["denoiser", "--preset", "paper", "--data", str(slakh), "--vae", str(parts["vae"])]
    command += ["--out", str(tmp_path / "run"), "--width", "32", "--batch", "1", "--workers", "0"]
    command += ["--threads", "2", "--checkpointing", "--device", "cpu"]
    assert main([*command, "--steps", "1"]) == 0
    assert main([*command, "--steps", "2", "--resume"]) == 0
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    found = load_published(checkpoint, vae=parts["vae"], vocoder=parts["hifigan"])
    state = torch.load(checkpoint, weights_only=True)
    assert state["step"] == 2
    assert found.scale_factor == pytest.approx(float(state["average"]["scale_factor"]))
    torch.testing.assert_close(found.unet.out.bias, state["average"]["unet.out.bias"])


def test_the_paper_needs_its_autoencoder(
    slakh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["denoiser", "--preset", "paper", "--data", str(slakh), "--out", str(tmp_path)]
    assert main(command) == 1
    assert "--vae FILE" in capsys.readouterr().err
