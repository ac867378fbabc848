"""The REAPER script's actions; ReaScript is imitated, the server and its mailbox are real."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

STEMS = ("bass", "drums", "guitar", "piano", "other")
RATE = 48_000


def ramp(first: int, frames: int) -> np.ndarray[Any, Any]:
    """Return what a track of the imitation plays (frames, 2)."""
    at = first + np.arange(frames)[:, None]
    return np.asarray(0.4 * np.sin(at * 0.05 * np.array([[1, 2]])))


def total(files: list[Path | None]) -> np.ndarray[Any, Any]:
    return sum(soundfile.read(file, always_2d=True)[0] for file in files if file)  # type: ignore


def test_an_item_comes_back_as_stems_below_its_track(
    reaper: Any, plain_item: Callable[..., str]
) -> None:
    sound = 0.1 * np.random.default_rng(1).standard_normal((3 * RATE, 1))
    path = reaper.folder / "song.wav"
    soundfile.write(path, sound, RATE, "FLOAT")
    offset, frames = 1_001, 60_007
    item = plain_item("mix", path, 2.5, frames / RATE, offset / RATE)
    other = '{ name = "voice", items = {} }'
    left = reaper.run("separate selection", [item, other])
    assert left.messages == []
    names = [name for name, _, _ in left.tracks]
    assert names == ["mix", *(f"mix - {stem}" for stem in STEMS), "voice"]
    new = left.tracks[1:-1]
    assert {position for _, position, _ in new} == {2.5}
    assert [(name, muted) for name, _, _, muted, _ in left.items if name == "mix"] == [
        ("mix", True)
    ]
    assert not any(muted for name, _, _, muted, _ in left.items if name != "mix")
    assert [file.name for _, _, file in new if file] == [f"mix - {stem}.wav" for stem in STEMS]
    assert all(file.is_relative_to(reaper.folder) for _, _, file in new if file)
    assert f"--allow {reaper.folder / 'project'}" in (reaper.folder / "ensured").read_text()
    source = sound.astype(np.float32)[offset : offset + frames]
    assert np.abs(total([file for _, _, file in new]) - source).max() < 1e-6


def test_a_time_range_is_rendered_with_what_is_around_it(reaper: Any) -> None:
    left = reaper.run(
        "separate selection", ['{ name = "mix", selected = true, items = {} }'], (1, 2)
    )
    assert left.messages == []
    new = left.tracks[1:]
    assert len(new) == len(STEMS)
    assert {position for _, position, _ in new} == {1.0}
    assert np.abs(total([file for _, _, file in new]) - ramp(RATE, RATE)).max() < 1e-6
    (rendered,) = (reaper.folder / "project" / "bandmate").glob("reaper-*.wav")
    assert soundfile.info(rendered).frames > 10 * RATE


@pytest.mark.parametrize("change", ["D_VOL = 0.5", "D_FADEOUTLEN = 1.5"])
def test_an_item_that_sounds_unlike_its_file_is_rendered(
    reaper: Any, plain_item: Callable[..., str], change: str
) -> None:
    item = plain_item("mix", Path("/not/read.wav"), 0, 0.5).replace(
        "D_POSITION", f"{change}, D_POSITION"
    )
    left = reaper.run("separate selection", [item])
    assert left.messages == []
    assert len(left.tracks) == 1 + len(STEMS)


def test_nothing_selected_is_said(reaper: Any) -> None:
    left = reaper.run("separate selection", ['{ name = "mix", items = {} }'])
    assert "Select audio items" in left.messages[0]


def test_a_file_that_is_not_there_is_said(reaper: Any, plain_item: Callable[..., str]) -> None:
    lost = reaper.folder / "lost.wav"
    left = reaper.run("separate selection", [plain_item("mix", lost, 0, 1)])
    assert "lost.wav" in left.messages[0]
    assert len(left.tracks) == 1


def test_a_server_that_is_away_is_said(
    reaper: Any, plain_item: Callable[..., str], tmp_path: Path
) -> None:
    settings = reaper.config / "Scripts" / "bandmate" / "settings.lua"
    away = settings.read_text().replace(reaper.server["workdir"], str(tmp_path))
    settings.write_text(away)
    left = reaper.run("separate selection", [plain_item("mix", tmp_path / "x.wav", 0, 1)])
    assert "bandmate serve failed" in left.messages[0]
    assert "no server could be started" in left.messages[0]


def test_a_muted_item_is_refused(reaper: Any, plain_item: Callable[..., str]) -> None:
    item = plain_item("mix", Path("/not/read.wav"), 0, 1).replace("D_POS", "B_MUTE = 1, D_POS")
    left = reaper.run("separate selection", [item])
    assert left.messages == ["An item on mix is muted: let it sound first."]


def test_stems_are_chosen(reaper: Any) -> None:
    track = '{ name = "mix", selected = true, items = {} }'
    left = reaper.run("separate into", [track], (1, 2), answers="drums")
    assert left.messages == []
    assert [name for name, _, _ in left.tracks] == ["mix", "mix - drums", "mix - other"]


def test_a_dialog_that_is_closed_asks_for_nothing(reaper: Any) -> None:
    tracks = ['{ name = "Bass DI", selected = true, items = {} }']
    tracks.append('{ name = "Kick, snare", selected = true, items = {} }')
    left = reaper.run("add part", tracks, (0, 1))
    assert left.messages == []
    assert left.dialogs[0].endswith("= guitar|1|0.5|bass|drums")


def test_stems_are_those_that_the_server_has_left(reaper: Any) -> None:
    left = Path(reaper.server["workdir"]) / "stems.json"
    usual = left.read_text()
    assert json.loads(usual)["add"] == [*STEMS[:-1]]
    left.write_text(json.dumps({"separate": ["strings"], "add": [*STEMS[:-1], "strings"]}))
    try:
        tracks = ['{ name = "Strings hi", selected = true, items = {} }']
        assert reaper.run("add part", tracks, (0, 1)).dialogs[0].endswith("|0.5|strings")
        assert reaper.run("separate into", tracks, (0, 1)).dialogs[0].endswith("= strings")
    finally:
        left.write_text(usual)


def test_no_jobs_is_said(reaper: Any) -> None:
    left = reaper.run("jobs", ['{ name = "mix", items = {} }'])
    assert left.messages == ["Nothing is being made for this project."]


def test_a_guitar_is_added_to_two_tracks(reaper: Any) -> None:
    names = ("Bass DI", "Kick")
    tracks = [f'{{ name = "{name}", selected = true, items = {{}} }}' for name in names]
    left = reaper.run("add part", tracks, (1, 2), answers="guitar|2|0.5|bass|drums")
    assert left.messages == []
    names_of_new = [f"Bass DI - guitar (take {take})" for take in (1, 2)]
    assert [name for name, _, _ in left.tracks] == ["Bass DI", *names_of_new, "Kick"]
    new = left.tracks[1:3]
    assert {position for _, position, _ in new} == {1.0}
    assert all(soundfile.info(file).frames == RATE for _, _, file in new)


@pytest.mark.parametrize(
    ("action", "answers"),
    [("new take", "song - bass|0.5|1|bass|"), ("fill selection", "song - bass|1|bass|")],
)
def test_a_part_is_played_anew_in_the_place_of_the_old(
    reaper: Any, plain_item: Callable[..., str], action: str, answers: str
) -> None:
    item = plain_item("song - bass", Path("/not/read.wav"), 0.5, 3)
    other = '{ name = "song - drums", selected = true, items = {} }'
    left = reaper.run(action, [item, other], (1, 2), answers=answers)
    assert left.messages == []
    assert [name for name, _, _ in left.tracks][:2] == ["song - bass", "song - bass"]
    old = sorted(left.items[:3])
    assert [(at, length, muted) for _, at, length, muted, _ in old] == [
        (0.5, 0.5, False),
        (1.0, 1.0, True),
        (2.0, 1.5, False),
    ]
    _, position, _, muted, fade = left.items[3]
    assert (position, muted, fade) == (1.0, False, 0.01)
    assert left.tracks[1][2] is not None
    assert soundfile.info(left.tracks[1][2]).frames == RATE


@pytest.mark.parametrize("action", ["new take", "fill selection"])
def test_of_several_tracks_none_is_chosen_unasked(reaper: Any, action: str) -> None:
    names = ("song - bass", "song - drums", "song - guitar")
    tracks = [f'{{ name = "{name}", selected = true, items = {{}} }}' for name in names]
    roles = "bass|drums|guitar"
    middle = "0.5|1" if action == "new take" else "1"
    left = reaper.run(action, tracks, (1, 2), answers=f"|{middle}|{roles}")
    assert left.messages == ["Say which of the selected tracks is meant, by its name."]
    assert len(left.tracks) == len(names)
