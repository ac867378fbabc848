"""Types of arguments that the evaluating commands share."""

from __future__ import annotations

import argparse
from dataclasses import replace

from bandmate_server.option_arguments import add_option, help_text
from bandmate_server.option_kinds import Seconds
from bandmate_server.options import (
    GUIDANCE,
    MODEL,
    PART_STEPS,
    USUAL_MODEL,
)

CLIP_SECONDS = Seconds(1.0, 600.0)


def add_playing(parser: argparse.ArgumentParser) -> None:
    """Add how the model plays generated parts."""
    add_option(parser, PART_STEPS, flag="--part-steps", words="of generation")
    parser.add_argument(
        GUIDANCE.flag,
        type=GUIDANCE.kind.parse,  # checked with the other settings, where a run begins
        metavar=GUIDANCE.kind.metavar,
        help=help_text(GUIDANCE, "of generation"),
    )


def add_model(parser: argparse.ArgumentParser, words: str = "bundle's name or folder") -> None:
    """Add which model is evaluated."""
    add_option(parser, replace(MODEL, default=USUAL_MODEL), words=words)
