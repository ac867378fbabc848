"""Markdown tables of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bandmate_server.spec import STEMS
from bandmate_training.evaluation.measures.metrics import ACTIVE_DB
from bandmate_training.evaluation.scores.separation_scores import Scores, mean_level, summary_of

NOTES = f"""\
In every clip at least two sources sound. A stem is active in a clip if its energy is above
{ACTIVE_DB:g} dB of the mixture's, else silent.
SI-SDRi and SDRi: improvement over taking the mixture for the stem, dB, mean over all active
stems of all clips, with a 95 % bootstrap interval over songs. Silent stems: energy of the
estimate against the mixture's, dB, mean of the powers, median and worst. Null: largest
difference between stems + other and the input.
"""
MEL_NOTES = """\
Mean squared difference of log-mels (natural logarithm), all stems, at the level at which the
engine gives the clip to the model. "Own" are the log-mels that a system predicts itself (the
decoder's), as in the paper's Table II; "audio" those of its rendered stems.
"""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are numbers."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows)) + "\n"


def number(value: float, digits: int = 2) -> str:
    """Format a figure; a dash for nan."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"  # noqa: RUF001 - a dash is meant


def separation_table(scores: Scores) -> str:
    """Return the improvements, the silence and the null error of every system."""
    header = ["system", "SI-SDRi", "95 %", "median", *STEMS]
    header += ["SDRi", "silent stems", "median", "worst", "null", "s/clip"]
    rows = []
    for system in scores.systems():
        own = scores.of(system)
        whole = summary_of(own, "si_sdri")
        if not whole.count:
            continue
        left = [row.left for row in own if row.left is not None]
        null, seconds = scores.null.get(system), scores.seconds.get(system)
        rows.append(
            [
                system,
                number(whole.mean),
                f"{number(whole.low)} to {number(whole.high)}",
                number(whole.median),
                *(number(summary_of(own, "si_sdri", stem).mean) for stem in STEMS),
                number(summary_of(own, "sdri").mean),
                number(mean_level(own), 1),
                number(float(np.median(left)) if left else math.nan, 1),
                number(max(left, default=math.nan), 1),
                f"{max(null):.1e}" if null else number(math.nan),
                number(float(np.median(seconds)) if seconds else math.nan),
            ]
        )
    return table(header, rows)


def mel_table(scores: Scores) -> str:
    """Return the log-mel errors of every system, the VAE's own reconstruction among them."""
    rows = []
    for system in scores.systems():
        own = scores.of(system)
        for figure, label in (("own_mel", "own"), ("mel", "audio")):
            if summary_of(own, figure).count:
                values = [summary_of(own, figure, stem).mean for stem in STEMS]
                mean = summary_of(own, figure).mean
                rows.append([system, label, *(number(value, 3) for value in [*values, mean])])
    return table(["system", "log-mels", *STEMS, "mean"], rows)


def counts_line(scores: Scores) -> str:
    """Say how many stems were active and silent."""
    rows = scores.of(scores.systems()[-1])
    parts = []
    for stem in STEMS:
        active = sum(row.active for row in rows if row.stem == stem)
        silent = sum(not row.active for row in rows if row.stem == stem)
        parts.append(f"{stem} {active}/{silent}")
    return "Active/silent clips: " + ", ".join(parts) + "."
