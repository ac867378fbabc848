"""The `import-checkpoint` command: published files to a bundle that `bandmate` runs.

Making ONNX files is the export package's work, which this package must not import: it runs as
a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HELP = "make a bundle of a published checkpoint"
DESCRIPTION = """Make a bundle of a checkpoint in the published layout, or of one that `denoiser
--preset paper` wrote. The autoencoder's and the vocoder's files are given as well where they
are not inside; the order does not matter. Nothing in the files is executed."""
EXAMPLES = """examples:
  bandmate-train import-checkpoint msgld.ckpt --out paper
  bandmate-train import-checkpoint runs/paper/checkpoint.pt vae.ckpt hifigan.ckpt --out paper --half
"""
EXPORT = "bandmate_export.published.paper_command"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("files", metavar="FILE", nargs="+", type=Path, help="checkpoint, VAE, vocoder: any order")
    add("--out", type=Path, required=True, help="folder of the bundle")
    add("--half", action="store_true", help="store weights as float16: half the size")
    add("--raw", action="store_true", help="take the last weights instead of the averaged ones")
    add("--unchecked", action="store_true", help="do not compare with torch (minutes at full size)")
    add("--name", default="paper", help="name of the model (default paper)")
    add("--version", default="1", help="version of the model (default 1)")
    add("--force", action="store_true", help="replace a bundle that is there")


def run(args: argparse.Namespace) -> int:
    """Run the import; return its exit status."""
    return subprocess.run([sys.executable, "-m", EXPORT, *_arguments(args)], check=False).returncode


def _arguments(args: argparse.Namespace) -> Sequence[str]:
    """Return what was given as words again."""
    words = [str(file) for file in args.files]
    for option in ("out", "name", "version"):
        words += [f"--{option}", str(getattr(args, option))]
    return words + [f"--{o}" for o in ("half", "raw", "unchecked", "force") if getattr(args, o)]
