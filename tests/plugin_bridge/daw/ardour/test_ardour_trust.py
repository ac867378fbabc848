"""What a musician must be able to rely on: nothing of his is lost, nothing hidden from him."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytestmark = [pytest.mark.daw, pytest.mark.slow]

RATE = 48_000
STEMS = ("bass", "drums", "guitar", "piano", "other")
SEPARATE = "bandmate: Separate selection"
POSITION = 24_001  # samples

Sound = np.ndarray[Any, np.dtype[np.float32]]


def noise(path: Path, seconds: float, channels: int = 1) -> Sound:
    seed = sum(path.name.encode())
    sound = 0.1 * np.random.default_rng(seed).standard_normal((round(seconds * RATE), channels))
    soundfile.write(path, sound.astype(np.float32), RATE, "FLOAT")
    return sound.astype(np.float32)


def stem_names(source: str) -> list[str]:
    return [f"{source} - {stem}" for stem in STEMS]


def total(clips: dict[str, list[Any]], source: str) -> Any:
    return sum(clips[name][0].sound() for name in stem_names(source))


@pytest.fixture(scope="module")
def ardour(open_ardour: Callable[..., Any], server: Any) -> Any:
    return open_ardour(RATE, server.command())


@pytest.fixture
def song(ardour: Any, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Return the name of a new track with two seconds of stereo, at POSITION."""
    name = request.node.originalname.removeprefix("test_")[:24]
    noise(tmp_path / f"{name}.wav", 2, 2)
    ardour.import_sound(tmp_path / f"{name}.wav", POSITION)
    return str(name)


def regions(ardour: Any, track: str) -> list[str]:
    """Return position, length and M for muted of each region on a track."""
    lines: list[str] = ardour.lua(f"""
        local track = Session:route_by_name ("{track}"):to_track ()
        for region in track:playlist ():region_list ():iter () do
            print (region:position ():samples (), region:length ():samples (),
                region:muted () and "M" or "")
        end""")
    return sorted(line.replace("\t", " ").strip() for line in lines)


@pytest.mark.parametrize("when", ["result first", "import first"])
def test_an_import_of_the_musician_and_a_result_do_not_meet(
    ardour: Any, server: Any, wait: Any, tmp_path: Path, when: str
) -> None:
    song, own = f"meet {when}", f"own {when}"
    source = noise(tmp_path / f"{song}.wav", 2, 2)
    other = noise(tmp_path / f"{own}.wav", 100, 2)
    ardour.import_sound(tmp_path / f"{song}.wav", POSITION)
    ardour.select_regions(song)
    seen = server.mail("imported") | server.mail("claimed")
    ardour.action(SEPARATE)
    if when == "result first":
        wait("result", lambda: (server.mail("imported") | server.mail("claimed")) - seen)
    ardour.import_sound(tmp_path / f"{own}.wav", 5_000)  # takes longer than the job
    ardour.lua(f"""
        Session:new_audio_track (1, 2, nil, 1, "added {when}",
            ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true, false)""")
    ardour.wait_for_tracks(*stem_names(song), own, f"added {when}")
    wait("answer", lambda: server.mail("imported") - seen)
    clips = ardour.save()
    (clip,) = clips[own]
    assert (clip.position, clip.frames) == (5_000, len(other))
    np.testing.assert_array_equal(clip.sound(), other)
    assert clips[f"added {when}"] == []
    for name in stem_names(song):
        assert [(c.position, c.frames) for c in clips[name]] == [(POSITION, len(source))]
    assert np.abs(total(clips, song) - source).max() < 1e-6


def test_a_region_on_top_of_the_middle_is_part_of_what_is_separated(
    ardour: Any, tmp_path: Path
) -> None:
    below, above = noise(tmp_path / "below.wav", 3, 2), noise(tmp_path / "above.wav", 0.5, 2)
    ardour.import_sound(tmp_path / "below.wav", POSITION)
    ardour.import_sound(tmp_path / "above.wav", 0)
    at = POSITION + RATE
    ardour.select_regions("below")
    ardour.lua(f"""
        local function playlist (name)
            return Session:route_by_name (name):to_track ():playlist ()
        end
        local above = playlist ("above"):region_list ():table ()[1]
        local copy = ARDOUR.RegionFactory.clone_region (above, true, false)
        playlist ("below"):add_region (copy, Temporal.timepos_t ({at}), 1, false)""")
    ardour.action(SEPARATE)
    ardour.wait_for_tracks(*stem_names("below"))
    heard = below.copy()
    heard[RATE : RATE + len(above)] = above
    error = np.abs(total(ardour.save(), "below") - heard).max(axis=1)
    edges = [64, RATE, RATE + len(above), len(below)]
    faded = np.concatenate([np.arange(edge - 64, min(edge + 64, len(below))) for edge in edges])
    assert np.delete(error, faded).max() < 1e-6
    assert all(region.endswith("M") for region in regions(ardour, "below"))


