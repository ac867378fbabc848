"""Who makes parts for a scene: nobody, another song, and other systems' files.

A performer takes a scene, the names of the stems given and wanted and a seed, and returns
the wanted waves (N,) at MEL.sample_rate; `MIX` instead of stems where a system gives only the
whole. All four stems wanted means total generation: nothing is given.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile as sf

from bandmate_server.errors import CorpusError
from bandmate_server.spec import MEL, STEMS
from bandmate_training.evaluation.songs.excerpts import Excerpt, FloatArray, Stems, mono

Names = tuple[str, ...]
StemGenerator = Callable[[Excerpt, Names, Names, int], Stems]
MIX = "mix"
LATE = 0.05  # seconds that may be missing at the end of a file


def arrangement(letters: str) -> Names:
    """Return the stems that initials stand for: "BD" is bass and drums."""
    return tuple(stem for stem in STEMS if stem[0].upper() in letters)


def letters_of(wanted: Names) -> str:
    """Return the stems' initials in the paper's order."""
    return "".join(stem[0].upper() for stem in STEMS if stem in wanted)


def nothing(excerpt: Excerpt, given: Names, wanted: Names, seed: int) -> Stems:
    """Add silence: how far the given stems alone are from the whole."""
    return {stem: np.zeros_like(excerpt.stems[stem]) for stem in wanted}


def other_song(excerpts: list[Excerpt]) -> StemGenerator:
    """Take the stems of another song: real music that ignores the context."""

    def perform(excerpt: Excerpt, given: Names, wanted: Names, seed: int) -> Stems:
        others = [other for other in excerpts if other.track != excerpt.track]
        if not others:
            raise CorpusError("borrowing stems needs two songs or more")
        rng = np.random.default_rng((seed, round(1000 * excerpt.start), *excerpt.track.encode()))
        sounding = [other for other in others if all(other.active(stem) for stem in wanted)]
        chosen = (sounding or others)[int(rng.integers(len(sounding or others)))]
        return {stem: chosen.stems[stem] for stem in wanted}

    return perform


def stored(folder: Path) -> StemGenerator:
    """Read another system's output.

    Looks for `<folder>/<letters>/<track>_from_<second>/<stem>.wav` (a file as long as the clip),
    then for `<folder>/<letters>/<track>/<stem>.wav` (the whole track), any rate. `letters` are
    the initials of what was made, such as BD, and BDGP for total generation, where `mix.wav` may
    stand for the four stems; `D_to_BP` where not all others were given.
    """

    def perform(excerpt: Excerpt, given: Names, wanted: Names, seed: int) -> Stems:
        place = folder / place_of(given, wanted)
        own = place / excerpt.clip.label
        start, where = (0.0, own) if own.is_dir() else (excerpt.start, place / excerpt.track)
        samples = len(excerpt.mixture)
        if len(wanted) == len(STEMS) and (where / f"{MIX}.wav").is_file():
            return {MIX: _read(where / f"{MIX}.wav", start, samples)}
        return {stem: _read(where / f"{stem}.wav", start, samples) for stem in wanted}

    return perform


def place_of(given: Names, wanted: Names) -> str:
    """Return the folder's name for what was made, and what for unless for all the rest."""
    name = letters_of(wanted)
    rest = tuple(stem for stem in STEMS if stem not in wanted)
    return name if set(given) == set(rest) else f"{name}_to_{letters_of(given)}"


def _read(path: Path, start: float, samples: int) -> FloatArray:
    """Return a file's stretch (samples,) from `start` seconds on.

    Raises:
        CorpusError: if it is missing, unreadable or too short.
    """
    if not path.is_file():
        raise CorpusError(f"{path} does not exist: see `bandmate-train evaluate --help`")
    try:
        with sf.SoundFile(path) as file:
            first = round(start * file.samplerate)
            count = -(-samples * file.samplerate // MEL.sample_rate)
            if len(file) < first + count - LATE * file.samplerate:
                raise CorpusError(
                    f"{path} is too short: expected {(first + count) / file.samplerate:.2f} s,"
                    f" got {len(file) / file.samplerate:.2f} s"
                )
            file.seek(min(first, len(file)))
            return mono(file.read(count, "float32", always_2d=True), file.samplerate, samples)
    except sf.SoundFileError as error:
        raise CorpusError(f"{path} is not audio that can be read: {error}") from error
