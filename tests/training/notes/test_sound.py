"""What notes sound like: pairs of notes and stems, timbre codes, the decoder."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from bandmate_server.errors import CorpusError
from bandmate_server.model.notes import layout
from bandmate_server.spec import MEL, NOTES, STEMS
from bandmate_training.learning.trainer import Trainer, TrainerOptions
from bandmate_training.networks.checkpoint_file import CHECKPOINT, read_checkpoint
from bandmate_training.notes.config import NoteDecoderConfig
from bandmate_training.notes.data.pairs import PlayedStems, find_noted_tracks
from bandmate_training.notes.learning.sound_task import SoundTask
from bandmate_training.notes.networks.sound import NoteDecoder, Timbre, with_timbre

TINY = NoteDecoderConfig(32, 1, 32, 1, 2, 16)
FRAMES = 32


@pytest.fixture
def data(noted: Path) -> PlayedStems:
    return PlayedStems(find_noted_tracks(noted, "train", 3.0), 4, FRAMES, seed=0, treated=0.0)


def test_waves_sound_where_their_notes_are(data: PlayedStems) -> None:
    batch = data[0]
    assert batch.notes.shape == (4, 2, FRAMES, layout.CELLS)
    assert sorted(batch.stem.tolist()) == list(range(len(STEMS)))
    loud = batch.wave.reshape(4, FRAMES, NOTES.latent_hop).abs().amax(-1)
    for row, stem in enumerate(batch.stem):
        if STEMS[int(stem)] == "drums":
            continue
        held = batch.notes[row, layout.SUSTAIN].amax(-1)
        quiet = loud[row][held == 0]
        assert quiet.max() < 0.01 < loud[row][held > 0.5].min()


def test_a_batch_is_a_function_of_seed_and_step(data: PlayedStems, noted: Path) -> None:
    again = PlayedStems(find_noted_tracks(noted, "train", 3.0), 4, FRAMES, seed=0, treated=0.0)
    assert all(torch.equal(a, b) for a, b in zip(data[3], again[3], strict=True))
    assert not torch.equal(data[3].wave, data[4].wave)


def test_a_corpus_without_notes_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "song"
    folder.mkdir(parents=True)
    sf.write(folder / "bass.wav", np.zeros(8 * MEL.sample_rate, np.float32), MEL.sample_rate)
    with pytest.raises(CorpusError, match="no notes beside them"):
        find_noted_tracks(tmp_path, "train", 3.0)


def test_timbre_is_standard_and_changes_slowly() -> None:
    torch.manual_seed(0)
    timbre = Timbre(NOTES, TINY).train()
    mel = -6 + 3 * torch.randn(16, 4 * 128, 1) + torch.randn(16, 1, 64)
    code = timbre(mel)
    assert code.shape == (16, 128, layout.TIMBRE)
    assert torch.allclose(code.mean((0, 1)), torch.zeros(layout.TIMBRE), atol=1e-4)
    assert torch.allclose(code.std((0, 1)), torch.ones(layout.TIMBRE), atol=0.01)
    assert code.diff(dim=1).abs().mean() < 0.1


def test_timbre_fills_its_cells_and_no_others() -> None:
    notes = torch.rand(2, 2, 8, layout.CELLS)
    code = torch.randn(2, 8, layout.TIMBRE)
    full = with_timbre(notes, code)
    assert torch.equal(full[:, layout.SUSTAIN, :, layout.PITCHES :], code)
    full[:, layout.SUSTAIN, :, layout.PITCHES :] = notes[:, layout.SUSTAIN, :, layout.PITCHES :]
    assert torch.equal(full, notes)


def test_the_decoder_returns_mel_frames_for_every_latent_frame() -> None:
    decoder = NoteDecoder(NOTES, TINY).eval()
    mel = decoder(torch.rand(2, 2, 16, layout.CELLS))
    assert mel.shape == (2, 16 * NOTES.latent_ratio, NOTES.mel.bands)


def test_training_lowers_the_error_and_resumes_exactly(data: PlayedStems, tmp_path: Path) -> None:
    def train(name: str, steps: int, resume: bool = False) -> SoundTask:
        torch.manual_seed(0)
        task = SoundTask(NOTES, TINY, data[100])
        options = TrainerOptions(
            tmp_path / name, 60, steps=steps, learning_rate=3e-3, warmup=1, workers=0,
            resume=resume,
        )  # fmt: skip
        Trainer(task, copy.deepcopy(task.model), options).run(data)
        return task

    torch.manual_seed(0)
    before = SoundTask(NOTES, TINY, data[100])
    errors = before.validate(before.model.eval())
    trained = train("whole", 80)
    train("parted", 11)
    train("parted", 80, resume=True)
    whole, parted = (
        read_checkpoint(tmp_path / name / CHECKPOINT)["modules"]["decoder"]
        for name in ("whole", "parted")
    )
    assert all(torch.equal(whole[name], parted[name]) for name in whole)
    after = trained.validate(trained.model.eval())
    shares = {key: after[key] / errors[key] for key in errors}
    assert max(shares.values()) < 0.9, shares
    assert (tmp_path / "whole" / "samples.png").stat().st_size > 1000


def test_a_kept_timbre_stays_while_the_rest_is_trained(data: PlayedStems, tmp_path: Path) -> None:
    torch.manual_seed(0)
    task = SoundTask(NOTES, TINY, data[100], keep_timbre=True)
    before = copy.deepcopy(task.model.state_dict())
    options = TrainerOptions(tmp_path, 60, steps=3, warmup=1, workers=0, optimiser="muon")
    Trainer(task, copy.deepcopy(task.model), options).run(data)
    changed = {name for name, value in task.model.state_dict().items()
               if not torch.equal(value, before[name])}  # fmt: skip
    assert changed and not any(name.startswith("timbre.") for name in changed)
