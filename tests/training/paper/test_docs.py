"""Every command in docs/paper.md is understood as it stands."""

import re
import shlex
from pathlib import Path

import pytest

from bandmate_bridge.arguments.parser import build_parser
from bandmate_training.cli import parser

TEXT = (Path(__file__).parents[3] / "docs" / "paper.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = "".join(BLOCKS).replace("\\\n", " ").splitlines()


def arguments(program: str) -> list[list[str]]:
    """Return the words after a program's name, wherever it stands in a line."""
    found = [line.partition(f"{program} ")[2] for line in COMMANDS if f"{program} " in line]
    return [shlex.split(words, comments=True) for words in found]


TRAINING = [*arguments("bandmate-train"), *arguments("-m bandmate_training")]


@pytest.mark.parametrize("words", TRAINING, ids=" ".join)
def test_training_commands_are_understood(words: list[str]) -> None:
    parser().parse_args(words)


def test_all_commands_of_the_way_are_shown() -> None:
    assert {words[0] for words in TRAINING} == {
        "slakh", "denoiser", "import-checkpoint", "parity"
    }  # fmt: skip


@pytest.mark.parametrize("words", arguments("bandmate"), ids=" ".join)
def test_the_engine_commands_are_understood(words: list[str]) -> None:
    build_parser().parse_args(words)
