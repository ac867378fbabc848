"""The command lines of `bandmate separate` and `doctor`."""

from __future__ import annotations

from pathlib import Path

from bandmate_bridge.arguments.parsing import Commands, add_command, add_dawproject, add_printed
from bandmate_server.option_arguments import add_options
from bandmate_server.options import ENGINE, in_group, options_of

SEPARATE_HELP = """\
examples:
  bandmate separate song.wav --out stems
      writes stems/song/{bass,drums,guitar,piano,other}.wav and manifest.json
  bandmate separate song.flac --out stems --start 1:04 --end 1:20.5
      only that region: each file is exactly as long as the region
  bandmate separate song.wav --out stems --stems bass,drums
      bass and drums alone; everything else is in other.wav
  bandmate separate *.wav --out stems --format flac --bit-depth 24
"""
DOCTOR_HELP = """\
examples:
  bandmate doctor
  bandmate doctor --device cuda --json
"""


def add_separate(commands: Commands) -> None:
    """Add `bandmate separate` to the command line."""
    parser = add_command(
        commands,
        "separate",
        "split songs into bass, drums, guitar, piano and other",
        SEPARATE_HELP,
        "Split each INPUT into stems that line up with it to the sample and sum to it.",
    )
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="audio files")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="stems go to DIR/<input name>/"
    )
    add_dawproject(parser)
    add_options(parser, options_of("separate", "command").values())


def add_doctor(commands: Commands) -> None:
    """Add `bandmate doctor` to the command line."""
    parser = add_command(
        commands,
        "doctor",
        "what is used, how fast it is, and why anything is not used",
        DOCTOR_HELP,
        "Check devices, models and speed.",
    )
    add_options(parser, in_group(ENGINE))
    add_printed(parser)
