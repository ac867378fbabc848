"""The programs that docs/osc.md shows for other people's OSC, run as they stand there."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import soundfile

PAGE = (Path(__file__).parents[3] / "docs" / "osc.md").read_text("utf-8")
MODULES = Path(sys.prefix) / "node" / "node_modules"
NAMES = ["bass", "drums", "guitar", "piano", "other"]
SONG, SERVER_PORT, OWN_PORT = "/home/me/Music/song.wav", "9123", "9124"
PATIENCE = 180.0  # seconds
VARIABLES = {
    # A test has no screen, and a test machine's user is often root.
    "QT_QPA_PLATFORM": "offscreen",
    "QTWEBENGINE_DISABLE_SANDBOX": "1",
    "NODE_PATH": str(MODULES),
}


@dataclass(frozen=True)
class Program:
    """What runs a block of the page: the heading above it, and what is needed."""

    heading: str
    file: str
    command: Callable[[Path], list[str]]
    needs: str
    module: str = ""

    def skip_reason(self) -> str:
        """Return why it cannot run here, or nothing."""
        if shutil.which(self.needs) is None:
            return f"{self.needs} is not installed"
        if self.module and not (MODULES / self.module).is_dir():
            return f"npm's {self.module} is not in {MODULES}: .ci/run puts it there"
        return ""


def in_node(file: Path) -> list[str]:
    return ["node", str(file)]


PROGRAMS = [
    Program("SuperCollider", "song.scd", lambda file: ["sclang", str(file)], "sclang"),
    Program("Pure Data", "bandmate.pd", lambda file: ["pd", "-nogui", "-noaudio", str(file)], "pd"),
    Program("node: npm `osc` over UDP", "separate.js", in_node, "node", "osc"),
    Program("node: npm `osc` over TCP", "separate.js", in_node, "node", "osc"),
    Program("node: `node-osc`", "separate.js", in_node, "node", "node-osc"),
    Program("liblo: oscsend and oscdump", "separate.sh", lambda f: ["sh", str(f)], "oscsend"),
]


def block(heading: str) -> str:
    """Return the first block of code below a heading of the page."""
    section = PAGE.partition(f"\n### {heading}\n")[2].partition("\n## ")[0]
    return section.partition("\n```")[2].partition("\n")[2].partition("\n```")[0] + "\n"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def read_until_done(process: subprocess.Popen[str]) -> list[str]:
    """Return what a program prints until it says that the job is done or refused."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if re.search(r"\bdone\b.*(manifest|$)|error", line) and "compile done" not in line:
            break
    return lines


def run_shown(program: Program, folder: Path, server_port: int, song: Path) -> list[str]:
    """Run a block of the page on a song and return its lines."""
    text = block(program.heading)
    assert SERVER_PORT in text
    text = text.replace(SERVER_PORT, str(server_port)).replace(OWN_PORT, str(free_port()))
    command = program.command(folder / program.file)
    if SONG in text:
        text = text.replace(SONG, str(song))
    else:  # The musician chooses the song in a dialog; the patch takes it from elsewhere, too.
        command[1:1] = ["-send", f"song symbol {song}"]
    (folder / program.file).write_text(text)
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **VARIABLES, "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    end = threading.Timer(PATIENCE, os.killpg, [process.pid, signal.SIGKILL])
    end.start()
    try:
        return read_until_done(process)
    finally:
        end.cancel()
        # Also what a shell has left in the background; its number is ours until we wait for it.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.heading)
def test_the_program_shown_receives_stems(
    program: Program, server: Any, library: Path, tmp_path: Path
) -> None:
    reason = program.skip_reason()
    if reason:
        pytest.skip(reason)
    lines = run_shown(program, tmp_path, server.port, library / "song.wav")
    for name in NAMES:
        (line,) = [line for line in lines if f"/{name}.wav" in line]
        match = re.search(rf"(/\S*/{name}\.wav)\D+(.*)", line)
        assert match is not None, line
        assert re.findall(r"\d+", match[2])[-2:] == ["44100", "2"], line
        info = soundfile.info(match[1])
        assert (info.samplerate, info.channels, info.frames) == (44_100, 2, 66_150)


def test_the_messages_shown_for_max_are_understood(udp: Any, library: Path) -> None:
    """Send what [udpsend] makes of the messages: whole numbers are i, other words s."""
    messages = re.findall(r"\[(/bandmate/[^(]+)\(", block("Max"))
    assert len(messages) == 2
    for message in messages:
        address, *words = message.replace("$1", str(library / "song.wav")).split()
        numbers = [re.fullmatch(r"-?\d+", word) is not None for word in words]
        types = "".join("i" if number else "s" for number in numbers)
        values = [
            int(word) if number else word for word, number in zip(words, numbers, strict=True)
        ]
        answer = udp.ask(address, types, *values)
        assert (answer.address, answer.values[1]) == ("/bandmate/reply", address)
    udp.ask("/bandmate/unsubscribe", "si", "max", int(OWN_PORT))
    (shown,) = re.findall(r"\[route (.+)\]", block("Max"))
    assert shown.split()[:2] == ["/bandmate/stem", "/bandmate/done"]
