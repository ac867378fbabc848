"""The REAPER script under a strict imitation of ReaScript, against the real server."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bandmate_bridge.daw.daw import Setup
from bandmate_bridge.daw.reaper import install

BUILT_IN = {  # Functions of ReaScript's Lua itself, which its index of the API leaves out.
    "defer": ["u"],
    "get_action_context": [],
    "new_array": ["i"],
}
LETTERS = {"integer": "i", "number": "n", "string": "s", "boolean": "b"}
PATIENCE = 120  # seconds
# `bandmate`, but that `serve --ensure` starts no server of its own.
COMMAND = """#!/bin/sh
if [ "$1 $2" = "serve --ensure" ]; then
    echo "$@" >>"{log}"
    if [ -e "$4/server.json" ]; then exit 0; fi
    echo "no server could be started"
    exit 1
fi
exec {python} -m bandmate_bridge.cli "$@"
"""


def signatures() -> str:
    """Return a Lua table: function -> letters of its parameters, ? before optional ones."""
    spec = importlib.util.find_spec("rac")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("ReaScript's API index is not installed: pip install --no-deps reacli")
    index = Path(spec.submodule_search_locations[0]) / "data/knowledge/api_index.json"
    functions = json.loads(index.read_text("utf-8"))["functions"]
    known = {
        name: [_letter(parameter["type"]) for parameter in function["params"]]
        for name, function in functions.items()
        if function.get("has_lua")
    }
    rows = [
        f'["{name}"] = {{ {", ".join(json.dumps(letter) for letter in letters)} }}'
        for name, letters in (known | BUILT_IN).items()
    ]
    return "{ " + ",\n".join(rows) + " }"


def _letter(kind: str) -> str:
    words = kind.split()
    return ("?" if "optional" in words else "") + LETTERS.get((words or [""])[-1], "u")


@dataclass(frozen=True)
class Left:
    """What a script left: what it showed, and each track's name, position (s) and file.

    items: track, position, length (s), muted, fade in (s) of each item.
    """

    messages: list[str]
    dialogs: list[str]
    tracks: list[tuple[str, float | None, Path | None]]
    items: list[tuple[str, float, float, bool, float]]


class Reaper:
    """A project folder with our scripts installed, and a server that they can reach."""

    def __init__(self, folder: Path, server: dict[str, Any]) -> None:
        self.folder, self.server, self.rate = folder, server, 48_000
        self.config = folder / "REAPER"
        (folder / "project").mkdir()
        self.config.mkdir()
        command = folder / "bandmate"
        command.write_text(COMMAND.format(python=sys.executable, log=folder / "ensured"))
        command.chmod(0o755)
        install(Setup(self.config, Path(server["workdir"]), command))

    def run(
        self,
        action: str,
        tracks: list[str],
        seconds: tuple[float, float] = (0, 0),
        answers: str | None = None,
    ) -> Left:
        """Run an action on tracks given as Lua tables; `seconds` is the time selection."""
        script = self.config / "Scripts" / "bandmate" / f"bandmate - {action}.lua"
        project = f"""project = {{
            script = "{script}", folder = "{self.folder / "project"}", rate = {self.rate},
            range = {{ {seconds[0]}, {seconds[1]} }}, seconds = {PATIENCE},
            answers = {"nil" if answers is None else json.dumps(answers)},
            tracks = {{ {", ".join(tracks)} }} }}"""
        fake = Path(__file__).parent / "fake_reaper.lua"
        program = f'signatures = {signatures()}\n{project}\ndofile ("{fake}")\nrun_script ()\n'
        (self.folder / "run.lua").write_text(program)
        done = subprocess.run(
            ["lua5.4", self.folder / "run.lua"],
            env=self.server["environment"],
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * PATIENCE,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        assert "STILL WAITING" not in done.stdout, done.stdout
        return _left(done.stdout.splitlines())


def _left(lines: list[str]) -> Left:
    tracks = []
    for line in lines:
        if line.startswith("TRACK\t"):
            _, name, _, position, file = line.split("\t")
            at = None if position == "nil" else float(position)
            tracks.append((name, at, None if file == "nil" else Path(file)))
    messages = [line.partition(" ")[2] for line in lines if line.startswith("MESSAGE ")]
    dialogs = [line.partition(" ")[2] for line in lines if line.startswith("DIALOG ")]
    items = []
    for line in lines:
        if line.startswith("ITEM\t"):
            _, name, position, length, muted, fade = line.split("\t")
            items.append((name, float(position), float(length), muted == "1", float(fade)))
    return Left(messages, dialogs, tracks, items)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, fake_bundle: Path) -> Iterator[Any]:
    """Return the facts of a server on the tiny model."""
    if shutil.which("lua5.4") is None:
        pytest.skip("lua5.4 is not installed (apt-get install lua5.4)")
    folder = tmp_path_factory.mktemp("reaper")
    (folder / "models").mkdir()
    (folder / "models" / "fake").symlink_to(fake_bundle, target_is_directory=True)
    environment = {**os.environ, "BANDMATE_MODELS": str(folder / "models"), "OMP_NUM_THREADS": "1"}
    command = ["serve", "--port", "0", "--workdir", str(folder / "work"), "--allow", str(folder)]
    engine = ["--model", "fake", "--device", "cpu", "--threads", "1", "--json"]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bandmate_bridge.cli", *command, *engine],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    facts = json.loads(process.stdout.readline())
    yield {**facts, "environment": environment, "folder": folder, "process": process}
    process.terminate()
    process.communicate(timeout=PATIENCE)


@pytest.fixture
def reaper(serving: dict[str, Any], request: pytest.FixtureRequest) -> Reaper:
    """Return a new project."""
    folder = serving["folder"] / request.node.name.replace("[", "-").strip("]")
    folder.mkdir()
    return Reaper(folder, serving)


@pytest.fixture(scope="session")
def plain_item() -> Callable[..., str]:
    """Return a function that writes a track with one selected item, as a Lua table."""

    def write(name: str, file: Path, position: float, length: float, offset: float = 0) -> str:
        return (
            f'{{ name = "{name}", selected = true, items = {{ {{ selected = true, '
            f"D_POSITION = {position}, D_LENGTH = {length}, "
            f'take = {{ D_STARTOFFS = {offset}, source = {{ file = "{file}" }} }} }} }} }}'
        )

    return write
