"""The command line of `bandmate daw`."""

from __future__ import annotations

import argparse
from pathlib import Path

from bandmate_bridge.arguments.parsing import Commands, add_command, add_printed
from bandmate_bridge.daw.daws import DAWS

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
  bandmate daw install audacity
      switches Audacity's module for scripts on; close Audacity before
  bandmate daw run audacity separate
      the stems of what is selected in Audacity come back as tracks; options as of
      `bandmate separate`
  bandmate daw run audacity add guitar --takes 2
"""


def add_daw(commands: Commands) -> None:
    """Add `bandmate daw` to the command line."""
    parser = add_command(
        commands,
        "daw",
        "work with Ardour, REAPER, Audacity, or in any DAW by the plug-in",
        DAW_HELP,
        "Put bandmate's actions into a DAW, take them away, or run one from here.",
    )
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="install|uninstall|where|run"
    )
    install = actions.add_parser("install", help="put the scripts where the DAW looks for them")
    uninstall = actions.add_parser("uninstall", help="take them away again")
    where = actions.add_parser("where", help="where the scripts are and where they would go")
    for action in (install, uninstall, where):
        action.add_argument("daw", choices=tuple(DAWS), metavar="|".join(DAWS))
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
    _add_run(actions.add_parser("run", help="do a task with what is selected in Audacity"))


def _add_run(run: argparse.ArgumentParser) -> None:
    able = [name for name, daw in DAWS.items() if daw.tasks]
    tasks = list(dict.fromkeys(task for name in able for task in DAWS[name].tasks))
    run.add_argument("daw", choices=able, metavar="|".join(able))
    run.add_argument("task", choices=tasks, metavar="|".join(tasks))
    run.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="...", help="as of that command, but files"
    )
