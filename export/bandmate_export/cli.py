"""The `bandmate-export` command: checkpoints to a bundle, checked against torch."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bandmate_export import parity
from bandmate_export.bundle import CARD, About, write_graphs, write_manifest
from bandmate_export.card import read_card, write_card
from bandmate_export.networks import KINDS, Networks, read_networks
from bandmate_export.notes.networks import (
    STORED,
    NoteNetworks,
    is_of_notes,
    read_note_networks,
)
from bandmate_export.staging import check_target, staged
from bandmate_export.weights import Precision
from bandmate_server.errors import SettingsError
from bandmate_server.files import write_whole
from bandmate_server.model.bundle import Bundle, find_bundle, load_bundle
from bandmate_server.options import ETA, GUIDANCE, STEPS
from bandmate_training.exit_status import exit_status

DEFAULTS = {option.name: option for option in (STEPS, GUIDANCE, ETA)}
EXAMPLES = """examples:
  bandmate-export runs/*/checkpoint.pt --out mini --half --card card.json
  bandmate-export runs/denoiser/checkpoint.pt --from mini --out better --half
  bandmate-export --from mini --out smaller --half --int8 separator denoiser
"""


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    top = argparse.ArgumentParser(
        prog="bandmate-export",
        description="Turn checkpoints of the networks into a bundle.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = top.add_argument
    add("checkpoints", metavar="CHECKPOINT", nargs="*", type=Path, help="of each kind, any order")
    add("--out", type=Path, required=True, help="folder of the bundle")
    add("--from", dest="bundle", help="bundle, by name or folder, that has the other networks")
    add("--half", action="store_true", help="store weights as float16: half the size")
    add(
        "--int8", nargs="+", choices=tuple(dict.fromkeys([*KINDS, *STORED])), default=[],
        metavar="NETWORK",
        help="store these networks' weights (vae, separator, denoiser, vocoder; of networks on"
        " notes also encoder, decoder) as 8-bit integers",
    )  # fmt: skip
    add("--card", type=Path, help="text or JSON for the model card: data, hours, figures ...")
    add("--defaults", type=_defaults, default={}, help="settings, as '{\"guidance\": 1.5}'")
    add("--name", default="mini", help="name of the model (default mini)")
    add("--version", default="0.1.0", help="version of the model (default 0.1.0)")
    add("--force", action="store_true", help="replace a bundle that is there")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0 done, 1 failed, 2 wrong usage, 130 cancelled."""
    args = parser().parse_args(arguments)
    return exit_status("bandmate-export", lambda: run(args))


def run(args: argparse.Namespace) -> None:
    """Export, compare with torch, put the bundle in place; print the comparison."""
    if Path(args.name).name != args.name or args.name in ("", ".", ".."):
        raise SettingsError(f"--name {args.name!r}: not the name of a folder")
    check_target(args.out, args.force)
    sections = read_card(args.card) if args.card else {}
    bundle = find_bundle(args.bundle) if args.bundle else None
    networks = _networks(args.checkpoints, bundle)
    common: Precision = "float16" if args.half else "float32"
    precisions = dict.fromkeys(networks.precisions, common) | dict.fromkeys(args.int8, "int8")
    stored = networks.rounded(precisions) if args.half or args.int8 else networks
    about = About(args.name, args.version, defaults=args.defaults)
    with staged(args.out, args.force) as folder:
        manifest = write_graphs(folder, stored, about)
        report, figures = _parity(networks, stored, load_bundle(folder))
        manifest["training"] |= {"parity": figures, **_only(sections, "figures")}
        write_manifest(folder, manifest)
        text = write_card(manifest, networks, sections, report["card"])
        write_whole(folder / CARD, text, durable=True)
        write_whole(folder / parity.FILE, f"{json.dumps(report['rows'], indent=1)}\n", durable=True)
    megabytes = sum(file.stat().st_size for file in args.out.iterdir()) / 1e6
    sys.stdout.write(f"{args.out}: {args.name} {args.version}, {megabytes:.1f} MB\n")


def _networks(checkpoints: list[Path], bundle: Path | None) -> Networks | NoteNetworks:
    """Read the networks on mels, or on notes if one of the checkpoints is of these."""
    if any(is_of_notes(path) for path in checkpoints):
        return read_note_networks(checkpoints, bundle or find_bundle("mini"))
    return read_networks(checkpoints, bundle)


def _parity(
    networks: Networks | NoteNetworks, stored: Networks | NoteNetworks, bundle: Bundle
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Compare, print and check; return the rows with a table, and the worst of each graph.

    The graphs are held against networks with the weights as stored; what rounding those
    cost is reported beside it.
    """
    rows = parity.compare(stored, bundle, parity.CASES)
    text = parity.table(rows)
    sys.stdout.write(f"{text}\n")
    parity.check(rows, parity.LIMIT)
    figures: dict[str, Any] = {"limit": parity.LIMIT, "worst": parity.largest(rows)}
    lists: dict[str, Any] = {"parity": [asdict(row) for row in rows]}
    if stored is not networks:
        rounding = parity.compare(networks, bundle, parity.CASES[:2])
        second = f"against the weights before rounding:\n{parity.table(rounding)}"
        sys.stdout.write(f"{second}\n")
        text += f"\n\n{second}"
        figures["rounding"] = parity.largest(rounding)
        lists["rounding"] = [asdict(row) for row in rounding]
    return {"rows": lists, "card": f"```\n{text}\n```"}, figures


def _only(sections: dict[str, Any], key: str) -> dict[str, Any]:
    return {key: sections[key]} if key in sections else {}


def _defaults(text: str) -> dict[str, float]:
    """Read settings that the engine takes where a user names none."""
    try:
        values = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(values, dict) or not set(values) <= set(DEFAULTS):
        raise argparse.ArgumentTypeError(f"expected an object with some of {sorted(DEFAULTS)}")
    try:
        return {name: DEFAULTS[name].kind.read(name, value) for name, value in values.items()}
    except SettingsError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
