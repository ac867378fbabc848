"""What the pages on DAWs show is what there is."""

import re
import shlex
from pathlib import Path

import pytest

from bandmate_bridge.arguments.parser import build_parser
from bandmate_bridge.daw.ardour_scripts import script_name
from bandmate_bridge.daw.files import scripts_folder

DOCS = Path(__file__).parent.parent / "docs"
PAGES = ("ardour.md", "reaper.md", "audacity.md", "plugin.md", "any-daw.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_shown_is_understood(page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    blocks = "".join(re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    shown = re.findall(r"^(?:\$ )?bandmate (.*)$", blocks, re.MULTILINE)
    shown += re.findall(r"`bandmate (daw [^`.]*[a-z])`", text)
    assert shown
    for arguments in shown:
        build_parser().parse_args(shlex.split(arguments))


@pytest.mark.parametrize("page", PAGES)
def test_every_file_linked_to_exists(page: str) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", (DOCS / page).read_text("utf-8")):
        assert (DOCS / link).exists(), link


def test_every_action_in_ardour_has_a_row() -> None:
    text = (DOCS / "ardour.md").read_text("utf-8")
    for path in (scripts_folder("ardour") / "scripts").glob("*.lua"):
        script = path.read_text("utf-8")
        if "EditorAction" in script:
            assert f"| {script_name(script).removeprefix('bandmate: ')} |" in text
