"""A JACK server without a sound card, and the real commands on it."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

RATE = 48_000  # Hz, of the server
PATIENCE = 60.0  # seconds: the machine may be busy
NAME = f"bandmate-test-{os.getpid()}"


def variables() -> dict[str, str]:
    return {**os.environ, "JACK_DEFAULT_SERVER": NAME, "JACK_NO_START_SERVER": "1"}


def wait_for(what: str, look: Callable[[], Any]) -> Any:
    """Return the first true thing that `look` gives."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError(f"after {PATIENCE:.0f} s still no {what}")


def run_tool(*command: str) -> list[str]:
    done = subprocess.run(command, env=variables(), capture_output=True, text=True, check=False)
    return done.stdout.split()


class Jack:
    """The server; `ports` and `connect` are JACK's; `variables` lead a process to it."""

    def __init__(self) -> None:
        self.variables = variables()
        command = ["jackd", "-r", "-n", NAME, "-d", "dummy", "-r", str(RATE), "-p", "4096"]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, env=variables(), stdout=quiet, stderr=quiet)
        wait_for("JACK server", lambda: "system:playback_1" in self.ports())

    def ports(self, ending: str = "") -> list[str]:
        return [port for port in run_tool("jack_lsp") if ending in port]

    def is_connected(self, port: str) -> bool:
        """Whether some other port lists this one under it."""
        return run_tool("jack_lsp", "-c").count(port) > 1

    def connect(self, source: str, target: str) -> None:
        run_tool("jack_connect", source, target)

    def disconnect(self, source: str, target: str) -> None:
        run_tool("jack_disconnect", source, target)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def portaudio() -> None:
    """Skip the test where PortAudio, or its binding, is not installed."""
    require_portaudio()


def require_portaudio() -> None:
    try:
        importlib.import_module("sounddevice")
    except (ImportError, OSError) as error:
        pytest.skip(f"no sound devices: {error} (apt-get install libportaudio2)")


@pytest.fixture
def jack() -> Iterator[Jack]:
    """Return a running JACK server."""
    missing = [tool for tool in ("jackd", "jack_lsp", "jack_connect") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (apt-get install jackd2 libportaudio2)")
    require_portaudio()
    server = Jack()
    yield server
    server.kill()


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts `bandmate` with arguments, in a folder of its own."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, "-m", "bandmate_bridge.cli", *arguments],
            cwd=tmp_path,
            env={**variables(), **environment},
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            # A test runner in the background has its children ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        started.append(process)
        return process

    yield run
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def wait() -> Callable[..., Any]:
    """Return `wait_for(what, look)`."""
    return wait_for
