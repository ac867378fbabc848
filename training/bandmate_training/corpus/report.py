"""What a corpus holds: report.json and report.md beside its splits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bandmate_server.errors import CorpusError
from bandmate_server.spec import OTHER, STEMS

TEMPO_STEP = 20  # beats per minute
Facts = dict[str, Any]


def read_tracks(out: Path, split: str) -> list[Facts]:
    """Return the facts of a split's finished tracks, each with its `name`."""
    return [
        {**json.loads(path.read_text()), "name": path.parent.name}
        for path in sorted((out / split).glob("[!.]*/track.json"))
    ]


def summarise(tracks: Sequence[Facts]) -> Facts:
    """Count hours, stems, keys, tempi, sources and presets."""
    stems = (*STEMS, OTHER)
    return {
        "tracks": len(tracks),
        "hours": round(sum(t["seconds"] for t in tracks) / 3600, 3),
        "sources": _counts(t["source"] for t in tracks),
        "files": len({(t["source"], t["detail"].split(":")[0]) for t in tracks}),
        "stems": {s: _stem(tracks, s) for s in stems},
        "keys": _counts(t["key"] for t in tracks),
        "tempi": _counts(int(t["tempo"] // TEMPO_STEP * TEMPO_STEP) for t in tracks),
        "time_signatures": _counts(t["time_signature"] for t in tracks),
        "presets": {s: _counts(v["preset"] for v in _voices(tracks, s)) for s in stems},
        "roles": {s: _counts(r for v in _voices(tracks, s) for r in v["role"].split("+"))
                  for s in stems},
    }  # fmt: skip


def _voices(tracks: Sequence[Facts], stem: str) -> list[Facts]:
    return [v for t in tracks for v in t["voices"].get(stem, [])]


def _stem(tracks: Sequence[Facts], stem: str) -> Facts:
    """Return how often a stem is there, and how much of that time it sounds."""
    active = [t["active"].get(stem, 0.0) for t in tracks]
    there = [a for a in active if a > 0]
    hours = sum(a * t["seconds"] for a, t in zip(active, tracks, strict=True)) / 3600
    return {
        "present": round(len(there) / max(len(tracks), 1), 3),
        "active": round(sum(there) / max(len(there), 1), 3),
        "active_hours": round(hours, 3),
    }


def _counts(values: Iterable[object]) -> dict[str, int]:
    return {str(k): n for k, n in sorted(Counter(values).items(), key=lambda item: str(item[0]))}


def write_report(out: Path) -> None:
    """Write report.json and report.md.

    Raises:
        CorpusError: if there is no finished track.
    """
    splits = {split: read_tracks(out, split) for split in ("train", "validation")}
    if not any(splits.values()):
        raise CorpusError(f"no finished tracks in {out}")
    facts = {split: summarise(tracks) for split, tracks in splits.items() if tracks}
    (out / "report.json").write_text(json.dumps(facts, indent=1) + "\n")
    text = "# Corpus\n\n" + "\n".join(_page(split, row) for split, row in facts.items())
    (out / "report.md").write_text(text)


def _page(split: str, facts: Facts) -> str:
    lines = [f"## {split}", "", f"{facts['tracks']} tracks, {facts['hours']:.2f} hours, "
             f"{facts['files']} different files or styles", ""]  # fmt: skip
    lines += ["| stem | present | active when present | active hours | presets |",
              "|---|---|---|---|---|"]  # fmt: skip
    for stem, row in facts["stems"].items():
        count = len(facts["presets"][stem])
        lines.append(f"| {stem} | {row['present']:.0%} | {row['active']:.0%} | "
                     f"{row['active_hours']:.2f} | {count} |")  # fmt: skip
    for title in ("sources", "time_signatures", "tempi", "keys"):
        unit = f" ({TEMPO_STEP} bpm from)" if title == "tempi" else ""
        lines += ["", f"**{title.replace('_', ' ')}{unit}**: " + _row(facts[title])]
    for title in ("roles", "presets"):
        lines += ["", f"**{title}**", ""]
        lines += [f"- {stem}: {_row(row)}" for stem, row in facts[title].items()]
    return "\n".join(lines) + "\n"


def _row(counts: dict[str, int]) -> str:
    numbers = all(k.isdigit() for k in counts)
    rows = sorted(counts.items(), key=lambda kv: (int(kv[0]) if numbers else -kv[1], kv[0]))
    return ", ".join(f"{name} {count}" for name, count in rows)
