"""The `bandmate-train` command."""

from __future__ import annotations

import argparse
import logging
from functools import partial
from types import ModuleType
from typing import Any

from bandmate_training.conformance import command as parity
from bandmate_training.corpus import command as corpus
from bandmate_training.data import stem_loudness
from bandmate_training.evaluation import evaluate_command, listen_command
from bandmate_training.exit_status import exit_status
from bandmate_training.learning import command
from bandmate_training.notes import command as notes
from bandmate_training.notes import train_command as note_networks
from bandmate_training.notes.data import timbres
from bandmate_training.paper import import_command, train_command
from bandmate_training.paper.data import slakh_command

PROGRAM = "bandmate-train"
DATA: dict[str, ModuleType] = {"corpus": corpus, "notes": notes, "note-timbres": timbres}
MODELS: dict[str, ModuleType] = {
    "evaluate": evaluate_command,
    "listen": listen_command,
    "levels": stem_loudness,
    "slakh": slakh_command,
    "import-checkpoint": import_command,
    "parity": parity,
}
Subparsers = Any  # argparse gives its type no public name
EXAMPLES = """examples:
  bandmate-train corpus --out corpus --hours 20 --seed 1 --jobs 2
  bandmate-train vae --corpus corpus --out runs/vae --minutes 30
  bandmate-train separator --corpus corpus --out runs/separator --optimiser muon
  bandmate-train denoiser --corpus corpus --vae runs/vae/checkpoint.pt --out runs/denoiser
  bandmate-train denoiser --corpus corpus --vae runs/vae/checkpoint.pt --out runs/denoiser --resume
  bandmate-train evaluate --corpus corpus --clips 100 --out docs/evaluation
  bandmate-train evaluate --corpus corpus --table 1 3 context-fit vocoder --out docs/evaluation
  bandmate-train listen --song examples/late-bus-stems --out docs/listen
  torchrun --nproc-per-node 2 -m bandmate_training denoiser --corpus corpus --out runs/denoiser
"""


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    top = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Make corpora, train and evaluate bandmate's models.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, DATA)
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
    _add(commands, MODELS)
    return top


def _add(commands: Subparsers, modules: dict[str, ModuleType]) -> None:
    """Add commands whose modules have HELP, `add_arguments` and `run`."""
    for name, module in modules.items():
        sub = commands.add_parser(name, help=module.HELP)
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit status: 0 done, 1 failed, 130 cancelled."""
    args = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    return exit_status(PROGRAM, partial(args.run, args))
