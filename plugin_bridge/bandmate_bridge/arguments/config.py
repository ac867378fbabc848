"""The command line of `bandmate config`."""

from __future__ import annotations

from bandmate_bridge.arguments.parsing import Commands, add_command, add_printed

CONFIG_HELP = """\
examples:
  bandmate config set model.separate htdemucs_6s
      from now on `separate`, the server and DAWs separate with this model
  bandmate config list
  bandmate config get model.separate
  bandmate config unset model.separate

An explicit --model comes first. A server that runs takes the change with its next job.
"""


def add_config(commands: Commands) -> None:
    """Add `bandmate config` to the command line."""
    parser = add_command(commands, "config", "which model does which task", CONFIG_HELP)
    actions = parser.add_subparsers(dest="action", required=True, metavar="set|get|list|unset")
    setting = actions.add_parser("set", help="choose")
    setting.add_argument("key", metavar="KEY", help="such as model.separate")
    setting.add_argument("value", metavar="VALUE", help="name or folder of a model")
    getting = actions.add_parser("get", help="what is chosen, or used if nothing is")
    getting.add_argument("key", metavar="KEY")
    unset = actions.add_parser("unset", help="go back to what is usual")
    unset.add_argument("key", metavar="KEY")
    listing = actions.add_parser("list", help="all keys, and where the file is")
    for action in (setting, getting, unset, listing):
        add_printed(action)