def test_song_and_stems_do_not_sound_together_and_undo_is_one_step(
    ardour: Any, song: str, wait: Any
) -> None:
    ardour.select_regions(song)
    ardour.action(SEPARATE)
    ardour.wait_for_tracks(*stem_names(song))
    muted, sounding = [f"{POSITION} 96000 M"], [f"{POSITION} 96000"]
    assert regions(ardour, song) == muted
    assert regions(ardour, f"{song} - bass") == sounding
    selected = ardour.lua("""
        for region in Editor:get_selection ().regions:regionlist ():iter () do
            print (region:name ())
        end""")
    assert len(selected) == 1
    assert selected[0].startswith(song), "what the musician had selected is selected still"
    ardour.send("/undo")
    wait("undone", lambda: regions(ardour, song) == sounding)
    assert all(regions(ardour, name) == [] for name in stem_names(song))
    ardour.send("/redo")
    wait("done again", lambda: regions(ardour, song) == muted)
    assert regions(ardour, f"{song} - bass") == sounding


def test_pressing_twice_asks(ardour: Any, server: Any, song: str, wait: Any, held: None) -> None:
    ardour.select_regions(song)
    known = len(server.jobs())
    ardour.action(SEPARATE)
    wait("job", lambda: len(server.jobs()) > known)
    ardour.action(SEPARATE)
    ardour.answer("bandmate", "alt+n")
    assert f"Separating {song} is being made already" in ardour.told()
    time.sleep(0.5)
    assert len(server.jobs()) == known + 1


def test_what_happens_is_seen_without_asking(
    ardour: Any, server: Any, song: str, wait: Any, held: Any
) -> None:
    before = [mark for mark in ardour.marks() if "bandmate" not in mark]
    ardour.select_regions(song)
    ardour.action(SEPARATE)
    marked = f"bandmate: Separating {song}: "
    wait("progress", lambda: [mark for mark in ardour.marks() if marked in mark and "%" in mark])
    held.release()
    wait("done", lambda: any(f"{marked}done, 5 new tracks" in mark for mark in ardour.marks()))
    wait("no mark left", lambda: not any("bandmate" in mark for mark in ardour.marks()))
    assert ardour.marks() == before


def test_only_what_is_ticked_becomes_tracks(ardour: Any, song: str, wait: Any) -> None:
    ardour.select_regions(song)
    ardour.action("bandmate: Separate...")
    # drums alone, without the rest, and the original not muted: bass, guitar, piano, rest, mute
    keys = ["space", "Tab", "Tab", "space", "Tab", "space", "Tab", "space", "Tab", "space"]
    ardour.answer("bandmate: Separate", *keys, "alt+o")
    ardour.wait_for_tracks(f"{song} - drums")
    assert [name for name in ardour.tracks() if name.startswith(f"{song} - ")] == [
        f"{song} - drums"
    ]
    assert regions(ardour, song) == [f"{POSITION} 96000"]


def test_the_last_result_is_removed(ardour: Any, song: str, wait: Any) -> None:
    before = ardour.tracks()
    ardour.select_regions(song)
    ardour.action(SEPARATE)
    ardour.wait_for_tracks(*stem_names(song))
    ardour.action("bandmate: Remove last result")
    window = wait("Ardour's question", lambda: ardour.window("Remove tracks"))
    ardour.press(window, "Tab", "Return")
    wait("removed", lambda: ardour.tracks() == before)
    wait("sounding", lambda: regions(ardour, song) == [f"{POSITION} 96000"])


def test_silence_is_refused_in_words(ardour: Any, server: Any, song: str) -> None:
    known = len(server.jobs())
    ardour.select_range(POSITION + 200_000, POSITION + 300_000, song)
    ardour.action(SEPARATE)
    assert "Nothing sounds there" in ardour.message()
    ardour.select_regions(song)
    ardour.lua(f"""
        local track = Session:route_by_name ("{song}"):to_track ()
        track:playlist ():region_list ():table ()[1]:set_muted (true)""")
    ardour.action(SEPARATE)
    assert f"{song} is muted" in ardour.message()
    assert len(server.jobs()) == known


def test_files_and_regions_say_which_song(ardour: Any, song: str) -> None:
    ardour.select_regions(song)
    ardour.action(SEPARATE)
    ardour.wait_for_tracks(*stem_names(song))
    (clip,) = ardour.save()[f"{song} - drums"]
    assert clip.name == f"{song} - drums"
    assert {path.name for path, _ in clip.files} == {f"{song} - drums.wav"}


def test_a_session_that_is_moved_keeps_its_stems(ardour: Any, song: str, tmp_path: Path) -> None:
    ardour.select_regions(song)
    ardour.action(SEPARATE)
    ardour.wait_for_tracks(*stem_names(song))
    (clip,) = ardour.save()[f"{song} - drums"]
    found = ardour.files_when_moved(tmp_path / "elsewhere")
    path, _ = clip.files[0]
    assert str(tmp_path / "elsewhere" / path.relative_to(ardour.session.parent)) in found


def test_the_action_starts_the_server(ardour: Any, server: Any, song: str, wait: Any) -> None:
    server.stop()
    broken = server.folder / "broken"
    broken.touch()
    ardour.select_regions(song)
    ardour.action(SEPARATE)
    message = ardour.message()
    assert "could not be started" in message
    assert "there is no such model" in message
    broken.unlink()
    ardour.action(SEPARATE)
    ardour.wait_for_tracks(*stem_names(song))
    started = json.loads((server.workdir / "server.json").read_text())
    os.kill(started["pid"], signal.SIGTERM)
    wait("its end", lambda: not (server.workdir / "server.json").exists())
    server.start()
