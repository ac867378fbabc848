"""The `parity` command: every check of a folder of reference data, one line each."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from bandmate_training.conformance.suite import open_reference, run_checks

HELP = "compare the paper's network with numbers of the original"
DESCRIPTION = """Run every check of a folder of reference data and print error, tolerance and
verdict. The networks get weights that follow from the names of the tensors, so that no weights
are needed. The exit status is 1 if a check fails."""
EXAMPLES = """examples:
  bandmate-train parity --reference ../shared/reference
  bandmate-train parity --reference ../shared/reference --tiny
  bandmate-train parity --reference numbers --salt 'other|' --tiny --threads 2
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--reference", type=Path, required=True, help="folder with the files to compare with")
    add("--salt", help="of the weights, for all networks (default: none, and 'tiny|' for tiny*)")
    add("--tiny", action="store_true", help="leave out what needs the full-size networks")
    add("--threads", type=int, default=0, help="torch threads (default: all cores)")


def run(args: argparse.Namespace) -> int:
    """Print every check and the sum of them; return 1 if one failed."""
    if args.threads:
        torch.set_num_threads(args.threads)
    failed = passed = 0
    for check in run_checks(open_reference(args.reference, args.salt), args.tiny):
        sys.stdout.write(f"{check.line()}\n")
        sys.stdout.flush()
        passed += check.passed
        failed += not check.passed
    sys.stdout.write(f"{passed} passed, {failed} failed\n")
    return 1 if failed else 0
