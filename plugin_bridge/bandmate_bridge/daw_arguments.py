"""The command line of `bandmate daw`."""

from __future__ import annotations

import argparse
from pathlib import Path

from bandmate_bridge.arguments import Parser, _reporting

DAW_HELP = """\
examples:
  bandmate daw install ardour
      actions in Ardour's menu Edit > Lua Scripts; close Ardour before
  bandmate daw install reaper --config ~/opt/REAPER
  bandmate daw install ardour --workdir /big/bandmate
      for a server that runs with that --workdir
  bandmate daw install plugin
      build the plug-in for every other DAW (VST3, CLAP, LV2); needs a compiler
  bandmate daw uninstall ardour
  bandmate daw where ardour
"""


def add_daw(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add `bandmate daw` to the command line."""
    parser = commands.add_parser(
        "daw",
        help="install our actions in Ardour or REAPER, or the plug-in for any DAW",
        description="Put bandmate's actions into a DAW, or take them away.",
        epilog=DAW_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="install|uninstall|where")
    install = actions.add_parser("install", help="put the scripts where the DAW looks for them")
    uninstall = actions.add_parser("uninstall", help="take them away again")
    where = actions.add_parser("where", help="where the scripts are and where they would go")
    for action in (install, uninstall, where):
        action.add_argument(
            "daw", choices=("ardour", "reaper", "plugin"), metavar="ardour|reaper|plugin"
        )
        action.add_argument(
            "--config",
            type=Path,
            metavar="DIR",
            help="the DAW's configuration folder; default: its newest version's",
        )
        _reporting(action)
    install.add_argument(
        "--workdir", type=Path, metavar="DIR", help="what `bandmate serve --workdir` is given"
    )
