"""Systems and baselines: what is compared is what the engine does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bandmate_server.model.model import Model
from bandmate_server.options import Solver
from bandmate_server.separation.api import separate
from bandmate_server.settings import SeparateSettings
from bandmate_server.spec import STEMS
from bandmate_training.evaluation.measures.metrics import null_error, si_sdr
from bandmate_training.evaluation.scores.separation_scores import read_example
from bandmate_training.evaluation.songs import clips
from bandmate_training.evaluation.songs.analysis import Analyser, reconstruct
from bandmate_training.evaluation.systems import separators


def example_of(
    corpus: Path, seconds: float = 2.56, model: Model | None = None
) -> separators.Example:
    folders = clips.find_folders(corpus, "validation")
    return read_example(clips.choose_clips(folders, 1, seconds, 0)[0], Analyser(), model)


@pytest.mark.parametrize("seconds", [2.56, 1.0])
@pytest.mark.parametrize("solver", ["ddim", "dpm"])
def test_diffusion_gives_what_the_engine_gives(
    corpus: Path, fake_model: Model, solver: Solver, seconds: float
) -> None:
    example = example_of(corpus, seconds)
    found = separators.diffusion(fake_model, 3, solver, 7, example)
    settings = SeparateSettings(steps=3, solver=solver, seed=7)
    song = example.song
    expected = separate(fake_model, song.mixture, sample_rate=song.rate, settings=settings)
    assert found.stems.keys() == expected.keys()
    for name, stem in expected.items():
        np.testing.assert_allclose(found.stems[name], stem, rtol=0, atol=1e-7, err_msg=name)


def test_own_log_mels_are_those_that_the_denoiser_found(corpus: Path, fake_model: Model) -> None:
    example = example_of(corpus)
    mels = separators.diffusion(fake_model, 1, "ddim", 0, example).mels
    assert mels is not None
    assert mels.shape == (4, 256, 64)
    for mel in mels:
        np.testing.assert_allclose(mel, example.analysis.mixture, atol=2e-3)


def test_mean_of_takes_is_the_mean_of_their_log_mels(corpus: Path, fake_model: Model) -> None:
    example = example_of(corpus)
    takes = [separators.diffused(fake_model, 1, "ddim", seed, example) for seed in (0, 1)]
    pieces = separators.mean_mels(takes).pieces
    expected = (takes[0].pieces[0].stems + takes[1].pieces[0].stems) / 2
    np.testing.assert_allclose(pieces[0].stems, expected, atol=1e-5)


def test_oracle_masks_separate_tones_far_better_than_the_mixture(corpus: Path) -> None:
    example = example_of(corpus)
    stems = separators.oracle_masks(example).stems
    song = example.song
    for stem in STEMS:
        if song.active(stem):
            true = song.sources[stem]
            assert si_sdr(stems[stem], true) - si_sdr(song.mixture, true) > 10
    assert null_error(list(stems.values()), song.mixture) < 1e-6


def test_oracle_through_a_perfect_vae_is_the_oracle(corpus: Path, fake_model: Model) -> None:
    example = example_of(corpus, model=fake_model)
    found = separators.oracle_through_vae(example).stems
    for name, stem in separators.oracle_masks(example).stems.items():
        np.testing.assert_allclose(found[name], stem, atol=1e-5)


def test_a_perfect_vae_reconstructs_what_was_heard(corpus: Path, fake_model: Model) -> None:
    analysis = example_of(corpus).analysis
    found = reconstruct(fake_model, analysis)
    np.testing.assert_allclose(found[: len(STEMS)], analysis.stems, atol=1e-5)
    np.testing.assert_allclose(found[-1], analysis.mixture, atol=1e-5)


def test_clips_are_heard_at_the_engines_level_whatever_theirs(corpus: Path) -> None:
    example = example_of(corpus)
    factor = np.float32(1 / 64)
    quiet = {name: factor * wave for name, wave in example.song.sources.items()}
    song = clips.ClipAudio(factor * example.song.mixture, quiet, example.song.rate, 1.0)
    found = Analyser().analyse(song)
    assert found.gain == pytest.approx(64 * example.analysis.gain, rel=1e-4)
    np.testing.assert_allclose(found.stems, example.analysis.stems, atol=1e-3)


def test_equal_split_sums_to_the_mixture(corpus: Path) -> None:
    example = example_of(corpus)
    stems = separators.equal_split(example).stems
    assert null_error(list(stems.values()), example.song.mixture) < 1e-6
