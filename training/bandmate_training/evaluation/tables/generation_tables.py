"""Generation reports: Markdown tables of arrangements, context fit and vocoding."""

from __future__ import annotations

from collections.abc import Sequence

from bandmate_training.evaluation import paper_figures
from bandmate_training.evaluation.scores.arrangements import Distance
from bandmate_training.evaluation.scores.context_fit import DRUMS, FitResult
from bandmate_training.evaluation.scores.vocoder_quality import MIXTURE, SOUNDS, Copy
from bandmate_training.evaluation.tables.part_figures import PartFigures
from bandmate_training.evaluation.tables.tables import number, table

PAPER = f"({paper_figures.EMBEDDING}, {paper_figures.DATA})"

DISTANCE_NOTES = """\
Frechet audio distance of mixes, made stems with given ones, to the true mixes; lower is better.
"All": all mixes against all true ones, as in the paper. "Half": the mixes of half the songs
against the true ones of the other half, mean of both ways; "true" under it is what true mixes get
so: the least to expect at this number of clips. "Ratio" is half over its true. The distance grows
as clips get fewer: compare only figures of one report.

Embedding of our figures: {embedding}. Data: {data}. The paper's columns are as it prints them,
measured with {paper}: other ears and other music, so no column of theirs can be
set against one of ours.
"""
FIT_NOTES = """\
Each stem is added to the others of a clip. Context fit: the percentile rank of the clip's own
context among the contexts of all other songs, by how well the part agrees with it; 50 is
chance, 100 the best. "Harmony": pitch classes that sound together, frame by frame; "rhythm":
attacks that coincide. The figure that counts is harmony for bass, guitar and piano, rhythm
for drums. The row "true stem" is the ceiling; through VAE and vocoder, as all that is made
comes, it is the model's. "Shuffled": the same takes ranked with other
songs' contexts taken for their own: it must be near 50, or the measure is wrong.
"Silent": takes more than 40 dB below the context; "clipped": takes that reach full scale.
"Diversity": how much takes of one context differ, against parts of different songs (0: alike,
1: as different as these).
"""
GRID_NOTES = """\
Share of drum onsets within 40 ms of the song's sixteenths, or triplets where its true drums keep
to these, and what random onsets would get.
"""
PART_NOTES = """\
Each stem is added to the other three of a clip and measured as it is, without ranks. "Chroma":
mean correlation of the part's pitch classes with the context's, frame by frame; "onsets": of the
attacks. "FAD": Frechet audio distance of the stems alone to the true ones ({embedding}); "halves":
that of the true stems of half the songs to the other half's; "kernel": kernel distance, times
1000. "Clarity": share of the power in spectral lines (tones have 0.95, noise 0.02). Notes a
second, their length and how many sound at once are what Basic Pitch finds, in true stems too.
"Noise" is white; compare only figures of one report.
"""
COPY_NOTES = """\
Each maker gets the log-mel of a true wave and returns a wave; "VAE and vocoder" first sends
the mel through the VAE, as all that is generated comes. "STFT": multi-resolution STFT distance
(spectral convergence plus half the mean log-magnitude difference); "mel": squared error of the
re-analysed log-mel; "FAD": Frechet audio distance to the true waves, {embedding}. The true
wave itself is the best there can be; its FAD between two halves of the songs stands under "halves".
Stems are the mean over those that sound.
"""


def systems_of(distances: Sequence[Distance]) -> list[str]:
    """Return the systems' names in the order they came."""
    return list(dict.fromkeys(row.system for row in distances))


def distance_table(
    distances: Sequence[Distance], paper: dict[str, dict[str, float]], reference: str
) -> str:
    """Return a row per arrangement: ours, then the paper's in columns of its own.

    Args:
        distances: of all systems and arrangements.
        paper: the paper's figures, by system and arrangement.
        reference: the system without a ratio: what its mixes get says what is easy.
    """
    systems = systems_of(distances)
    header = ["stems made", "clips"]
    for name in systems:
        header += [f"{name}: all", "half", "ratio"] if name != reference else [f"{name}: all"]
    header += ["true: half", *(f"paper's {name} {PAPER}" for name in paper)]
    rows = []
    for letters in dict.fromkeys(row.arrangement for row in distances):
        found = {row.system: row for row in distances if row.arrangement == letters}
        first = next(iter(found.values()))
        cells = [letters, str(first.clips)]
        for name in systems:
            row = found.get(name)
            values = [row.whole, row.across, row.ratio] if row else [float("nan")] * 3
            cells += [number(value) for value in (values[:1] if name == reference else values)]
        cells.append(number(first.halves))
        cells += [number(figures.get(letters, float("nan"))) for figures in paper.values()]
        rows.append(cells)
    return table(header, rows)


def fit_table(fits: Sequence[FitResult]) -> str:
    """Return a row per task and generator."""
    header = ["part", "by", "clips", "takes", "harmony", "rhythm", "shuffled: harmony"]
    header += ["rhythm", "silent", "clipped", "diversity"]
    rows = []
    for fit in fits:
        ranks = (fit.chroma, fit.onsets, fit.shuffled_chroma, fit.shuffled_onsets)
        marked = [number(value, 1) for value in ranks]
        counts = 1 if fit.stem == DRUMS else 0  # the figure that counts for this stem
        marked[counts] = f"**{marked[counts]}**"
        shares = [f"{100 * share:.1f} %" for share in (fit.silent, fit.clipped)]
        counted = [fit.task, fit.generator, str(fit.clips), str(fit.takes)]
        rows.append([*counted, *marked, *shares, number(fit.diversity)])
    return table(header, rows)


def part_table(parts: Sequence[PartFigures]) -> str:
    """Return a row per stem and generator."""
    header = ["part", "by", "clips", "chroma", "onsets", "FAD", "halves", "kernel", "clarity"]
    header += ["notes/s", "seconds", "at once"]
    rows = []
    for part in parts:
        values = (part.chroma, part.onsets, part.frechet, part.halves, part.kernel, part.clarity)
        cells = [number(v, d) for v, d in zip(values, (2, 2, 1, 1, 1, 2), strict=True)]
        cells += [number(v, d) for v, d in ((part.rate, 1), (part.length, 2), (part.at_once, 1))]
        rows.append([part.stem, part.generator, str(part.clips), *cells])
    return table(header, rows)


def grid_table(fits: Sequence[FitResult]) -> str:
    """Return a row per drum task and generator."""
    rows = [
        [fit.task, fit.generator, *(number(100 * v, 1) for v in (fit.grid, fit.chance_grid))]
        for fit in fits
        if fit.stem == DRUMS
    ]
    return table(["part", "by", "on the grid, %", "chance, %"], rows)


def copy_table(copies: Sequence[Copy]) -> str:
    """Return a row per maker and sound, and the mean over the stems."""
    header = ["sound", "made by", "clips", "STFT", "mel", "FAD", "halves"]
    rows = []
    for sound in [*SOUNDS, "stems, mean"]:
        for maker in dict.fromkeys(copy.maker for copy in copies):
            own = [copy for copy in copies if copy.maker == maker and copy.sound != MIXTURE]
            if sound != "stems, mean":
                own = [copy for copy in copies if (copy.maker, copy.sound) == (maker, sound)]
            if own:
                columns = [[copy.spectral, copy.mel, copy.distance, copy.halves] for copy in own]
                means = [number(sum(v) / len(own), 3) for v in zip(*columns, strict=True)]
                rows.append([sound, maker, str(sum(copy.clips for copy in own)), *means])
    return table(header, rows)
