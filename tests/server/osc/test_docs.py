"""docs/osc.md says what the routes are."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bandmate_bridge.arguments.parser import build_parser
from bandmate_server.jobs.request import JOBS
from bandmate_server.options import options_of
from bandmate_server.osc.routes import ERROR_CODES, EVENTS, REQUESTS

PAGE = (Path(__file__).parents[3] / "docs" / "osc.md").read_text("utf-8")


def rows(columns: int) -> list[list[str]]:
    """Return the cells of every table row with so many columns, without the marks of code."""
    lines = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    return [[cell.strip().strip("`") for cell in line] for line in lines if len(line) == columns]


def test_the_table_of_requests_is_that_of_the_routes() -> None:
    expected = [[r.address, r.arguments, r.reply, r.meaning] for r in REQUESTS.values()]
    found = [row for row in rows(4) if row[0].startswith("/bandmate/")]
    assert found == [[cell or "none" for cell in row] for row in expected]


def test_the_tables_of_events_and_codes_are_those_of_the_routes() -> None:
    found = [row for row in rows(3) if row[0].startswith("/bandmate/")]
    assert found == [[address, *facts] for address, facts in EVENTS.items()]
    codes = [row for row in rows(2) if row[0].isdecimal()]
    assert codes == [[str(code), meaning] for code, meaning in ERROR_CODES.items()]


def test_every_option_is_named() -> None:
    named = set(re.findall(r"`([a-z_]+)`", PAGE))
    for task in JOBS.values():
        assert set(options_of(task, "osc")) <= named


def test_the_picture_shows_real_addresses() -> None:
    (picture,) = re.findall(r"^```mermaid\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for address in re.findall(r"/bandmate/\w+", picture):
        assert address in REQUESTS or address in EVENTS


@pytest.mark.parametrize("command", re.findall(r"^    bandmate (.+)$", PAGE, re.MULTILINE))
def test_the_commands_shown_are_understood(command: str) -> None:
    build_parser().parse_args(shlex.split(command))


def test_the_python_shown_runs(
    serve: Callable[..., Any], music: Path, make_song: Callable[..., None]
) -> None:
    make_song(music / "song.wav", 12.0)
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    program = program.replace("connect()", f"connect(port={serve().port})")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=music,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Done(" in done.stdout
