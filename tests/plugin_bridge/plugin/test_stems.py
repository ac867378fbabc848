"""Stems in place: captured, separated by a real server, played where they were captured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_server.spec import MINI, OTHER

pytestmark = pytest.mark.slow

STEMS = (*MINI.stems, OTHER)
AT = 12_345  # where the passage begins, in samples
LENGTH = 30_000

Noise = Callable[..., Any]


def stem_files(place: Any) -> dict[str, Any]:
    """Return the stems that were kept last (frames, channels)."""
    folder = max((place.data / "stems").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    return {
        path.stem: soundfile.read(path, dtype="float32", always_2d=True)[0]
        for path in folder.glob("*.wav")
    }


def captured(host: Any, sound: Any, start: int = AT) -> None:
    """Capture a sound and wait for its stems."""
    host.track(sound, start)
    host.capture(start, len(sound))
    host.wait_for("ready")


@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
def test_all_faders_at_0_db_null_with_the_track(
    open_host: Any, server: Any, noise: Noise, rate: int
) -> None:
    host, sound = open_host(rate=rate), noise(LENGTH)
    captured(host, sound)
    out = host.play(AT - 1_000, LENGTH + 2_000)
    expected = np.pad(sound, ((1_000, 1_000), (0, 0)))
    assert np.abs(out - expected).max() < 1e-6
    assert np.array_equal(out[:1_000], expected[:1_000]), "the track itself is not touched"
    assert not np.array_equal(out, expected), "these are the stems"


def test_a_stem_alone_is_its_file_at_any_block_size(
    open_host: Any, server: Any, place: Any, noise: Noise
) -> None:
    host = open_host()
    captured(host, noise(LENGTH))
    files = stem_files(place)
    assert set(files) == set(STEMS)
    host.set(solo_drums=1)
    for block in (1, 64, 1_024, 4_096, 0):
        assert np.array_equal(host.play(AT, LENGTH, block), files["drums"]), block
    host.set(solo_drums=0, mute_bass=1, guitar=-60, piano=-60, other=-60)
    assert np.array_equal(host.play(AT, LENGTH), files["drums"])
    # Located into the middle, and past the end.
    assert np.array_equal(host.play(AT + 777, 2_000), files["drums"][777:2_777])
    assert not host.play(AT + LENGTH, 2_000).any()


def test_the_audio_thread_allocates_locks_and_reads_nothing(
    open_host: Any, server: Any, noise: Noise
) -> None:
    host = open_host()
    captured(host, noise(LENGTH))
    host.play(AT - 10, LENGTH + 20)
    assert host.say("trapped") == "0 "
    assert int(host.say("trap_check").split()[0]) > 0, "the trap works"


def test_faders_move_without_steps(open_host: Any, server: Any) -> None:
    host = open_host()
    captured(host, np.full((LENGTH, 2), 0.5, np.float32))
    host.play(AT, 5_000)
    host.set(drums=-60, bass=-60, guitar=-60, piano=-60, other=-60)
    out = host.play(AT + 5_000, 5_000)[:, 0]
    assert np.abs(np.diff(out)).max() < 0.5 / 100
    assert np.all(out[1_000:] == 0)


def test_source_and_bypass_give_the_track(open_host: Any, server: Any, noise: Noise) -> None:
    host, sound = open_host(), noise(LENGTH)
    captured(host, sound)
    host.set(solo_bass=1)
    for switch in ("source", "dpf_bypass"):
        host.set(**{switch: 1})
        host.play(AT - 100, 100)
        assert np.array_equal(host.play(AT, LENGTH), sound)
        host.set(**{switch: 0})
    host.set(capture=1)
    assert np.array_equal(host.play(AT, 1_000), sound[:1_000])


def test_a_mono_track_is_sent_as_one_channel(
    open_host: Any, server: Any, place: Any, noise: Noise
) -> None:
    host, sound = open_host(), np.repeat(noise(LENGTH, channels=1), 2, axis=1)
    captured(host, sound)
    assert all(stem.shape == (LENGTH, 1) for stem in stem_files(place).values())
    assert np.abs(host.play(AT, LENGTH) - sound).max() < 1e-6


def test_pieces_that_join_become_one_passage(
    open_host: Any, server: Any, place: Any, noise: Noise
) -> None:
    host, sound = open_host(), noise(LENGTH)
    host.track(sound, AT)
    host.capture(AT, 10_000)
    host.capture(AT + 20_000, 10_000)
    host.wait_for("ready")
    host.capture(AT + 10_000, 10_000)
    host.wait_for("ready")
    (kept,) = [job for job in server.jobs() if place_frames(place, job) == LENGTH]
    assert kept["address"] == "/bandmate/separate"
    assert np.abs(host.play(AT, LENGTH) - sound).max() < 1e-6
    assert host.get("captured") == pytest.approx(LENGTH / 48_000)


def place_frames(place: Any, job: dict[str, Any]) -> int:
    return int(soundfile.info(place.workdir / "jobs" / job["job"] / "stems" / "bass.wav").frames)


def test_a_punch_replaces_only_its_range(open_host: Any, server: Any, noise: Noise) -> None:
    host, sound = open_host(), noise(LENGTH)
    captured(host, sound)
    changed = sound.copy()
    changed[8_000:12_000] = noise(4_000, seed=5)
    host.track(changed, AT)
    host.capture(AT + 8_000, 4_000)
    host.wait_for("ready")
    host.track(np.zeros((1, 2), np.float32), 0)
    assert np.abs(host.play(AT, LENGTH) - changed).max() < 1e-6


def test_a_loop_is_captured_once_and_the_last_pass_counts(
    open_host: Any, server: Any, noise: Noise
) -> None:
    host, first, last = open_host(), noise(9_000), noise(9_000, seed=2)
    host.set(capture=1)
    for sound in (first, first, last):
        host.track(sound, AT)
        host.play(AT, 9_000)  # jumps back to the beginning
    host.stand()
    host.set(capture=0)
    host.wait_for("ready")
    host.track(np.zeros((1, 2), np.float32), 0)
    assert np.abs(host.play(AT, 9_000) - last).max() < 1e-6
    assert host.get("captured") == pytest.approx(9_000 / 48_000)


def test_a_count_in_before_the_song_is_at_negative_positions(
    open_host: Any, server: Any, noise: Noise
) -> None:
    host, sound = open_host(), noise(LENGTH)
    captured(host, sound, start=-5_000)
    host.track(np.zeros((1, 2), np.float32), 0)
    assert np.abs(host.play(-5_000, LENGTH) - sound).max() < 1e-6


def test_hosts_without_a_time_line_count_from_activation(
    open_host: Any, server: Any, noise: Noise
) -> None:
    host, sound = open_host(), noise(LENGTH)
    host.set(time_line=1, capture=1)
    host.say("activate 48000")
    host.track(sound, 0)
    for start in range(0, LENGTH, 1_000):
        host.say(f"play {start} 1000 500 stopped 0")
    host.set(capture=0)
    host.wait_for("ready")
    host.say("activate 48000")
    host.track(np.zeros((1, 2), np.float32), 0)
    out = host.folder / "out.f32"
    host.say(f"play 0 {LENGTH} 0 stopped 0 {out}")
    assert np.abs(np.fromfile(out, np.float32).reshape(-1, 2) - sound).max() < 1e-6


def test_another_rate_is_said_and_the_first_comes_back(
    open_host: Any, server: Any, noise: Noise
) -> None:
    host, sound = open_host(rate=44_100), noise(LENGTH)
    captured(host, sound)
    host.say("activate 48000")
    host.wait_for("other-rate")
    assert np.array_equal(host.play(AT, LENGTH), sound)
    host.say("activate 44100")
    host.wait_for("ready")
    host.set(solo_bass=1)
    assert not np.array_equal(host.play(AT, LENGTH), sound)


def test_ten_minutes_are_captured_and_no_more(open_host: Any, noise: Noise) -> None:
    rate = 8_000
    host, sound = open_host(rate=rate), noise(620 * rate)
    host.track(sound, 0)
    before = int(host.say("memory").split()[0])
    host.capture(0, len(sound), block=4_096)  # far quicker than real time: nothing is lost
    host.wait_for("asking", "no-server")
    assert host.get("captured") == 600
    assert int(host.say("memory").split()[0]) - before < 20_000, "kB of memory of its own"
    (capture,) = (host.folder / "data" / "bandmate" / "plugin" / "captures").glob("*/backing.wav")
    assert np.array_equal(soundfile.read(capture, dtype="float32")[0], sound[: 600 * rate])


def test_separating_again_asks_anew(open_host: Any, server: Any, noise: Noise) -> None:
    host = open_host()
    captured(host, noise(LENGTH))
    captured(host, noise(LENGTH))
    assert len(server.jobs()) == 1, "the same audio has its stems already"
    host.set(again=1)
    host.wait_for("ready")
    assert len(server.jobs()) == 2


def test_the_multi_output_variant_gives_each_stem_its_own(
    open_host: Any, server: Any, place: Any, noise: Noise
) -> None:
    host, sound = open_host("multi"), noise(LENGTH)
    captured(host, sound)
    files = stem_files(place)
    out = host.play(AT, LENGTH)
    assert np.array_equal(out[:, :2], sound)
    for index, stem in enumerate(("bass", "drums", "guitar", "piano", "vocals", "other"), 1):
        expected = files.get(stem, np.zeros_like(sound))
        assert np.array_equal(out[:, 2 * index : 2 * index + 2], expected), stem
    assert np.array_equal(host.play(AT + LENGTH, 100)[:, 2:], np.zeros((100, 12), np.float32))


def test_a_hundred_captures_leak_nothing(open_host: Any, server: Any, noise: Noise) -> None:
    host = open_host()
    files, memory = [], []
    for number in range(100):
        host.track(noise(2_000, seed=number), AT)
        host.capture(AT, 2_000)
        host.wait_for("ready", "working", "asking")
        if number % 10 == 9:
            host.wait_for("ready")
            files.append(len(list(Path(f"/proc/{host.process.pid}/fd").iterdir())))
            memory.append(int(host.say("memory").split()[0]))
    assert files[-1] == files[0]
    assert memory[-1] - memory[2] < 500, "kB"
