"""The denoiser of notes: masks, levels, learning, sampling."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bandmate_server.model.notes import layout
from bandmate_server.spec import STEMS
from bandmate_training.corpus.build import Job, Sources
from bandmate_training.learning.conditions import BACKING, FULL, ConditionPlan
from bandmate_training.learning.trainer import Trainer, TrainerOptions
from bandmate_training.networks.checkpoint_file import CHECKPOINT, read_checkpoint
from bandmate_training.notes import diffusion
from bandmate_training.notes.config import NoteDenoiserConfig
from bandmate_training.notes.data.dataset import NoteWindows
from bandmate_training.notes.evidence import height_shares, heights
from bandmate_training.notes.learning.objective import sounding_logits, stem_entropies, surprise
from bandmate_training.notes.learning.takes import add_part, compare_takes
from bandmate_training.notes.learning.task import NoteTask, activity, checks, mixtures
from bandmate_training.notes.networks.network import KNOWN_ODDS, Guess, NoteDenoiser
from bandmate_training.notes.networks.rows import LocalNetwork
from bandmate_training.notes.packing import pack, unpack
from bandmate_training.notes.songs import NoteSong, play_song

TINY = NoteDenoiserConfig(
    width=32, blocks=2, head_width=16, expansion=2, local_width=16, local_blocks=1
)
FRAMES = 64


@pytest.fixture(scope="module")
def songs() -> list[NoteSong]:
    return [play_song(Job(1, "train", k), Sources(None, False, False)) for k in range(4)]


@pytest.fixture(scope="module")
def examples(songs: list[NoteSong]) -> Tensor:
    return NoteWindows(songs, 8, FRAMES, seed=0)[0]


@pytest.fixture
def task(examples: Tensor) -> NoteTask:
    torch.manual_seed(0)
    return NoteTask(TINY, examples, examples[:4])


def test_packing_loses_nothing_that_stems_use(examples: Tensor) -> None:
    stems = examples[:, 0, : len(STEMS)].float()
    assert torch.equal(unpack(pack(stems)), stems)


def test_the_last_level_holds_no_signal_and_the_first_nearly_all() -> None:
    shares = diffusion.signal_shares()
    assert shares[-1] == 0 and shares[0] > 0.99
    assert (shares.diff() < 0).all()
    angles = diffusion.angle_of(shares)
    assert angles[-1] == 1 and angles[0] < 0.05


def test_a_network_begins_with_the_means_of_all_cells(task: NoteTask, examples: Tensor) -> None:
    notes = pack(examples[:, 0, : len(STEMS)].float())
    made = task.noised(
        examples.float(),
        [checks(FRAMES)["generate"]] * 8,
        torch.full((8,), diffusion.LEVELS - 1),
        torch.zeros(8, len(STEMS)),
        torch.Generator().manual_seed(0),
    )
    guess = task.model(*made.inputs)
    count = layout.note_count()
    found = guess.latents()[..., :count]
    expected = notes.flatten(0, 1).mean(0)[:count]
    expected = torch.where(expected > 2e-4, expected, found[0, 0])  # rare ones are rounded up
    assert torch.allclose(found, expected.expand_as(found), rtol=0.01)
    assert task.losses(guess, made).mean().item() == pytest.approx(1.0, abs=0.01)


def test_surprise_is_least_at_the_truth() -> None:
    target = torch.tensor([0.0, 0.3, 1.0])
    at_truth = surprise(torch.tensor([-30.0, torch.tensor(0.3).logit(), 30.0]), target)
    assert torch.allclose(at_truth, torch.zeros(3), atol=1e-5)
    assert (surprise(torch.zeros(3), target) > 0.05).all()


def test_surprise_takes_heights_into_account() -> None:
    target, mean = torch.tensor([0.0, 0.4, 0.9]), torch.tensor([0.5, 0.8, 0.9])
    found = surprise(torch.tensor([-30.0, 0.0, 30.0]), target, mean)
    assert torch.allclose(found, torch.zeros(3), atol=1e-4)
    plain = surprise(torch.tensor([0.3]), torch.tensor([0.2]))
    assert torch.allclose(surprise(torch.tensor([0.3]), torch.tensor([0.2]), torch.ones(1)), plain)


def test_means_and_entropies_are_those_of_the_sample() -> None:
    cells = layout.note_count()
    notes = torch.zeros(1, 4, cells)
    notes[0, 0, 0] = 0.5  # the lowest onset of the bass, in one of four frames
    shares = height_shares(notes)
    assert (shares @ heights())[0].item() == pytest.approx(0.5, abs=0.01)
    prior = sounding_logits(notes, shares)
    assert prior[0].sigmoid().item() == pytest.approx(0.25, abs=0.01)
    assert prior[1].sigmoid().item() == pytest.approx(1e-5)
    entropies = stem_entropies(notes)
    mean = torch.tensor([0.125]).logit()
    expected = surprise(mean.expand(4), notes[0, :, 0]).mean()
    assert entropies[0].item() == pytest.approx(expected.item(), rel=0.01)
    assert entropies[1:].max() < 0.01


def test_given_stems_are_known_and_cost_nothing(task: NoteTask, examples: Tensor) -> None:
    plan = checks(FRAMES)["add_piano"]
    made = task.noised(
        examples.float(),
        [plan] * 8,
        torch.full((8,), 500),
        torch.ones(8, len(STEMS)),
        torch.Generator().manual_seed(0),
    )
    piano = torch.from_numpy(layout.packed_stems() == STEMS.index("piano"))
    notes = torch.arange(len(piano)) < layout.note_count()
    assert not made.wanted[..., ~piano].any()
    assert made.wanted[..., piano & notes].all()
    known = made.inputs[4]
    assert not known[..., piano].any() and known[..., ~piano].any()
    count = layout.note_count()
    odds = torch.zeros_like(made.target)[..., :count]
    timbres = torch.zeros_like(made.target)[..., count:]
    guess = Guess(odds, torch.full_like(odds, 0.5), timbres, near=odds)
    changed = guess._replace(odds=torch.where(piano[:count], odds, 5.0))
    assert torch.allclose(task.losses(guess, made), task.losses(changed, made))


def test_mixtures_hold_the_notes_of_what_sounds_in_them(task: NoteTask, examples: Tensor) -> None:
    nothing = torch.zeros(len(STEMS), FRAMES)
    plans = [
        ConditionPlan(torch.ones(5), FULL, nothing),
        ConditionPlan(torch.tensor([1.0, 0, 0, 0, 0]), BACKING, nothing),
        ConditionPlan(torch.zeros(5), BACKING, nothing),
        ConditionPlan(None, FULL, nothing),
    ]
    sources = examples[:4, 1].float()
    notes, kind = mixtures(sources, plans)
    assert kind.tolist() == [[1, 0], [0, 1], [0, 1], [0, 0]]
    onsets = notes[..., : layout.CELLS]
    assert torch.equal(onsets[0], sources[0, :, layout.ONSET].amax(0))
    assert torch.equal(onsets[1], sources[1, 0, layout.ONSET])
    assert not notes[2:].any()


def test_activity_grows_with_the_onsets_of_its_stem_alone(examples: Tensor) -> None:
    notes = pack(examples[:, 0, : len(STEMS)].float())
    less = notes.clone()
    drums = torch.from_numpy(layout.packed_stems() == STEMS.index("drums"))
    less[..., drums] *= 0.5
    before, after = activity(notes), activity(less)
    column = STEMS.index("drums")
    assert (after[:, column] < before[:, column]).any()
    rest = [k for k in range(len(STEMS)) if k != column]
    assert torch.equal(after[:, rest], before[:, rest])


def test_timbres_that_are_not_known_are_left_open(task: NoteTask, examples: Tensor) -> None:
    some = examples.float().clone()
    timbres = slice(layout.PITCHES, layout.CELLS)
    some[0, :, : len(STEMS), layout.SUSTAIN, :, timbres] = 1.0
    made = task.noised(
        some,
        [checks(FRAMES)["generate"]] * 8,
        torch.full((8,), 500),
        torch.zeros(8, len(STEMS)),
        torch.Generator().manual_seed(0),
    )
    x, timbred, count = made.inputs[0], made.inputs[-1], layout.note_count()
    assert timbred[:, 0].tolist() == [1.0] + [0.0] * 7
    assert x[0, :, count:].any() and not x[1:, :, count:].any()
    assert made.wanted[0, :, count:].all() and not made.wanted[1:, :, count:].any()


def test_training_lowers_the_loss_and_resumes_exactly(
    songs: list[NoteSong], tmp_path: Path
) -> None:
    data = NoteWindows(songs[:1], 4, FRAMES, seed=0)
    examples = data[1000]
    options = TrainerOptions(
        tmp_path / "whole", 60, steps=16, learning_rate=1e-3, warmup=1, workers=0
    )

    def train(run: TrainerOptions) -> tuple[dict[str, Tensor], NoteTask]:
        torch.manual_seed(0)
        fresh = NoteTask(TINY, examples, examples[:2])
        Trainer(fresh, copy.deepcopy(fresh.model), run).run(data)
        return read_checkpoint(run.out / CHECKPOINT)["modules"]["denoiser"], fresh

    whole, trained = train(options)
    parted = replace(options, out=tmp_path / "parted", steps=7)
    train(parted)
    again, _ = train(replace(parted, steps=16, resume=True))
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    torch.manual_seed(0)
    untrained = NoteTask(TINY, examples, examples[:2])
    before = untrained.validate(untrained.model)["val_generate"]
    assert trained.validate(trained.model)["val_generate"] < before


def test_sampling_with_a_perfect_guess_returns_it() -> None:
    clean = torch.randn(2, 8, len(layout.packed_cells()))
    noise = torch.randn_like(clean)
    found = diffusion.sample(lambda x, angle: clean, noise, 4)
    assert torch.allclose(found, clean, atol=1e-5)
    assert torch.allclose(diffusion.unscaled(diffusion.scaled(clean)), clean)


def test_a_sampled_part_has_the_cells_of_its_stem_and_follows_the_seed(examples: Tensor) -> None:
    torch.manual_seed(0)
    model = NoteDenoiser(TINY).eval()
    with torch.no_grad():
        takes = [add_part(model, examples[:2].float(), 2, 3, 2.0, seed) for seed in (0, 0, 1)]
    assert takes[0].shape == (2, 2, FRAMES, layout.CELLS)
    assert torch.equal(takes[0], takes[1]) and not torch.equal(takes[0], takes[2])
    assert not takes[0][:, layout.ONSET, :, layout.PITCHES :].any()  # a guitar has no snare
    figures = compare_takes(model, examples[:2].float())
    assert {f"density_{stem}" for stem in STEMS} >= {k for k in figures if "density" in k}
    assert 0 <= figures["harmony_true_guitar"] <= 1


def test_keys_are_corrected_alike_and_by_what_is_near() -> None:
    local = LocalNetwork(1, 16, 1)
    torch.nn.init.normal_(local.keys.exit.weight)
    logits, angle = torch.full((1, FRAMES, layout.note_count()), -6.0), torch.tensor([0.4])
    stems = torch.from_numpy(layout.packed_stems()[: layout.note_count()])
    key = torch.from_numpy(layout.packed_cells()[: layout.note_count()] % layout.CELLS)
    key = torch.where(stems == STEMS.index("drums"), -1, key)
    with torch.no_grad():
        still = local([logits], angle)
        played = []
        for number in (20, 25):
            sounding = logits.clone()
            sounding[0, 30, key == number] = 5.0
            played.append((local([sounding], angle) - still)[0])
    for change, number in zip(played, (20, 25), strict=True):
        assert not change[:, (key != number)].any() and not change[:8].any()
        assert change[:, key == number].abs().max() > 1e-3
    torch.testing.assert_close(*(c[:, key == k] for c, k in zip(played, (20, 25), strict=True)))


def test_pieces_of_the_kit_are_corrected_each_by_its_own() -> None:
    local = LocalNetwork(2, 16, 1)
    torch.nn.init.normal_(local.drums.exit.weight)
    count = layout.note_count()
    pieces = torch.from_numpy(np.nonzero(layout.packed_stems()[:count] == 1)[0])
    snare = pieces[[1, 13]]  # its onset and its moment
    logits = torch.full((1, FRAMES, count), -6.0)
    struck = logits.clone()
    struck[0, 30, snare[0]] = 5.0
    with torch.no_grad():
        both = [local([each, logits], torch.tensor([0.4])) for each in (logits, struck)]
    changed = (both[1] - both[0])[0].abs().amax(0) > 0
    assert changed[snare].all() and int(changed.sum()) == 2


def test_keys_see_when_the_kit_is_struck() -> None:
    local = LocalNetwork(1, 16, 1)
    for layer in (local.keys.exit, local.keys.around):
        torch.nn.init.normal_(layer.weight)
    count = layout.note_count()
    kick = np.nonzero(layout.packed_stems()[:count] == STEMS.index("drums"))[0][0]
    logits = torch.full((1, FRAMES, count), -6.0)
    struck = logits.clone()
    struck[0, 40, kick] = 6.0
    with torch.no_grad():
        quiet, loud = (local([each], torch.tensor([0.4]))[0] for each in (logits, struck))
    changed = (quiet - loud).abs()[:, layout.packed_stems()[:count] == STEMS.index("bass")]
    assert changed[40].min() > 0 and not changed[:8].any()


def test_corrections_start_as_none() -> None:
    logits = [torch.randn(2, FRAMES, layout.note_count())] * 3
    assert not LocalNetwork(3, 16, 1)(logits, torch.rand(2)).any()


def test_given_cells_count_as_seen(task: NoteTask) -> None:
    count = layout.note_count()
    x, known = torch.zeros(1, FRAMES, count), torch.zeros(1, FRAMES, len(layout.packed_cells()))
    known[0, 3, 0] = layout.SCALE
    mask = torch.zeros(1, FRAMES, len(STEMS))
    mask[0, :, STEMS.index("bass")] = 1
    seen, _ = task.model.seen(x, torch.tensor([1.0]), known, mask)
    bass = torch.from_numpy(layout.packed_stems()[:count] == STEMS.index("bass"))
    assert seen[0, 3, 0] == KNOWN_ODDS and seen[0, 4, 0] == -KNOWN_ODDS
    assert seen[..., ~bass].abs().max() < 1e-3  # pure noise says nothing
