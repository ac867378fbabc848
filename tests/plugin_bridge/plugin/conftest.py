"""The plug-in built from source, and a host without windows that drives it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "plugin_bridge" / "plugin"
HOST = Path(__file__).parent / "host"
DPF = Path("/usr/share/dpf")
PATIENCE = 120.0  # seconds: the machine may be busy
STATUS = [
    "empty",
    "waiting",
    "capturing",
    "starting",
    "asking",
    "working",
    "ready",
    "no-server",
    "refused",
    "model-missing",
    "out-of-memory",
    "disk-full",
    "failed",
    "stems-missing",
    "other-rate",
    "full",
    "gap",
]

Sound = np.ndarray[Any, np.dtype[np.float32]]


def need_tools() -> None:
    """Skip where the plug-in cannot be built."""
    missing = [tool for tool in ("g++", "make") if shutil.which(tool) is None]
    if not (DPF / "distrho").is_dir():
        missing.append("dpf-source")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (apt-get install g++ make dpf-source)")


def run_make(folder: Path, *arguments: str) -> None:
    """Run the plug-in's Makefile with a build folder."""
    subprocess.run(
        ["make", "-s", "-j2", "-C", SOURCES, f"BUILD={folder}", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def build_host(folder: Path, *flags: str) -> Path:
    """Return the headless host, with the core compiled into it."""
    need_tools()
    run_make(folder, "core", f"CXXFLAGS={' '.join(flags) or '-O2'}")
    program = folder / "headless"
    sources = [*sorted(HOST.glob("*.cpp")), folder / "core.a"]
    if not program.exists() or any(
        path.stat().st_mtime > program.stat().st_mtime for path in [*sources, HOST / "hosted.hpp"]
    ):
        command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-O1", *flags]
        include = [f"-I{SOURCES / 'core'}", "-isystem", DPF / "distrho" / "src"]
        libraries = ["-ldl", "-lpthread"]
        words = [*command, *include, *sources, "-o", program, *libraries]
        subprocess.run([str(word) for word in words], check=True)
    return program


@pytest.fixture(scope="session")
def plugins() -> Path:
    """Return the folder of the plug-ins in all formats."""
    need_tools()
    folder = ROOT / "build" / "plugin"
    run_make(folder)
    return folder / "bin"


@pytest.fixture(scope="session")
def headless() -> Path:
    """Return the headless host's program."""
    return build_host(ROOT / "build" / "plugin-core")


@pytest.fixture(scope="session")
def build_with() -> Callable[..., Path]:
    """Return a function that builds the headless host with a sanitizer: (name, *flags)."""

    def build(name: str, *flags: str) -> Path:
        folder = ROOT / "build" / f"plugin-{name}"
        return build_host(folder, "-O1", "-g", "-DNO_TRAP", *flags)

    return build


class Place:
    """A user's folders, and the environment in which everything finds them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workdir, self.data = folder / "work", folder / "data" / "bandmate" / "plugin"
        self.config = folder / "plugin.conf"
        self.config.write_text("port = 9\n")  # and not that of a server at the usual one
        kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        self.environment = {
            **kept,
            "HOME": str(folder),
            "XDG_DATA_HOME": str(folder / "data"),
            "BANDMATE_WORKDIR": str(self.workdir),
            "BANDMATE_PLUGIN_CONFIG": str(self.config),
            "OMP_NUM_THREADS": "1",
        }


class Server:
    """`bandmate serve` on a tiny model, or on none."""

    def __init__(self, place: Place, model: str) -> None:
        self.place, self.model = place, model
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        where = ["--port", "0", "--workdir", str(self.place.workdir)]
        model = ["--model", self.model, "--device", "cpu", "--threads", "1"]
        with (self.place.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bandmate_bridge.cli", "serve", *where, *model, "--json"],
                env=self.place.environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        assert json.loads(self.process.stdout.readline())["port"]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.communicate(timeout=PATIENCE)
            self.process = None

    def jobs(self) -> list[dict[str, Any]]:
        """Return what was asked for, oldest first."""
        paths = (self.place.workdir / "jobs").glob("*/request.json")
        return sorted((json.loads(path.read_text()) for path in paths), key=lambda r: r["created"])


class Headless:
    """One instance of the plug-in in the headless host."""

    def __init__(self, program: Path, place: Place, kind: str, what: str, rate: int) -> None:
        self.folder, self.rate = place.folder, rate
        self.channels = (10 if "part" in what else 2, 14 if "multi" in what else 2)
        with (place.folder / "host.log").open("a") as log:
            self.process = subprocess.Popen(
                [program, kind, what, str(rate)],
                env=place.environment,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.say("set capture 0") == "ok", "the host does not run"

    def say(self, command: str) -> str:
        """Return the host's answer to a command."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")

    def set(self, **values: float) -> None:
        for symbol, value in values.items():
            assert self.say(f"set {symbol} {value}") == "ok"

    def get(self, symbol: str) -> float:
        return float(self.say(f"get {symbol}"))

    def track(self, sound: Sound, start: int) -> None:
        """Put a sound (frames, channels) on the track, at a position in samples."""
        full = np.zeros((len(sound), self.channels[0]), np.float32)
        full[:, : sound.shape[1]] = sound
        full.tofile(self.folder / "track.f32")
        assert self.say(f"track {start} {self.folder / 'track.f32'}") == "ok"

    def play(self, start: int, frames: int, block: int = 0, pace: float = 0) -> Sound:
        """Return what comes out (frames, channels) while the host plays."""
        out = self.folder / "out.f32"
        assert self.say(f"play {start} {frames} {block} playing {pace} {out}") == "ok"
        return np.fromfile(out, np.float32).reshape(-1, self.channels[1])

    def stand(self) -> None:
        """Let the host call the plug-in as it does while the song stands still."""
        assert self.say("play 0 64 64 stopped 0") == "ok"

    def capture(self, start: int, frames: int, block: int = 0) -> None:
        """Capture a range as a musician does."""
        self.set(capture=1)
        self.play(start, frames, block)
        self.stand()
        self.set(capture=0)
        self.stand()

    def status(self) -> str:
        self.stand()
        return STATUS[round(self.get("status"))]

    def wait_for(self, *wanted: str, seconds: float = PATIENCE) -> None:
        """Wait until Status is one of these and stays it: the worker looks 30 times a second."""
        end, steady = time.monotonic() + seconds, 0
        while steady < 4:
            now = self.status()
            steady = steady + 1 if now in wanted else 0
            assert time.monotonic() < end, f"still {now}: {self.say('text')}"
            time.sleep(0.04)

    def close(self) -> str:
        """End the host and return what it said on its error output."""
        self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0
        return (self.folder / "host.log").read_text()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a user's empty folders."""
    return Place(tmp_path)


@pytest.fixture
def server(place: Place, fake_bundle: Path) -> Iterator[Server]:
    """Return a running server."""
    running = Server(place, str(fake_bundle))
    running.start()
    yield running
    running.stop()


Open = Callable[..., Headless]


@pytest.fixture
def open_host(headless: Path, place: Place) -> Iterator[Open]:
    """Return a function that opens an instance: open_host("stems"|"multi"|"part", rate)."""
    hosts = []

    def start(
        what: str = "stems", rate: int = 48_000, kind: str = "core", program: Path = headless
    ) -> Headless:
        hosts.append(Headless(program, place, kind, what, rate))
        return hosts[-1]

    yield start
    for host in hosts:
        if host.process.stdin is not None and not host.process.stdin.closed:
            host.process.kill()
            host.process.communicate()


@pytest.fixture(scope="session")
def noise() -> Callable[..., Sound]:
    """Return a function that makes noise (frames, channels), each sample unlike its neighbours."""

    def make(frames: int, seed: int = 0, channels: int = 2) -> Sound:
        rng = np.random.default_rng(seed)
        return (0.1 * rng.standard_normal((frames, channels))).astype(np.float32)

    return make
