"""The real server, as a process of its own, on the tiny model and free loopback ports."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_bridge.client import Client, connect
from bandmate_server.osc.protocol import Message, decode, encode

RATE = 44_100  # Hz
SECONDS = 1.5
PATIENCE = 120.0  # seconds; machines that run tests are busy


@dataclass
class Served:
    """A server process: where it is and how to end it."""

    process: subprocess.Popen[str]
    port: int
    workdir: Path
    log: Path
    clients: list[Client] = field(default_factory=list)

    def connect(self, token: str | None = None) -> Client:
        """Return a new client, closed after the test."""
        client = connect(port=self.port, token=token, timeout=PATIENCE)
        self.clients.append(client)
        return client

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self) -> int:
        """End it as Ctrl-C would and return its exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


@pytest.fixture(scope="session")
def environment(fake_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the variables of a user who has only the tiny model, named `fake`."""
    home = tmp_path_factory.mktemp("home")
    models = home / "models"
    models.mkdir()
    (models / "fake").symlink_to(fake_bundle, target_is_directory=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BANDMATE_")}
    ours = {"HOME": str(home), "BANDMATE_MODELS": str(models), "OMP_NUM_THREADS": "1"}
    return {**kept, **ours}


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Return a folder that the server may read, with song.wav in it."""
    folder = tmp_path / "music"
    folder.mkdir()
    write_song(folder / "song.wav")
    return folder


def start_server(
    environment: dict[str, str],
    workdir: Path,
    log: Path,
    *arguments: str | Path,
    model: str | None = "fake",
) -> Served:
    """Start a server and wait until it is ready."""
    options = f"--port 0 --workdir {workdir} --json --device cpu --threads 1"
    options += f" --model {model}" if model else ""
    command = [sys.executable, "-m", "bandmate_bridge.cli", "serve", *options.split()]
    with log.open("a") as errors:
        process = subprocess.Popen(
            [*command, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            # A test runner in the background has its children ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    about = json.loads(line or "{}")
    if "port" not in about:
        process.stdout.close()
        process.wait(PATIENCE)
        raise AssertionError(about.get("error") or log.read_text())
    return Served(process, about["port"], workdir, log)


def end(served: Served) -> None:
    """Close and kill what a test has left."""
    for client in served.clients:
        client.close()
    if served.process.poll() is None:
        served.kill()
    assert served.process.stdout is not None
    served.process.stdout.close()


@pytest.fixture
def serve(
    environment: dict[str, str], music: Path, tmp_path: Path
) -> Iterator[Callable[..., Served]]:
    """Return a function that starts a server which may read `music`."""
    started: list[Served] = []

    def start(*arguments: str | Path, model: str | None = "fake", **variables: str) -> Served:
        found = start_server(
            {**environment, **variables},
            tmp_path / "work",
            tmp_path / "server.log",
            "--allow",
            music,
            *arguments,
            model=model,
        )
        started.append(found)
        return found

    yield start
    for served in started:
        end(served)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that the shared server may read, with song.wav and slow.wav in it."""
    folder = tmp_path_factory.mktemp("library")
    write_song(folder / "song.wav")
    write_slow_song(folder / "slow.wav")
    return folder


@pytest.fixture(scope="session")
def shared_process(
    environment: dict[str, str], library: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("shared")
    log = folder / "server.log"
    served = start_server(environment, folder / "work", log, "--verbose", "--allow", library)
    yield served
    end(served)


@pytest.fixture
def server(shared_process: Served) -> Iterator[Served]:
    """Return a running server that other tests use too: its jobs must not be taken for ours."""
    yield shared_process
    assert shared_process.process.poll() is None, shared_process.log.read_text()
    while shared_process.clients:
        shared_process.clients.pop().close()


@dataclass
class Datagrams:
    """A UDP socket that talks to the server."""

    socket: socket.socket
    port: int

    def ask(self, *message: Any) -> Message:
        """Send a message and return what comes back next."""
        self.send(encode(*message))
        return self.receive()

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, ("127.0.0.1", self.port))

    def receive(self) -> Message:
        return decode(self.socket.recv(65_536))


@pytest.fixture
def udp(server: Served) -> Iterator[Datagrams]:
    """Return a UDP socket that talks to the shared server."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.bind(("127.0.0.1", 0))
        endpoint.settimeout(PATIENCE)
        yield Datagrams(endpoint, server.port)


def write_song(path: Path, seconds: float = SECONDS, channels: int = 2, seed: int = 1) -> None:
    rng = np.random.default_rng(seed)
    at = np.arange(round(seconds * RATE)) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 220 * at)[:, None]
    sound = tone + 0.05 * rng.standard_normal((len(at), channels))
    soundfile.write(path, sound.astype(np.float32), RATE, "FLOAT")


@pytest.fixture
def make_song() -> Callable[..., None]:
    """Return `write_song(path, seconds, channels, seed)`."""
    return write_song


def write_slow_song(path: Path) -> None:
    """Write a file that keeps the tiny model busy for many seconds."""
    noise = np.random.default_rng(0).integers(-9_000, 9_000, 8_000 * 60, np.int16)
    with soundfile.SoundFile(path, "w", 8_000, 1, "PCM_16") as file:
        for _ in range(60):
            file.write(noise)


@pytest.fixture
def make_slow_song() -> Callable[[Path], None]:
    """Return `write_slow_song(path)`."""
    return write_slow_song


@pytest.fixture
def until() -> Callable[..., Any]:
    """Return a function that waits until another one returns something true."""

    def wait(true: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = true()
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"waited {seconds} s in vain")

    return wait
