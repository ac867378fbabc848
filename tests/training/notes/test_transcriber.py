"""The encoder of notes: its spectrum, its examples, what it learns."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from bandmate_server.model.notes import layout
from bandmate_server.spec import MEL, NOTES
from bandmate_training.learning.trainer import Trainer, TrainerOptions
from bandmate_training.networks.checkpoint_file import CHECKPOINT, read_checkpoint
from bandmate_training.notes.config import TranscriberConfig
from bandmate_training.notes.data.mixing import MIXTURE, PlayedSources
from bandmate_training.notes.data.pairs import find_noted_tracks
from bandmate_training.notes.learning.figures import agreement
from bandmate_training.notes.learning.transcriber_task import TranscriberTask
from bandmate_training.notes.networks import front
from bandmate_training.notes.networks.transcriber import (
    OUTPUTS,
    Transcriber,
    to_latents,
    to_outputs,
)
from bandmate_training.notes.songs import as_notes

TINY = TranscriberConfig(near=4, far=8, width=32, blocks=1, expansion=2)
FRAMES = 32


@pytest.fixture
def data(noted: Path) -> PlayedSources:
    return PlayedSources(find_noted_tracks(noted, "train", 3.0), 4, FRAMES, seed=0, treated=0.0)


@pytest.mark.parametrize("key", [33, 57, 81, 105])
def test_a_tone_is_strongest_at_its_key(key: int) -> None:
    t = torch.arange(16 * NOTES.latent_hop) / MEL.sample_rate
    wave = 0.3 * torch.sin(2 * torch.pi * 440 * 2 ** ((key - 69) / 12) * t)
    levels = front.PitchSpectrum()(wave[None])[0]
    assert levels.shape == (16 * front.PER_FRAME, front.BINS)
    strongest = levels[10:-10].mean(0).argmax()
    assert int(strongest) == front.PER_SEMITONE * (key - layout.LOWEST) + 1


def test_a_click_is_loudest_in_its_own_hop() -> None:
    wave = torch.zeros(1, 16 * NOTES.latent_hop)
    wave[0, 15 * front.HOP + front.HOP // 2] = 1.0
    levels = front.PitchSpectrum()(wave)[0]
    assert int(levels[:, -1].argmax()) == 15
    assert torch.allclose(levels[14], levels[16], atol=0.01)  # it is centred


def test_outputs_are_the_notes_of_latents() -> None:
    latents = torch.rand(2, 2, 8, layout.CELLS)
    latents[:, layout.SUSTAIN, :, layout.PITCHES :] = 0
    outputs = to_outputs(latents)
    assert outputs.shape == (2, 8, OUTPUTS)
    assert torch.equal(to_latents(outputs), latents)


def test_a_new_transcriber_finds_next_to_nothing() -> None:
    torch.manual_seed(0)
    chance = Transcriber(TINY)(torch.randn(1, 8 * NOTES.latent_hop)).sigmoid()
    assert chance.shape == (1, 8, OUTPUTS)
    assert chance[..., layout.PITCHES : layout.CELLS].max() < 0.01


def test_batches_repeat_and_hold_stems_and_mixtures(data: PlayedSources) -> None:
    assert all(torch.equal(a, b) for a, b in zip(data[5], data[5], strict=True))
    kinds = torch.cat([data[step].stem for step in range(8)])
    assert (kinds == MIXTURE).any() and (kinds >= 0).any()


def test_mixtures_hold_the_notes_of_drums_and_pitches(data: PlayedSources) -> None:
    mixed = [row for step in range(8) for row in zip(*data[step], strict=True)
             if int(row[2]) == MIXTURE]  # fmt: skip
    planes = torch.stack([notes for notes, _, _ in mixed])
    assert planes[:, :, :, : layout.PITCHES].any() and planes[:, :, :, layout.PITCHES :].any()
    assert max(float(wave.abs().max()) for _, wave, _ in mixed) <= 1


def test_notes_agree_if_key_and_time_do() -> None:
    true = as_notes([(1.0, 1.5, 60, 90), (1.0, 1.5, 64, 90), (2.0, 2.5, 60, 90)])
    off = true.copy()
    off[0, 0] += 0.04
    off[1, 2] += 12
    assert agreement(true, true) == 1
    assert agreement(off, true) == pytest.approx(2 / 3)
    assert agreement(true[:1], true) == pytest.approx(2 * 1 / 4)
    assert agreement(as_notes([]), as_notes([])) == 1
    assert agreement(as_notes([]), true) == 0
    twice = np.concatenate([true[:1], true[:1]])
    assert agreement(twice, true[:1]) == pytest.approx(2 / 3)  # one of them is too many


def test_training_lowers_the_loss_and_resumes_exactly(data: PlayedSources, tmp_path: Path) -> None:
    def train(name: str, steps: int, resume: bool = False) -> TranscriberTask:
        torch.manual_seed(0)
        task = TranscriberTask(TINY, data[100])
        options = TrainerOptions(
            tmp_path / name, 60, steps=steps, learning_rate=3e-3, warmup=1, workers=0,
            resume=resume,
        )  # fmt: skip
        Trainer(task, copy.deepcopy(task.model), options).run(data)
        return task

    torch.manual_seed(0)
    fresh = TranscriberTask(TINY, data[100])
    before = fresh.validate(fresh.model)["val_loss"]
    trained = train("whole", 12)
    train("parted", 5)
    train("parted", 12, resume=True)
    whole, parted = (
        read_checkpoint(tmp_path / name / CHECKPOINT)["modules"]["encoder"]
        for name in ("whole", "parted")
    )
    assert all(torch.equal(whole[name], parted[name]) for name in whole)
    after = trained.validate(trained.model)
    assert after["val_loss"] < 0.9 * before
    assert {"val_loss", "val_mixture_pitches"} <= set(after)
