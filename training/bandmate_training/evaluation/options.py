"""What an evaluation is asked for, as one object."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass, fields
from pathlib import Path

from bandmate_server.errors import BundleError, CorpusError, SettingsError
from bandmate_server.model.bundle import MANIFEST, find_bundle
from bandmate_server.options import Solver
from bandmate_training.evaluation.systems.processes import OUT

NO_MODEL = "none"
# What is said of a run only where it plays a part.
OF_CURVE = ("curve_clips", "seeds")
OF_PARTS = ("arrangements", "vggish", "takes", "part_steps", "guidance", "drafts")
SEPARATING = ("2", "systems")  # tables in which no parts are made
# Where an option is not called as its field.
FLAGS = {"tables": "--table"} | dict.fromkeys(("folders", "bundles", "programs"), "--system")


@dataclass(frozen=True)
class EvaluationOptions:
    """The options of `bandmate-train evaluate`, which has a line of help for each.

    model: name or folder of a bundle, or NO_MODEL.
    folders: with stems of other systems, by name.
    bundles: models beside `model`, by name.
    programs: commands of other systems by name, with where they find files and put stems.
    tables: to make instead of the report of separation.
    arrangements: of table 1; None: all.
    """

    corpus: Path
    split: str
    model: str
    clips: int
    seconds: float
    seed: int
    pan: float
    room: float
    solver: Solver
    device: str
    threads: int | None
    folders: dict[str, Path]
    bundles: dict[str, Path]
    programs: dict[str, str]
    steps: tuple[int, ...]
    curve: bool
    curve_clips: int
    seeds: int
    tables: list[str]
    arrangements: tuple[str, ...] | None
    vggish: Path | None
    takes: int
    part_steps: int | None
    guidance: float | None
    drafts: int | None
    out: Path

    @classmethod
    def read(cls, args: argparse.Namespace) -> EvaluationOptions:
        """Return the options of a command line; `--estimates` and `--system` name systems.

        Raises:
            SettingsError: if two systems have one name.
            CorpusError: if a system is neither a folder, nor a model, nor a command.
        """
        named = [(f"{folder.name} (files)", str(folder)) for folder in args.estimates]
        systems = dict([*named, *args.systems])
        if len(systems) < len(named) + len(args.systems):
            raise SettingsError("--system: two systems have the same name")
        programs = {name: value for name, value in systems.items() if OUT in value}
        rest = {name: Path(value) for name, value in systems.items() if name not in programs}
        folders = {name: path for name, path in rest.items() if _holds_stems(path)}
        bundles = {name: _bundle(name, systems[name]) for name in rest if name not in folders}
        found = {"folders": folders, "bundles": bundles, "programs": programs}
        own = [field.name for field in fields(cls) if field.name not in found]
        return cls(**{name: getattr(args, name) for name in own} | found)

    @property
    def data(self) -> str:
        """What was evaluated on, for the reports."""
        return f"{self.corpus.name}/{self.split}"

    def command_line(self) -> str:
        """Return the command with every option that plays a part, defaults too."""
        unused = (() if self.curve else OF_CURVE) + (
            () if set(self.tables) - {*SEPARATING} else OF_PARTS
        )
        words = ["bandmate-train", "evaluate"]
        for field in fields(self):
            if field.name not in unused:
                words += _words(field.name, getattr(self, field.name))
        return shlex.join(words)


def _holds_stems(path: Path) -> bool:
    """Whether a system is a folder, and not one of a bundle."""
    return path.is_dir() and not (path / MANIFEST).is_file()


def _bundle(name: str, value: str) -> Path:
    try:
        return find_bundle(value)
    except BundleError as error:
        raise CorpusError(f"the system {name}: no such folder of stems, and {error}") from error


def _words(name: str, value: object) -> list[str]:
    """Return an option as it is written on a command line; nothing if it was not given."""
    flag = FLAGS.get(name, f"--{name.replace('_', '-')}")
    match value:
        case None | False:
            return []
        case True:
            return [flag]
        case dict():
            return [word for key, path in value.items() for word in (flag, f"{key}={path}")]
        case list():
            return [flag, *value] if value else []
        case tuple():
            return [flag, ",".join(map(str, value)) or "0"]
        case float():
            return [flag, f"{value:g}"]
    return [flag, str(value)]
