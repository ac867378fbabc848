"""The real Audacity on a virtual display, with its module for scripts switched on by us."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_bridge.daw.audacity_pipe import AudacityPipe
from bandmate_bridge.daw.audacity_project import FLOAT, FLOAT_WAV
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.errors import DawError

TOOLS = ("audacity", "Xvfb", "xdotool")
PATIENCE = 120.0  # seconds: the machine may be busy
PIPE = Path(f"/tmp/audacity_script_pipe.to.{os.getuid()}")
SETTINGS = """PrefsVersion=1.1.1r1
WantAssociateFiles=0
[Version]
Major=3
Minor=2
Micro=4
[GUI]
ShowSplashScreen=0
[Update]
UpdateNoticeShown=1
DefaultUpdatesChecking=0
[Directories]
TempDir={temporary}
"""


@dataclass
class Audacity:
    """A running Audacity; `refusals` are what `bandmate` said before it was ready."""

    folder: Path
    variables: dict[str, str]
    refusals: dict[str, str] = field(default_factory=dict)

    def bandmate(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run `bandmate`."""
        return subprocess.run(
            [sys.executable, "-m", "bandmate_bridge.cli", *map(str, words)],
            env=self.variables,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def do(self, task: str, *words: str) -> dict[str, Any]:
        """Run a task on what is selected and return what it reports."""
        model = ("--model", "fake", "--device", "cpu", "--threads", "1", "--json")
        done = self.bandmate("daw", "run", "audacity", task, *words, *model)
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        assert found["ok"] == (done.returncode == 0)
        return found

    def load(self, name: str, seconds: float, rate: int = 48_000, channels: int = 2) -> FloatArray:
        """Import noise as a track of this name and return it."""
        rng = np.random.default_rng(len(name))
        sound = (0.2 * rng.standard_normal((round(seconds * rate), channels))).astype(np.float32)
        path = self.folder / f"{name}.wav"
        soundfile.write(path, sound, rate, "FLOAT")
        with AudacityPipe() as pipe:
            pipe.ask("Import2", Filename=str(path))
        return sound

    def select(self, tracks: Sequence[int], start: float, end: float) -> None:
        """Select tracks and a range."""
        with AudacityPipe() as pipe:
            pipe.ask("SelectNone")
            for number, track in enumerate(tracks):
                pipe.ask("SelectTracks", Track=track, TrackCount=1, Mode="Add" if number else "Set")
            pipe.ask("SelectTime", Start=start, End=end)

    def tracks(self) -> list[dict[str, Any]]:
        """Return what Audacity says of its tracks."""
        with AudacityPipe() as pipe:
            return pipe.facts("Tracks")

    def mixed(self, tracks: Sequence[int], start: float, end: float, channels: int) -> FloatArray:
        """Return a range of the sum of tracks, as Audacity exports it."""
        self.select(tracks, start, end)
        path = self.folder / "mixed.wav"
        path.unlink(missing_ok=True)
        with AudacityPipe() as pipe:
            pipe.ask("SetPreference", Name=FLOAT_WAV, Value=FLOAT)
            pipe.ask("Export2", Filename=str(path), NumChannels=channels)
        sound: FloatArray = soundfile.read(path, dtype="float32", always_2d=True)[0]
        return sound


@pytest.fixture(scope="session")
def process(fake_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audacity]:
    """Start Audacity as a newcomer would: once as it comes, then with its module switched on."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if _answers():
        pytest.skip("an Audacity of this user is running: close it")
    folder = tmp_path_factory.mktemp("audacity")
    (folder / "models").mkdir()
    (folder / "models" / "fake").symlink_to(fake_bundle, target_is_directory=True)
    config = folder / "home" / ".config" / "audacity"
    config.mkdir(parents=True)
    (folder / "temporary").mkdir()
    (config / "audacity.cfg").write_text(SETTINGS.format(temporary=folder / "temporary"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    variables = {"HOME": str(folder / "home"), "BANDMATE_MODELS": str(folder / "models")}
    with _display() as display:
        variables |= {"OMP_NUM_THREADS": "1", "DISPLAY": display, "TMPDIR": str(folder)}
        found = Audacity(folder, kept | variables)
        found.refusals["closed"] = found.do("separate")["error"]
        with _running(found):
            found.refusals["off"] = found.do("separate")["error"]
            found.refusals["install"] = found.bandmate("daw", "install", "audacity").stderr
        installed = found.bandmate("daw", "install", "audacity")
        assert installed.returncode == 0, installed.stderr
        with _running(found):
            _until(_answers)
            yield found


@pytest.fixture
def audacity(process: Audacity) -> Audacity:
    """Return a running Audacity with an empty project."""
    with AudacityPipe() as pipe:
        pipe.ask("SelectAll")
        if pipe.facts("Tracks"):
            pipe.ask("RemoveTracks")
    return process


@contextlib.contextmanager
def _display() -> Iterator[str]:
    """Yield a free display, with a screen."""
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1100x800x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        try:
            yield f":{server.stdout.readline().decode().strip()}"
        finally:
            server.kill()


@contextlib.contextmanager
def _running(found: Audacity) -> Iterator[None]:
    """Run Audacity until the end, from when its window is there and its plug-ins are known."""
    log = (found.folder / "audacity.log").open("ab")
    with (
        log,
        subprocess.Popen(["audacity"], env=found.variables, stdout=log, stderr=log) as program,
    ):
        try:
            search = ["xdotool", "search", "--onlyvisible", "--name", "^Audacity$"]
            _until(
                lambda: (
                    not subprocess.run(
                        search, env=found.variables, capture_output=True, check=False
                    ).returncode
                )
            )
            children = Path(f"/proc/{program.pid}/task/{program.pid}/children")
            _until(lambda: not children.read_text().strip())
            time.sleep(1)
            yield
        finally:
            program.send_signal(signal.SIGKILL)
            program.wait(PATIENCE)
            for pipe in PIPE.parent.glob(f"audacity_script_pipe.*.{os.getuid()}"):
                pipe.unlink()
            shutil.rmtree(found.folder / "temporary")  # Else it offers to recover the project.
            (found.folder / "temporary").mkdir()
            settings = found.folder / "home" / ".config" / "audacity" / "audacity.cfg"
            text = re.sub(r"\[ActiveProjects\]\n([^\[].*\n)*", "", settings.read_text("utf-8"))
            settings.write_text(text, "utf-8")


def _answers() -> bool:
    try:
        with AudacityPipe() as pipe:
            pipe.facts("Tracks")
        return True
    except DawError:
        return False


def _until(true: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s in vain"
        time.sleep(0.2)
