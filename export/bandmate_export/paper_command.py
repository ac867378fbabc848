"""Published files to a runnable bundle; `bandmate-train import-checkpoint` runs this."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bandmate_export import parity
from bandmate_export.bundle import CARD, About, write_graphs, write_manifest
from bandmate_export.card import write_card
from bandmate_export.cli import PARITY
from bandmate_export.paper.networks import PaperNetworks, read_paper_networks
from bandmate_export.staging import check_target, staged
from bandmate_server.files import write_whole
from bandmate_server.model.bundle import Bundle, load_bundle
from bandmate_training.exit_status import exit_status
from bandmate_training.paper import import_command

CASES = (parity.Case(1, 8), parity.Case(1, 16, 2))  # two lengths, with and without guidance
DEFAULTS = {"steps": 200, "guidance": 1.0, "eta": 1.0}  # as the published system separates
SECTIONS = {
    "data": "Of the published checkpoint: see its authors.",
    "licence": "That of the files it was made of: see their authors.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the import; return its exit status: 0 done, 1 failed, 2 wrong usage, 130 cancelled."""
    parser = argparse.ArgumentParser(prog="bandmate-train import-checkpoint")
    import_command.add_arguments(parser)
    args = parser.parse_args(arguments)
    return exit_status("bandmate-train", lambda: run(args))


def run(args: argparse.Namespace) -> None:
    """Read, export, compare with torch unless told not to, put the bundle in place."""
    check_target(args.out, args.force)
    networks = read_paper_networks(args.files, ema=not args.raw)
    stored = networks.rounded("float16") if args.half else networks
    about = About(args.name, args.version, licence="see MODEL_CARD.md", defaults=DEFAULTS)
    with staged(args.out, args.force) as folder:
        manifest = write_graphs(folder, stored, about)
        rows = [] if args.unchecked else _compare(stored, load_bundle(folder))
        if rows:
            manifest["training"]["parity"] = {
                "limit": parity.LIMIT,
                "worst": parity.largest(rows),
            }
            write_manifest(folder, manifest)
            lists = {"parity": [asdict(row) for row in rows]}
            write_whole(folder / PARITY, f"{json.dumps(lists, indent=1)}\n", durable=True)
        words = f"```\n{parity.table(rows)}\n```" if rows else "Not measured."
        sections: dict[str, Any] = {**SECTIONS, "commands": _words(args)}
        text = write_card(manifest, networks, sections, words)
        write_whole(folder / CARD, text, durable=True)
    megabytes = sum(file.stat().st_size for file in args.out.iterdir()) / 1e6
    sys.stdout.write(f"{args.out}: {args.name} {args.version}, {megabytes:.1f} MB\n")


def _compare(networks: PaperNetworks, bundle: Bundle) -> list[parity.Row]:
    rows = parity.compare(networks, bundle, CASES)
    sys.stdout.write(f"{parity.table(rows)}\n")
    parity.check(rows, parity.LIMIT)
    return rows


def _words(args: argparse.Namespace) -> str:
    files = " ".join(file.name for file in args.files)
    return f"`bandmate-train import-checkpoint {files} --out {args.out.name}`"


if __name__ == "__main__":
    sys.exit(main())
