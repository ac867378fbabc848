"""What is wrong with the server is said in Status, and never stops the audio."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow

AT, LENGTH = 12_345, 30_000

Noise = Callable[..., Any]


def program(place: Any, *arguments: str) -> None:
    """Have the plug-in start a server with more arguments, as an installed one would."""
    help_text = subprocess.run(
        [sys.executable, "-m", "bandmate_bridge.cli", "serve", "--help"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    if "--ensure" not in help_text:
        pytest.skip("this server cannot be started in the background")
    script = place.folder / "bandmate"
    command = " ".join(["exec", sys.executable, "-m", "bandmate_bridge.cli", '"$@"', *arguments])
    script.write_text(f"#!/bin/sh\n{command}\n")
    script.chmod(0o755)
    place.config.write_text(f"port = 9\nprogram = {script}\n")


def test_no_server_is_said_and_one_that_comes_later_is_used(
    open_host: Any, place: Any, server: Any, noise: Noise
) -> None:
    server.stop()
    host, sound = open_host(), noise(LENGTH)
    host.track(sound, AT)
    host.capture(AT, LENGTH)
    host.wait_for("no-server")
    assert "bandmate daw install plugin" in host.say("text")
    assert np.array_equal(host.play(AT, LENGTH), sound)
    server.start()
    host.wait_for("ready")
    assert np.abs(host.play(AT, LENGTH) - sound).max() < 1e-6


def test_a_program_that_is_not_there_is_said(open_host: Any, place: Any, noise: Noise) -> None:
    place.config.write_text(f"program = {place.folder / 'gone'}\nport = 9\n")
    host = open_host()
    host.track(noise(2_000), AT)
    host.capture(AT, 2_000)
    host.wait_for("no-server")


def test_a_missing_model_is_said(open_host: Any, place: Any, noise: Noise) -> None:
    program(place, "--model", "no-such-model")
    host = open_host()
    host.track(noise(2_000), AT)
    host.capture(AT, 2_000)
    host.wait_for("model-missing")
    assert "no-such-model" in host.say("text")


def test_a_server_is_started_when_none_answers(
    open_host: Any, place: Any, fake_bundle: Path, noise: Noise
) -> None:
    program(place, "--model", str(fake_bundle))
    host, sound = open_host(), noise(LENGTH)
    host.track(sound, AT)
    host.capture(AT, LENGTH)
    try:
        host.wait_for("ready")
        assert np.abs(host.play(AT, LENGTH) - sound).max() < 1e-6
    finally:
        about = place.workdir / "server.json"
        os.kill(json.loads(about.read_text())["pid"], signal.SIGTERM)


def test_a_folder_of_the_server_that_cannot_be_written_is_said(
    open_host: Any, place: Any, server: Any, noise: Noise
) -> None:
    put = place.workdir / "put"
    put.rmdir()
    put.write_text("in the way")
    host, sound = open_host(), noise(2_000)
    host.track(sound, AT)
    host.capture(AT, 2_000)
    host.wait_for("refused")
    assert str(place.workdir) in host.say("text")
    put.unlink()
    host.set(again=1)
    host.wait_for("ready")


def test_a_full_disk_is_said(open_host: Any, place: Any, noise: Noise) -> None:
    place.data.parent.mkdir(parents=True)
    place.data.write_text("in the way")
    host, sound = open_host(), noise(2_000)
    host.track(sound, AT)
    host.capture(AT, 2_000)
    host.wait_for("disk-full")
    assert np.array_equal(host.play(AT, 2_000), sound)


@pytest.mark.parametrize("seed", range(3))
def test_a_server_killed_at_any_moment_is_waited_for(
    open_host: Any, server: Any, noise: Noise, seed: int
) -> None:
    moment = random.Random(seed)
    host, sound = open_host(), noise(48_000 * 20, seed=seed)
    host.track(sound, AT)
    host.capture(AT, len(sound))
    time.sleep(moment.uniform(0, 1.5))
    server.stop(signal.SIGKILL)
    assert np.abs(host.play(AT, LENGTH) - sound[:LENGTH]).max() < 1e-6
    server.start()
    host.wait_for("ready")
    assert np.abs(host.play(AT, len(sound)) - sound).max() < 1e-6


def test_a_server_that_stops_answering_is_said(open_host: Any, server: Any, noise: Noise) -> None:
    host, sound = open_host(), noise(48_000 * 20)
    host.track(sound, AT)
    server.process.send_signal(signal.SIGSTOP)
    host.capture(AT, len(sound))
    host.wait_for("no-server")
    server.process.send_signal(signal.SIGCONT)
    host.wait_for("ready")
