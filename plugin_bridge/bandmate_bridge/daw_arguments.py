"""The command line of `bandmate daw`."""

from __future__ import annotations

from pathlib import Path

from bandmate_bridge.parsing import Commands, add_command, add_printed

DAW_HELP = """\
examples:
  bandmate daw install ardour
      actions in Ardour's menu Edit > Lua Scripts; close Ardour before
  bandmate daw install reaper --config ~/opt/REAPER
  bandmate daw install ardour --workdir /big/bandmate
      for a server that runs with that --workdir
  bandmate daw uninstall ardour
  bandmate daw where ardour
"""


def add_daw(commands: Commands) -> None:
    """Add `bandmate daw` to the command line."""
    parser = add_command(
        commands,
        "daw",
        "install our actions in Ardour or REAPER",
        DAW_HELP,
        "Put bandmate's actions into a DAW, or take them away.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="install|uninstall|where")
    install = actions.add_parser("install", help="put the scripts where the DAW looks for them")
    uninstall = actions.add_parser("uninstall", help="take them away again")
    where = actions.add_parser("where", help="where the scripts are and where they would go")
    for action in (install, uninstall, where):
        action.add_argument("daw", choices=("ardour", "reaper"), metavar="ardour|reaper")
        action.add_argument(
            "--config",
            type=Path,
            metavar="DIR",
            help="the DAW's configuration folder; default: its newest version's",
        )
        add_printed(action)
    install.add_argument(
        "--workdir", type=Path, metavar="DIR", help="what `bandmate serve --workdir` is given"
    )
