"""Types of arguments that the evaluating commands share."""

from __future__ import annotations

import argparse

from bandmate_server.option_arguments import add_option, help_text
from bandmate_server.option_kinds import Seconds
from bandmate_server.options import (
    GUIDANCE,
    PART_STEPS,
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
