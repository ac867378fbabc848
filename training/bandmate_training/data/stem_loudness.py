"""How loud each stem of a corpus is beside the others: the tables of the engine's `loudness`.

A stem's loudness is measured against every arrangement of the other stems it may be added to.
Four numbers, a level for each stem in the whole band, are fitted to these differences.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bandmate_server.audio.loudness import SILENCE_LUFS, measure_lufs, power_sum_db
from bandmate_server.spec import MEL, STEMS
from bandmate_training.data.dataset import Track, find_tracks

Subset = tuple[str, ...]
Differences = dict[tuple[str, Subset], list[float]]

_ROUNDS = 50  # of the fit
HELP = "measure how loud each stem is beside the others"
_EXAMPLES = """\
examples:
  bandmate-train levels --corpus corpus
  bandmate-train levels --corpus corpus --songs 100 --json
"""


def differences(track: Track) -> dict[tuple[str, Subset], float]:
    """Return (stem, given stems) -> the stem's loudness minus that of the given, in LU.

    Stems that are silent take no part.
    """
    waves = {s: track.read(s, 0, track.samples) for s in STEMS if s in track.sources}
    loudness = {stem: _lufs(wave) for stem, wave in waves.items()}
    sounding = [stem for stem in STEMS if loudness.get(stem, -np.inf) > SILENCE_LUFS]
    found: dict[tuple[str, Subset], float] = {}
    for count in range(1, len(sounding)):
        for given in itertools.combinations(sounding, count):
            mix = _lufs(np.sum([waves[stem] for stem in given], axis=0))
            found |= {(s, given): loudness[s] - mix for s in sounding if s not in given}
    return found


def fit_levels(measured: Differences) -> dict[str, float]:
    """Return each stem's level in dB, power-summing to 0, that explains the mean differences.

    Every round moves a stem's level by the mean error of the differences that it is wanted in.
    """
    levels = dict.fromkeys(STEMS, 0.0)
    for _ in range(_ROUNDS):
        for stem in STEMS:
            errors = [
                float(np.mean(values)) - levels[stem] + power_sum_db([levels[g] for g in given])
                for (wanted, given), values in measured.items()
                if wanted == stem
            ]
            levels[stem] += float(np.mean(errors)) if errors else 0.0
        total = power_sum_db(levels.values())
        levels = {stem: level - total for stem, level in levels.items()}
    return levels


def report(measured: Differences, levels: dict[str, float]) -> list[dict[str, object]]:
    """Return a row per stem and arrangement: mean and deviation measured, and the fit's value."""
    rows: list[dict[str, object]] = []
    for (stem, given), values in sorted(measured.items()):
        fitted = levels[stem] - power_sum_db([levels[name] for name in given])
        rows.append(
            {
                "stem": stem,
                "given": list(given),
                "songs": len(values),
                "mean_lu": round(float(np.mean(values)), 2),
                "deviation_lu": round(float(np.std(values)), 2),
                "fitted_lu": round(fitted, 2),
            }
        )
    return rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bandmate-train levels`."""
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="made before")
    parser.add_argument("--split", default="train", help="default: train")
    parser.add_argument("--songs", type=int, metavar="N", help="evenly spread; default: all")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Measure, fit and print."""
    tracks = find_tracks(arguments.corpus, arguments.split)
    step = max(len(tracks) // (arguments.songs or len(tracks)), 1)
    measured: Differences = {}
    for track in tracks[::step][: arguments.songs]:
        for key, value in differences(track).items():
            measured.setdefault(key, []).append(value)
    levels = fit_levels(measured)
    rows = report(measured, levels)
    if arguments.json:
        _say(json.dumps({"levels_db": {s: round(v, 2) for s, v in levels.items()}, "rows": rows}))
        return 0
    for stem, level in levels.items():
        _say(f"{stem}: {level:.1f} dB of the four together")
    for row in rows:
        _say(
            f"{row['stem']} to {'+'.join(row['given'])}: {row['mean_lu']} LU"  # type: ignore[arg-type]
            f" (deviation {row['deviation_lu']}, fitted {row['fitted_lu']}, {row['songs']} songs)"
        )
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _lufs(wave: npt.NDArray[np.float32]) -> float:
    return measure_lufs(wave[:, None], MEL.sample_rate)
