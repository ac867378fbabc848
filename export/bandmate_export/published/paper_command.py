"""Published files to a runnable bundle; `bandmate-train import-checkpoint` runs this."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bandmate_export import parity
from bandmate_export.bundle import About
from bandmate_export.paper.networks import read_paper_networks
from bandmate_export.published.paper_bundle import CASES, DEFAULTS, write_paper
from bandmate_export.staging import check_target, staged
from bandmate_export.weights import Precision
from bandmate_training.exit_status import exit_status
from bandmate_training.paper import import_command
from bandmate_training.paper.files import sort_files


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the import; return its exit status: 0 done, 1 failed, 2 wrong usage, 130 cancelled."""
    parser = argparse.ArgumentParser(prog="bandmate-train import-checkpoint")
    import_command.add_arguments(parser)
    args = parser.parse_args(arguments)
    return exit_status("bandmate-train", lambda: run(args))


def run(args: argparse.Namespace) -> None:
    """Read, export, compare with torch unless told not to, put the bundle in place."""
    check_target(args.out, args.force)
    precision: Precision = "float16" if args.half else "float32"
    networks = read_paper_networks(sort_files(args.files), precision, ema=not args.raw)
    about = About(args.name, args.version, licence="see MODEL_CARD.md", defaults=DEFAULTS)
    with staged(args.out, args.force) as folder:
        cases = () if args.unchecked else CASES
        if rows := write_paper(folder, networks, about, _words(args), cases):
            sys.stdout.write(f"{parity.table(rows)}\n")
    megabytes = sum(file.stat().st_size for file in args.out.iterdir()) / 1e6
    sys.stdout.write(f"{args.out}: {args.name} {args.version}, {megabytes:.1f} MB\n")


def _words(args: argparse.Namespace) -> str:
    files = " ".join(file.name for file in args.files)
    return f"`bandmate-train import-checkpoint {files} --out {args.out.name}`"


if __name__ == "__main__":
    sys.exit(main())
