"""Systems side by side, as Markdown and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bandmate_training.evaluation.measures.metrics import ACTIVE_DB, Summary
from bandmate_training.evaluation.scores.side_by_side import Standing
from bandmate_training.evaluation.tables.tables import number, table

NOTES = f"""\
Stems: SI-SDR in dB, mean over all clips in which the stem is above {ACTIVE_DB:g} dB of the mixture.
A dash: the system has no such stem, or it sounds nowhere. Stems are compared by name; `other` is
left out, as it is what each system leaves, and not the same for all.
Processor: seconds of all threads for a minute of audio; memory: the peak of the largest process.
Both are of a process that did nothing else, from its start to its end, loading included;
stems that were there already have none.
"""


def side_by_side_table(standings: Sequence[Standing], minutes: float) -> str:
    """Return a row per system, a column per stem that any of them has.

    Args:
        standings: of the systems.
        minutes: of audio that each separated.
    """
    stems = list(dict.fromkeys(stem for row in standings for stem in row.si_sdr))
    rows = []
    for row in standings:
        figures = [number(row.si_sdr[s].mean if s in row.si_sdr else math.nan, 1) for s in stems]
        processor = (
            math.nan if row.cost is None or row.cost.processor is None else row.cost.processor
        )
        peak = math.nan if row.cost is None or row.cost.peak is None else row.cost.peak
        rows.append([row.system, *figures, number(processor / minutes, 1), number(peak / 1e6, 0)])
    return table(["system", *stems, "processor, s/min", "memory, MB"], rows)


def side_by_side_json(standings: Sequence[Standing]) -> dict[str, Any]:
    """Return all figures of every system."""
    return {
        row.system: {
            "source": row.source,
            "si_sdr": _summaries(row.si_sdr),
            "si_sdri": _summaries(row.improvement),
            "processor_seconds": row.cost and row.cost.processor,
            "peak_bytes": row.cost and row.cost.peak,
        }
        for row in standings
    }


def _summaries(found: dict[str, Summary]) -> dict[str, Any]:
    return {stem: asdict(summary) for stem, summary in found.items()}
