"""Sessions that are saved and opened again, copied, damaged or moved."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow

AT, LENGTH = 12_345, 30_000

Noise = Callable[..., Any]


@pytest.fixture
def saved(open_host: Any, server: Any, place: Any, noise: Noise) -> tuple[Path, Any]:
    """Return a saved state, and what comes out of the instance that saved it."""
    host = open_host()
    host.track(noise(LENGTH), AT)
    host.capture(AT, LENGTH)
    host.wait_for("ready")
    path = place.folder / "state"
    assert host.say(f"save {path}") == "ok"
    host.set(solo_drums=1)
    return path, host.play(AT - 100, LENGTH + 200)


def reopened(open_host: Any, state: Path) -> Any:
    """Return an instance that a host restores, on an empty track."""
    host = open_host()
    host.track(np.zeros((1, 2), np.float32), 0)
    assert host.say(f"load {state}") == "ok"
    host.set(solo_drums=1)
    return host


def test_a_session_plays_the_same_without_a_server_from_the_first_block(
    open_host: Any, server: Any, saved: tuple[Path, Any]
) -> None:
    state, before = saved
    server.stop()
    host = reopened(open_host, state)
    out = host.play(AT - 100, LENGTH + 200)  # at once, as a bounce without windows does
    assert np.array_equal(out[100:-100], before[100:-100])
    assert host.status() == "ready"


def test_copies_play_beside_each_other_and_save_the_same(
    open_host: Any, place: Any, saved: tuple[Path, Any]
) -> None:
    state, before = saved
    hosts = [reopened(open_host, state) for _ in range(3)]
    for number, host in enumerate(hosts):
        assert np.array_equal(host.play(AT, LENGTH), before[100:-100])
        host.say(f"save {place.folder / f'copy-{number}'}")
        assert (place.folder / f"copy-{number}").read_text() == state.read_text()


def test_missing_stems_are_asked_for_again(
    open_host: Any, server: Any, place: Any, saved: tuple[Path, Any]
) -> None:
    state, before = saved
    shutil.rmtree(place.data / "stems")
    host = reopened(open_host, state)
    assert not host.play(AT, 100).any(), "until then the track is played"
    host.wait_for("ready")
    assert np.array_equal(host.play(AT, LENGTH), before[100:-100])
    assert len(server.jobs()) == 1, "the server had them"


def test_a_new_server_separates_anew_what_it_never_saw(
    open_host: Any, server: Any, place: Any, saved: tuple[Path, Any]
) -> None:
    state, before = saved
    server.stop()
    shutil.rmtree(place.workdir)
    shutil.rmtree(place.data / "stems")
    server.start()
    host = reopened(open_host, state)
    host.wait_for("ready")
    assert np.array_equal(host.play(AT, LENGTH), before[100:-100])


def test_a_session_from_another_computer_says_that_its_stems_are_missing(
    open_host: Any, place: Any, saved: tuple[Path, Any], noise: Noise
) -> None:
    state, _ = saved
    shutil.rmtree(place.data)
    host = reopened(open_host, state)
    host.wait_for("stems-missing")
    assert "capture again" in host.say("text")
    sound = noise(LENGTH, seed=3)
    host.track(sound, AT)
    assert np.array_equal(host.play(AT, LENGTH), sound)
    host.capture(AT, LENGTH)
    host.wait_for("ready")
    host.say(f"save {place.folder / 'mended'}")
    assert (place.folder / "mended").read_text().count("passage") == 1


def test_a_stem_that_was_cut_short_is_not_played(
    open_host: Any, place: Any, saved: tuple[Path, Any]
) -> None:
    state, before = saved
    (stem,) = (place.data / "stems").glob("*/drums.wav")
    cut = stem.read_bytes()[:-1_000]
    stem.unlink()  # the server's own file has the same bytes
    stem.write_bytes(cut)
    host = reopened(open_host, state)
    host.wait_for("ready")
    assert np.array_equal(host.play(AT, LENGTH), before[100:-100])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "empty",
        "passage",
        "passage 1 2 3 not-a-hash\ntake - 1 0 -1\n",
        f"passage 1 -2 48000 {'0' * 64}\ntake - 1 0 -1\n",
        f"passage 1 99 48000 {'0' * 64}\n",
        f"passage 1 99 48000 {'0' * 64}\ntake ../../x 1 0 7\n",
        f"passage 9223372036854775807 9223372036854775807 48000 {'0' * 64}\ntake - 1 0 -1\n",
        "\x01\x02 passage \t 1e9999 take\n" * 100,
    ],
)
def test_a_damaged_session_plays_the_track(
    open_host: Any, place: Any, noise: Noise, text: str
) -> None:
    (place.folder / "state").write_text(text)
    host = reopened(open_host, place.folder / "state")
    sound = noise(5_000)
    host.track(sound, 0)
    assert np.array_equal(host.play(0, 5_000), sound)
    host.close()
