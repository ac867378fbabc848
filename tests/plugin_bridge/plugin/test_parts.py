"""A part that is added to what was played."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.slow

AT, LENGTH = 12_345, 30_000
BASS, DRUMS, GUITAR, PIANO = range(4)

Noise = Callable[..., Any]


def part_of(host: Any, sound: Any) -> Any:
    """Return what is added to the track."""
    return host.play(AT, len(sound)) - sound[:, :2]


def test_a_part_comes_on_top_of_the_track(open_host: Any, server: Any, noise: Noise) -> None:
    host, sound = open_host("part"), noise(LENGTH)
    host.track(sound, AT)
    host.set(part=GUITAR, seed=7)
    host.capture(AT, LENGTH)
    host.wait_for("ready")
    (job,) = server.jobs()
    assert job["address"] == "/bandmate/add"
    assert job["arguments"]["stems"] == ["guitar"]
    assert list(job["arguments"]["session"]) == ["backing"]
    assert job["options"]["seed"] == 7
    stem, rate = soundfile.read(
        host.folder / "work" / "jobs" / job["job"] / "stems" / "guitar.wav",
        dtype="float32",
        always_2d=True,
    )
    assert (rate, len(stem)) == (48_000, LENGTH)
    assert np.array_equal(host.play(AT, LENGTH), sound + stem)
    host.set(source_gain=-60)
    host.play(AT - 1_000, 1_000)
    assert np.array_equal(host.play(AT, LENGTH), np.broadcast_to(stem, (LENGTH, 2)))
    host.set(source_gain=0, part_gain=-60)
    host.play(AT - 1_000, 1_000)
    assert np.array_equal(host.play(AT, LENGTH), sound)


def test_takes_are_made_without_capturing_again_and_chosen_by_number(
    open_host: Any, server: Any, place: Any, noise: Noise
) -> None:
    host, sound = open_host("part"), noise(LENGTH)
    host.track(sound, AT)
    host.capture(AT, LENGTH)
    host.wait_for("ready")
    first = part_of(host, sound)
    host.set(new_take=1)
    host.wait_for("ready")
    second = part_of(host, sound)
    assert [job["options"]["seed"] for job in server.jobs()] == [0, 1]
    host.set(take=1)
    assert np.array_equal(part_of(host, sound), first)
    host.set(take=2)
    assert np.array_equal(part_of(host, sound), second)
    host.set(take=1, strength=0.25, new_take=1)
    host.wait_for("ready")
    vary = server.jobs()[-1]
    assert vary["address"] == "/bandmate/vary"
    assert vary["arguments"]["strength"] == 0.25
    assert vary["arguments"]["stem"] == "guitar"
    assert set(vary["arguments"]["session"]) == {"backing", "guitar"}

    state = place.folder / "state"
    host.say(f"save {state}")
    server.stop()
    again = open_host("part")
    again.track(sound, AT)
    again.say(f"load {state}")
    again.set(take=1)
    assert np.array_equal(part_of(again, sound), first)


def test_side_chains_are_the_stems_that_they_are_named_after(
    open_host: Any, server: Any, noise: Noise
) -> None:
    host = open_host("part")
    inputs = np.zeros((LENGTH, 10), np.float32)
    inputs[:, 2:4] = noise(LENGTH, seed=1)  # bass
    inputs[:, 4:6] = noise(LENGTH, seed=2)  # drums
    host.track(inputs, AT)
    host.set(part=PIANO)
    host.capture(AT, LENGTH)
    host.wait_for("ready")
    (job,) = server.jobs()
    assert set(job["arguments"]["session"]) == {"bass", "drums"}, "the silent mix is left out"
    assert job["arguments"]["stems"] == ["piano"]


def test_a_side_chain_of_the_part_itself_is_varied(
    open_host: Any, server: Any, noise: Noise
) -> None:
    host = open_host("part")
    inputs = np.zeros((LENGTH, 10), np.float32)
    inputs[:, 2:4] = noise(LENGTH, seed=1)
    inputs[:, 6:8] = noise(LENGTH, seed=3)  # guitar
    host.track(inputs, AT)
    host.set(part=GUITAR, strength=0.5)
    host.capture(AT, LENGTH)
    host.wait_for("ready")
    assert json.dumps(server.jobs()[0]["arguments"]).count("guitar") >= 2
    assert server.jobs()[0]["address"] == "/bandmate/vary"


def test_a_part_with_nothing_to_go_with_is_refused_in_words(
    open_host: Any, server: Any, noise: Noise
) -> None:
    host = open_host("part")
    inputs = np.zeros((LENGTH, 10), np.float32)
    inputs[:, 6:8] = noise(LENGTH)  # a guitar, to be replaced by a new one
    host.track(inputs, AT)
    host.set(part=GUITAR)
    host.capture(AT, LENGTH)
    host.wait_for("refused")
    assert "names no sound" in host.say("text")


def test_takes_that_vary_others_are_made_anew_in_order(
    open_host: Any, server: Any, place: Any, noise: Noise
) -> None:
    host, sound = open_host("part"), noise(LENGTH)
    host.track(sound, AT)
    host.capture(AT, LENGTH)
    host.wait_for("ready")
    host.set(strength=0.5, new_take=1)
    host.wait_for("ready")
    varied = part_of(host, sound)
    host.say(f"save {place.folder / 'state'}")
    server.stop()
    shutil.rmtree(place.workdir)
    shutil.rmtree(place.data / "stems")
    server.start()
    again = open_host("part")
    again.track(sound, AT)
    again.say(f"load {place.folder / 'state'}")
    again.wait_for("ready")
    assert [job["address"] for job in server.jobs()] == ["/bandmate/add", "/bandmate/vary"]
    assert np.array_equal(part_of(again, sound), varied)
