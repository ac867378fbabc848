"""How systems with stems of any names compare: SI-SDR of each stem, and what they take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bandmate_server.errors import CorpusError
from bandmate_server.spec import OTHER
from bandmate_training.evaluation.measures.metrics import Summary, si_sdr, summarise
from bandmate_training.evaluation.songs.clips import Clip, ClipAudio, FloatArray, read_song
from bandmate_training.evaluation.songs.estimates import find_estimate, read_estimates
from bandmate_training.evaluation.systems.processes import Cost

MIXTURE = "mixture as stem"
Estimate = Callable[[Clip, ClipAudio], dict[str, FloatArray]]


@dataclass(frozen=True)
class Standing:
    """How well one system separates.

    source: where it is, or the command that runs it.
    si_sdr: dB, by stem; improvement: over the mixture taken for the stem.
    cost: of its process; None if its stems were there already.
    """

    system: str
    source: str
    si_sdr: dict[str, Summary]
    improvement: dict[str, Summary]
    cost: Cost | None = None


def score_files(name: str, source: str, root: Path, clips: Sequence[Clip]) -> Standing:
    """Score the stems that a system left in a folder.

    Raises:
        CorpusError: if there is none that the corpus has too, or one is not usable.
    """
    known = [stem for stem in clips[0].sources if stem != OTHER]
    stems = [stem for stem in known if find_estimate(root, clips[0], stem)]
    if not stems:
        expected = f"{root / clips[0].label}/<stem>.wav, of {', '.join(known)}"
        raise CorpusError(f"the system {name} has no stem of the corpus: expected {expected}")
    return _score(name, source, stems, clips, partial(read_estimates, root, stems=stems))


def score_mixture(clips: Sequence[Clip]) -> Standing:
    """Score the mixture taken for every stem: what no separation gives."""
    stems = [stem for stem in clips[0].sources if stem != OTHER]
    return _score(MIXTURE, "", stems, clips, lambda _, song: dict.fromkeys(stems, song.mixture))


def _score(
    name: str, source: str, stems: list[str], clips: Sequence[Clip], estimate: Estimate
) -> Standing:
    """Compare the stems of all clips in which they sound with the true ones."""
    ratios: dict[str, list[float]] = {stem: [] for stem in stems}
    gains: dict[str, list[float]] = {stem: [] for stem in stems}
    songs: dict[str, list[str]] = {stem: [] for stem in stems}
    for clip in clips:
        song = read_song(clip)
        found = estimate(clip, song)
        for stem in filter(song.active, stems):
            ratio = si_sdr(found[stem], song.sources[stem])
            ratios[stem].append(ratio)
            gains[stem].append(ratio - si_sdr(song.mixture, song.sources[stem]))
            songs[stem].append(clip.track)
    return Standing(
        name,
        source,
        {stem: summarise(values, songs[stem]) for stem, values in ratios.items()},
        {stem: summarise(values, songs[stem]) for stem, values in gains.items()},
    )
