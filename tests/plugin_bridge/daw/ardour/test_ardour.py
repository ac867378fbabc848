"""A musician's evening with the real Ardour: select, choose an action, find the tracks."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytestmark = [pytest.mark.daw, pytest.mark.slow]

STEMS = ("bass", "drums", "guitar", "piano", "other")
SEPARATE = "bandmate: Separate selection"
FADE = 64  # samples that Ardour fades a region by, unless told otherwise

Sound = np.ndarray[Any, np.dtype[np.float32]]


def noise(path: Path, rate: int, seconds: float, channels: int, seed: int) -> Sound:
    """Write noise whose every sample is unlike its neighbours, and return it."""
    frames = round(seconds * rate)
    sound = 0.1 * np.random.default_rng(seed).standard_normal((frames, channels))
    soundfile.write(path, sound.astype(np.float32), rate, "FLOAT")
    return sound.astype(np.float32)


def stem_names(source: str, end: str = "") -> list[str]:
    return [f"{source} - {stem}{end}" for stem in STEMS]


def null_error(clips: dict[str, list[Any]], names: list[str], source: Sound) -> float:
    """Return the largest difference between the sum of tracks and their source."""
    total = sum(clips[name][0].sound() for name in names)
    return float(np.abs(total - source).max())


def check_round_trip(ardour: Any, folder: Path, rate: int, channels: int, position: int) -> None:
    """Separate a region with an odd position and length, and look at all its samples."""
    name = f"song{channels}"
    source = noise(folder / f"{name}.wav", rate, 2.00123, channels, seed=rate + channels)
    ardour.import_sound(folder / f"{name}.wav", position)
    ardour.select_regions(name)
    ardour.action(SEPARATE)
    ardour.wait_for_tracks(*stem_names(name))
    clips = ardour.save()
    for track in stem_names(name):
        (clip,) = clips[track]
        assert (clip.position, clip.frames) == (position, len(source))
        assert len(clip.files) == channels
    assert null_error(clips, stem_names(name), source) < 1e-6
    assert all(np.abs(clips[track][0].sound()).max() > 0 for track in stem_names(name))


@pytest.fixture(scope="module")
def ardour(open_ardour: Callable[[int], Any]) -> Any:
    """Return Ardour with a session at 48 kHz that all tests here share."""
    return open_ardour(48_000)


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_a_region_comes_back_as_stems_that_sum_to_it(
    open_ardour: Callable[[int], Any], tmp_path: Path, rate: int
) -> None:
    ardour = open_ardour(rate)
    check_round_trip(ardour, tmp_path, rate, channels=2, position=rate + 12_345)
    ardour.quit()


@pytest.mark.parametrize("channels", [1, 2])
def test_mono_and_stereo_regions_at_an_odd_sample_come_back_exactly(
    ardour: Any, server: Any, tmp_path: Path, channels: int
) -> None:
    check_round_trip(ardour, tmp_path, 48_000, channels, position=96_001)
    job = server.jobs()[-1]["job"]
    assert job in server.mail("imported")
    request = (server.workdir / "jobs" / job / "request.json").read_text()
    assert f"song{channels}" in request
    assert "bandmate-" not in request, "a plain region needs no bounce"


def test_a_second_take_goes_beside_the_first(ardour: Any) -> None:
    ardour.select_regions("song2")
    ardour.action(SEPARATE)
    ardour.answer("bandmate", "alt+y")
    ardour.wait_for_tracks(*stem_names("song2", " 2"))
    order = ardour.tracks()
    for stem in STEMS:
        first = order.index(f"song2 - {stem}")
        assert order[first + 1] == f"song2 - {stem} 2"
    assert order.index("song2") < order.index("song2 - bass")


def test_a_range_across_two_regions_is_what_is_heard_there(ardour: Any, tmp_path: Path) -> None:
    source = noise(tmp_path / "two.wav", 48_000, 4, 2, seed=3)
    ardour.import_sound(tmp_path / "two.wav", 100_000)
    cut, gap = 70_001, 5_000
    ardour.lua(f"""
        local playlist = Session:route_by_name ("two"):to_track ():playlist ()
        local cut = Temporal.timepos_t ({100_000 + cut})
        playlist:split_region (playlist:region_list ():table ()[1], cut)
        for region in playlist:region_list ():iter () do
            if region:position ():samples () > 100000 then
                region:set_position (Temporal.timepos_t ({100_000 + cut + gap}))
            end
        end""")
    first, last = 120_011, 220_022
    ardour.select_range(first, last, "two")
    ardour.action(SEPARATE)
    ardour.wait_for_tracks(*stem_names("two"))
    clips = ardour.save()
    muted = sorted((c.position, c.frames) for c in clips["two"] if c.muted)
    assert muted[0][0] == first, "what the stems stand for is muted, and only that"
    assert sum(muted[-1]) == last
    assert len(clips["two"]) == 4
    heard = np.concatenate([source[:cut], np.zeros((gap, 2)), source[cut:]])
    heard = heard[first - 100_000 : last - 100_000]
    total = sum(clips[name][0].sound() for name in stem_names("two"))
    difference = np.abs(total - heard).max(axis=1)
    at = cut - (first - 100_000)
    faded = np.r_[at - FADE : at + FADE, at + gap - FADE : at + gap + FADE]  # by the cut regions
    assert np.delete(difference, faded).max() < 1e-6
    for name in stem_names("two"):
        (clip,) = clips[name]
        assert (clip.position, clip.frames) == (first, last - first)
        assert clip.fades == (False, False), "its edges would be faded a second time"


def test_a_region_with_gain_comes_back_as_loud_as_it_is_heard(ardour: Any, tmp_path: Path) -> None:
    source = noise(tmp_path / "loud.wav", 48_000, 1, 1, seed=4)
    ardour.import_sound(tmp_path / "loud.wav", 7)
    ardour.lua("""
        local playlist = Session:route_by_name ("loud"):to_track ():playlist ()
        playlist:region_list ():table ()[1]:to_audioregion ():set_scale_amplitude (0.5)""")
    ardour.select_regions("loud")
    ardour.action(SEPARATE)
    ardour.wait_for_tracks(*stem_names("loud"))
    clips = ardour.save()
    total = sum(clips[name][0].sound() for name in stem_names("loud"))
    assert clips["loud - bass"][0].position == 7
    assert np.abs(total - 0.5 * source)[FADE:-FADE].max() < 1e-6


def test_two_regions_become_two_jobs_that_are_not_mixed_up(ardour: Any, tmp_path: Path) -> None:
    sources = {}
    for index, name in enumerate(("one", "other one")):
        sources[name] = noise(tmp_path / f"{name}.wav", 48_000, 1.5, 1, seed=10 + index)
        ardour.import_sound(tmp_path / f"{name}.wav", 50_001 + 1_000 * index)
    ardour.select_regions(*sources)
    ardour.action(SEPARATE)
    ardour.wait_for_tracks(*stem_names("one"), *stem_names("other one"))
    clips = ardour.save()
    for index, (name, source) in enumerate(sources.items()):
        assert null_error(clips, stem_names(name), source) < 1e-6
        assert clips[f"{name} - bass"][0].position == 50_001 + 1_000 * index


@pytest.mark.usefixtures("held")
def test_a_job_that_is_ticked_is_cancelled_and_makes_no_tracks(
    ardour: Any, server: Any, wait: Any, tmp_path: Path
) -> None:
    noise(tmp_path / "stop.wav", 48_000, 1, 1, seed=7)
    ardour.import_sound(tmp_path / "stop.wav", 0)
    before = ardour.tracks()
    known = {job["job"] for job in server.jobs()}
    ardour.select_regions("stop")
    ardour.action(SEPARATE)
    new = wait("a new job", lambda: [j for j in server.jobs() if j["job"] not in known])
    ardour.action("bandmate: Jobs")
    window = wait("jobs", lambda: ardour.window("bandmate: Jobs"))
    ardour.press(window, "alt+o")  # nothing is ticked: it looks again
    again = wait("jobs again", lambda: {ardour.window("bandmate: Jobs")} - {window, None})
    assert server.jobs()[-1]["state"] in ("queued", "running")
    ardour.press(again.pop(), "space", "alt+o")
    name = new[0]["job"]
    wait("cancelled", lambda: {j["job"]: j["state"] for j in server.jobs()}[name] == "cancelled")
    wait("the news read", lambda: name not in server.mail("failed"))
    assert ardour.tracks() == before


def test_a_failure_is_shown(ardour: Any, tmp_path: Path) -> None:
    noise(tmp_path / "lost.wav", 48_000, 1, 1, seed=5)
    ardour.import_sound(tmp_path / "lost.wav", 0)
    ardour.select_regions("lost")
    (lost,) = (ardour.session / "interchange").rglob("lost.wav")
    lost.rename(tmp_path / "elsewhere.wav")
    ardour.action(SEPARATE)
    message = ardour.message()
    (tmp_path / "elsewhere.wav").rename(lost)
    assert "Separating lost" in message
    assert "lost.wav" in message


def test_nothing_selected_is_said_at_once(ardour: Any) -> None:
    ardour.select_regions()
    ardour.action(SEPARATE)
    assert "Select audio regions" in ardour.message()


def test_mail_for_others_is_left_alone(ardour: Any, server: Any) -> None:
    before = ardour.tracks()
    noise(server.folder / "sent.wav", 48_000, 1, 2, seed=6)
    names = ("from-a-terminal", "ardour-00000000-20260101-000000-000000", "reaper-0-1")
    for name in names:
        letter = server.workdir / "inbox" / f"{name}.new"
        letter.write_text(f"sent - drums\t4801\t{server.folder / 'sent.wav'}\n")
        letter.rename(letter.with_suffix(".tsv"))
    time.sleep(6)  # the mailbox is listed every five seconds
    assert server.mail("tsv") >= set(names)
    assert ardour.tracks() == before


def test_a_server_that_is_away_is_said_and_its_return_noticed(
    ardour: Any, server: Any, tmp_path: Path, wait: Any
) -> None:
    noise(tmp_path / "away.wav", 48_000, 1, 1, seed=9)
    ardour.import_sound(tmp_path / "away.wav", 0)
    server.stop()
    ardour.select_regions("away")
    ardour.action(SEPARATE)
    message = ardour.message()
    assert "does not answer" in message
    assert "bandmate serve" in message
    wait("no mark left", lambda: "bandmate: " not in " ".join(ardour.marks()))
    server.start()
    ardour.action(SEPARATE)
    ardour.wait_for_tracks(*stem_names("away"))


def test_a_server_that_dies_at_its_work_is_seen(
    ardour: Any, server: Any, tmp_path: Path, wait: Any
) -> None:
    noise(tmp_path / "dies.wav", 48_000, 1, 1, seed=8)
    ardour.import_sound(tmp_path / "dies.wav", 1_000)
    server.hold()
    ardour.select_regions("dies")
    known = len(server.jobs())
    ardour.action(SEPARATE)
    wait("job", lambda: len(server.jobs()) > known)
    server.kill()
    assert "has ended while it worked" in ardour.message()
    wait("seen", lambda: any("the server has ended" in mark for mark in ardour.marks()))
    server.start()
    ardour.wait_for_tracks(*stem_names("dies"))
