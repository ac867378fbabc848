"""The command line of `bandmate models`."""

from __future__ import annotations

from pathlib import Path

from bandmate_bridge.arguments.parsing import Commands, add_command, add_printed
from bandmate_server.option_arguments import add_option
from bandmate_server.options import FORCE

MODELS_HELP = """\
examples:
  bandmate models list
  bandmate models list --all
      those that can be had, too: what for, how large, how fast, under which licence
  bandmate models get htdemucs_6s
      fetches the weights from their authors, converts and installs them
  bandmate models get htdemucs_6s --from ~/Downloads
  bandmate models import model.ckpt --config model.yaml --name my-vocals
      weights that you have: a RoFormer with its settings, or an HTDemucs (.th)
  bandmate models verify mini
  bandmate models add ~/Downloads/big-model
  bandmate models remove htdemucs_6s
"""
ACTIONS = "list|get|import|verify|add|remove"
IMPORTED = ("bs-roformer", "mel-band-roformer", "htdemucs", "htdemucs_ft", "htdemucs_6s")


def add_models(commands: Commands) -> None:
    """Add `bandmate models` to the command line."""
    parser = add_command(
        commands, "models", "list, get, import, verify, add and remove models", MODELS_HELP
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar=ACTIONS)
    listing = actions.add_parser("list", help="the models that can be named")
    listing.add_argument("--all", action="store_true", help="and those that can be had")
    get = actions.add_parser("get", help="fetch a published model, convert and install it")
    get.add_argument("model", metavar="NAME", help="see `bandmate models list --all`")
    get.add_argument(
        "--from",
        dest="origin",
        metavar="URL|FOLDER|FILE",
        help="a mirror, or where the files lie; default: their authors' addresses",
    )
    taken = actions.add_parser("import", help="convert and install weights that you have")
    taken.add_argument("files", nargs="+", type=Path, metavar="FILE", help="of the weights")
    taken.add_argument("--config", type=Path, metavar="YAML", help="a RoFormer's settings")
    taken.add_argument("--name", metavar="NAME", help="of the model; default: the file's")
    taken.add_argument("--kind", choices=IMPORTED, help="default: as the files look")
    verify = actions.add_parser("verify", help="check hashes, graphs and shapes")
    verify.add_argument("models", nargs="*", metavar="NAME|PATH", help="default: all")
    add = actions.add_parser("add", help="verify a model's folder and copy it to your models")
    add.add_argument("path", type=Path, metavar="PATH", help="a folder with a bundle.json")
    removal = actions.add_parser("remove", help="remove one of your models")
    removal.add_argument("model", metavar="NAME")
    for action in (get, taken, add):
        add_option(action, FORCE, words="replace a model of the same name")
    for action in actions.choices.values():
        add_printed(action)
