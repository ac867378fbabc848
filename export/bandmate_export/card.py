"""The model card: what a bundle was made of, how, and what it reaches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bandmate_export.networks import Networks
from bandmate_export.notes.networks import NoteNetworks
from bandmate_export.paper.networks import PaperNetworks
from bandmate_server.errors import SettingsError
from bandmate_server.spec import OTHER, ModelSpec

# Sections in this order, with what stands there until a --card file says it.
SECTIONS = {
    "data": "Not stated.",
    "hours": "Not stated.",
    "commands": "Not stated.",
    "figures": "Not measured.",
    "limits": "It knows the stems named above and nothing else. It hears nothing above 8 kHz.",
}


def read_card(path: Path) -> dict[str, Any]:
    """Read what is to stand in the card: a JSON object of sections, or a text ("notes").

    Raises:
        SettingsError: if the file cannot be read, or is JSON but no object.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--card {path}: cannot be read: {error}") from error
    if path.suffix != ".json":
        return {"notes": text.strip()}
    try:
        values = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"--card {path}: not JSON: {error}") from error
    if not isinstance(values, dict):
        raise SettingsError(f"--card {path}: expected a JSON object of sections")
    return values


def write_card(
    manifest: dict[str, Any],
    networks: Networks | NoteNetworks | PaperNetworks,
    sections: dict[str, Any],
    parity: str,
) -> str:
    """Return the card as Markdown."""
    spec: ModelSpec = networks.spec
    parts = [
        f"# {manifest['name']} {manifest['version']}",
        f"A bandmate model: {', '.join(spec.stems)} and `{OTHER}` at {spec.mel.sample_rate} Hz, in"
        f" windows of {spec.window_samples / spec.mel.sample_rate:g} s; weights stored as"
        f" {manifest['weights']}. Licence: {manifest['licence']}.",
        "## Networks",
        _networks(networks),
    ]
    for title, value in {**SECTIONS, **sections}.items():
        parts += [f"## {title.replace('_', ' ').capitalize()}", _text(value)]
    parts += ["## Parity", "ONNX Runtime against torch, largest and relative L2 error:", parity]
    return "\n\n".join(parts) + "\n"


def _networks(networks: Networks | NoteNetworks | PaperNetworks) -> str:
    rows = []
    for kind in (kind for kind in networks.precisions if kind in networks.history):
        history = networks.history[kind]
        size = sum(parameter.numel() for parameter in getattr(networks, kind).parameters())
        minutes = history.get("minutes")
        rows.append(
            {
                "network": kind,
                "parameters": f"{size:,}",
                "steps": history.get("step"),
                "minutes": "" if minutes is None else round(minutes),
                "seed": history.get("seed"),
            }
        )
    return _table(rows)


def _text(value: Any) -> str:
    """Return a JSON value as Markdown: text, a list, or a table."""
    if isinstance(value, dict):
        if value and all(isinstance(row, dict) for row in value.values()):
            return _table([{"": name, **row} for name, row in value.items()])
        return _table([{"": name, "value": entry} for name, entry in value.items()])
    if isinstance(value, list):
        return "\n".join(f"- {entry}" for entry in value)
    return str(value)


def _table(rows: list[dict[str, Any]]) -> str:
    heads = list(dict.fromkeys(key for row in rows for key in row))
    lines = [heads, ["---"] * len(heads)]
    lines += [["" if row.get(key) is None else str(row[key]) for key in heads] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
