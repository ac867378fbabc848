"""The `bandmate-train` command."""

from __future__ import annotations

import argparse
import logging
import sys
from functools import partial

from bandmate_server.errors import BandmateError
from bandmate_training.conformance import command as parity
from bandmate_training.corpus import command as corpus
from bandmate_training.data import stem_loudness
from bandmate_training.evaluation import evaluate_command, listen_command
from bandmate_training.learning import command
from bandmate_training.notes import command as notes
from bandmate_training.notes import train_command as note_networks
from bandmate_training.notes.data import timbres
from bandmate_training.paper import import_command, train_command
from bandmate_training.paper.data import slakh_command

EXAMPLES = """examples:
  bandmate-train corpus --out corpus --hours 20 --seed 1 --jobs 2
  bandmate-train vae --corpus corpus --out runs/vae --minutes 30
  bandmate-train separator --corpus corpus --out runs/separator --optimiser muon
  bandmate-train denoiser --corpus corpus --vae runs/vae/checkpoint.pt --out runs/denoiser
  bandmate-train denoiser --corpus corpus --out runs/denoiser --resume --minutes 120
  bandmate-train evaluate --corpus corpus --clips 100 --out docs/evaluation
  bandmate-train evaluate --corpus corpus --table 1 3 context-fit vocoder --out docs/evaluation
  bandmate-train listen --song examples/late-bus-stems --out docs/listen
  torchrun --nproc-per-node 2 -m bandmate_training denoiser --corpus corpus --out runs/denoiser
"""


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    top = argparse.ArgumentParser(
        prog="bandmate-train",
        description="Make corpora, train and evaluate bandmate's models.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    sub = commands.add_parser("corpus", help="render a training corpus")
    corpus.add_arguments(sub)
    sub.set_defaults(run=corpus.run)
    sub = commands.add_parser("notes", help=notes.HELP)
    notes.add_arguments(sub)
    sub.set_defaults(run=notes.run)
    sub = commands.add_parser("note-timbres", help=timbres.HELP)
    timbres.add_arguments(sub)
    sub.set_defaults(run=timbres.run)
    for network, text in note_networks.NETWORKS.items():
        sub = commands.add_parser(network, help=text)
        note_networks.add_arguments(sub, network)
        sub.set_defaults(run=partial(note_networks.run, network=network))
    for network in command.TASKS:
        sub = commands.add_parser(network, help=f"train the {network}")
        command.add_arguments(sub, network)
        sub.set_defaults(run=partial(command.run, network=network))
        if network == "denoiser":
            train_command.add_presets(sub, partial(command.run, network=network))
    sub = commands.add_parser("evaluate", help="measure how well a model separates and plays")
    evaluate_command.add_arguments(sub)
    sub.set_defaults(run=evaluate_command.run)
    sub = commands.add_parser("listen", help="build a page to listen to added parts")
    listen_command.add_arguments(sub)
    sub.set_defaults(run=listen_command.run)
    sub = commands.add_parser("levels", help="measure how loud each stem is beside the others")
    stem_loudness.add_arguments(sub)
    sub.set_defaults(run=stem_loudness.run)
    sub = commands.add_parser("slakh", help=slakh_command.HELP)
    slakh_command.add_arguments(sub)
    sub.set_defaults(run=slakh_command.run)
    sub = commands.add_parser("import-checkpoint", help=import_command.HELP)
    import_command.add_arguments(sub)
    sub.set_defaults(run=import_command.run)
    sub = commands.add_parser("parity", help=parity.HELP)
    parity.add_arguments(sub)
    sub.set_defaults(run=parity.run)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit status: 0 done, 1 failed, 130 cancelled."""
    args = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        status: int = args.run(args)
    except BandmateError as error:
        sys.stderr.write(f"bandmate-train: error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("bandmate-train: cancelled\n")
        return 130
    return status
