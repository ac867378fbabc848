"""What an evaluation is asked for, as one object."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass, fields
from pathlib import Path

from bandmate_server.options import Solver

NO_MODEL = "none"
# What is said of a run only where it plays a part.
OF_CURVE = ("curve_clips", "seeds")
OF_TABLES = ("arrangements", "vggish", "takes", "part_steps", "guidance", "drafts")
FLAGS = {"tables": "--table", "systems": "--system"}  # where it is not the field's name


@dataclass(frozen=True)
class EvaluationOptions:
    """The options of `bandmate-train evaluate`, which has a line of help for each.

    model: name or folder of a bundle, or NO_MODEL.
    systems: folders of other systems by name.
    tables: to make instead of the report of separation.
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
    systems: dict[str, Path]
    steps: tuple[int, ...]
    curve: bool
    curve_clips: int
    seeds: int
    tables: list[str]
    arrangements: tuple[str, ...]
    vggish: Path | None
    takes: int
    part_steps: int | None
    guidance: float | None
    drafts: int | None
    out: Path

    @classmethod
    def read(cls, args: argparse.Namespace, systems: dict[str, Path]) -> EvaluationOptions:
        """Return the options of a command line, whose systems were looked for."""
        given = {field.name: getattr(args, field.name) for field in fields(cls)}
        return cls(**given | {"systems": systems})

    @property
    def data(self) -> str:
        """What was evaluated on, for the reports."""
        return f"{self.corpus.name}/{self.split}"

    def command_line(self) -> str:
        """Return the command with every option that plays a part, defaults too."""
        unused = (() if self.curve else OF_CURVE) + (() if self.tables else OF_TABLES)
        words = ["bandmate-train", "evaluate"]
        for field in fields(self):
            if field.name not in unused:
                words += _words(field.name, getattr(self, field.name))
        return shlex.join(words)


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
    return [flag, str(value)]
