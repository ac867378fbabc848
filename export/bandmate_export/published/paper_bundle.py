"""A bundle of the published networks: graphs, comparison with torch, card; in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bandmate_export import parity
from bandmate_export.bundle import CARD, About, write_graphs, write_manifest
from bandmate_export.card import write_card
from bandmate_export.paper.networks import PaperNetworks
from bandmate_server.files import write_whole
from bandmate_server.model.bundle import load_bundle

CASES = (parity.Case(1, 8), parity.Case(1, 16, 2))  # two lengths, with and without guidance
DEFAULTS = {"steps": 200, "guidance": 1.0, "eta": 1.0}  # as the published system separates
SECTIONS = {
    "data": "Of the published checkpoint: see its authors.",
    "licence": "That of the files it was made of: see their authors.",
}


def write_paper(
    folder: Path, networks: PaperNetworks, about: About, words: str, cases: Sequence[parity.Case]
) -> list[parity.Row]:
    """Write graphs, compare them with torch, write the card; return the comparison.

    Weights are never in memory twice as float32: the networks have none left afterwards.

    Args:
        folder: that is there, and empty.
        networks: as read.
        about: name, version and licence.
        words: the command that makes the bundle.
        cases: of the comparison; none leaves it out.

    Raises:
        ExportError: if a graph differs from torch by more than 1e-4.
    """
    manifest = write_graphs(folder, networks, about)
    rows: list[parity.Row] = []
    if cases:
        networks.widen()
        expected = parity.expectations(networks, cases)
        networks.release()
        rows = parity.compare_with(expected, load_bundle(folder))
        parity.check(rows, parity.LIMIT)
        worst = {"limit": parity.LIMIT, "worst": parity.largest(rows)}
        manifest["training"]["parity"] = worst
        write_manifest(folder, manifest)
        lists = {"parity": [asdict(row) for row in rows]}
        write_whole(folder / parity.FILE, f"{json.dumps(lists, indent=1)}\n", durable=True)
    table = f"```\n{parity.table(rows)}\n```" if rows else "Not measured."
    text = write_card(manifest, networks, {**SECTIONS, "commands": words}, table)
    write_whole(folder / CARD, text, durable=True)
    return rows
