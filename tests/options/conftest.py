"""What tests of options need: another value of each, commands for each task, and a listener."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_server.options import TASKS
from bandmate_server.osc.framing import FrameSplitter, frame
from bandmate_server.osc.protocol import Message, decode, encode

RATE, SECONDS = 8_000, 2.0
STEMS_BY_TASK = {task: ["bass", "drums", "guitar", "piano"] for task in TASKS}
STATUS = json.dumps({"jobs": [], "left_out": 0, "stems": STEMS_BY_TASK})

COMMANDS = {
    "separate": ["separate", "song.wav"],
    "add": ["add", "guitar", "--to", "bass=bass.wav"],
    "fill": ["fill", "bass", "--in", "bass=bass.wav", "--start", "0.125", "--end", "1.5"],
    "vary": ["vary", "bass=bass.wav", "--strength", "0.5"],
    "generate": ["generate", "--seconds", "1"],
}


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Return a command line for each task, for the folder that the test then runs in."""
    monkeypatch.chdir(tmp_path)
    for name in ("song", "bass", "drums"):
        noise = 0.1 * np.random.default_rng(0).standard_normal(int(RATE * SECONDS))
        soundfile.write(tmp_path / f"{name}.wav", noise, RATE)
    return COMMANDS


class Listener:
    """Takes one client after the other, notes what it asks, and says that it is accepted."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(10.0)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client:
                splitter = FrameSplitter()
                while data := client.recv(1 << 16):
                    for packet in splitter.push(data):
                        message = decode(packet)
                        values = [message.values[0], message.address, "job"]
                        if message.address == "/bandmate/status":
                            values.append(STATUS)
                        else:
                            self.messages.append(message)
                        answer = encode("/bandmate/reply", "s" * len(values), *values)
                        client.sendall(frame(answer))


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Return a listener on a free port."""
    found = Listener()
    yield found
    found.close()


@pytest.fixture
def sent(listener: Listener, commands: Any) -> Callable[..., Message]:
    """Return a function that runs `bandmate send ...` and returns the message that arrives."""
    from bandmate_bridge.cli import main

    def send(*arguments: str) -> Message:
        assert main(["send", *arguments, "--no-wait", "--quiet", f"--port={listener.port}"]) == 0
        (message,) = listener.messages
        return message

    return send
