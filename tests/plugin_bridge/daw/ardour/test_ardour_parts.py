"""New parts in the real Ardour: dialogs are shown, filled in with keys, and answered by tracks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytestmark = [pytest.mark.daw, pytest.mark.slow]

RATE = 48_000
POSITIONS = {"bass": 30_001, "drums": 20_003}  # samples
FIRST, LAST = 60_011, 150_022  # of the range, inside both


@pytest.fixture(scope="module")
def ardour(open_ardour: Callable[[int], Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return Ardour with a bass track and a drums track."""
    ardour = open_ardour(RATE)
    folder: Path = tmp_path_factory.mktemp("parts")
    for seed, (name, position) in enumerate(POSITIONS.items()):
        sound = 0.1 * np.random.default_rng(seed).standard_normal((4 * RATE, 1 + seed))
        soundfile.write(folder / f"{name}.wav", sound, RATE, "FLOAT")
        ardour.import_sound(folder / f"{name}.wav", position)
    return ardour


def last_request(server: Any) -> dict[str, Any]:
    job = server.jobs()[-1]["job"]
    request = json.loads((server.workdir / "jobs" / job / "request.json").read_text())
    assert isinstance(request, dict)
    return request


def check_part(ardour: Any, name: str, channels: int) -> None:
    """Look for a new part in the saved session: its place, length, and that it sounds."""
    (clip,) = ardour.save()[name]
    assert (clip.position, clip.frames) == (FIRST, LAST - FIRST)
    assert len(clip.files) == channels
    assert np.abs(clip.sound()).max() > 0
    assert clip.fades == (True, True), "its ends would click"


def test_a_guitar_is_added_to_two_tracks(ardour: Any, server: Any, wait: Any) -> None:
    ardour.select_range(FIRST, LAST, "bass", "drums")
    ardour.action("bandmate: Add part...")
    ardour.answer("bandmate: Add part", "Tab", "Tab", "space", "alt+o")  # bass, drums, guitar
    ardour.wait_for_tracks("bass+drums - guitar")
    check_part(ardour, "bass+drums - guitar", channels=2)
    request = last_request(server)
    assert request["address"] == "/bandmate/add"
    text = json.dumps(request["arguments"])
    assert '"bass"' in text
    assert '"drums"' in text
    assert f'"frames": {LAST - FIRST}' in text


def test_a_new_take_goes_beside_the_first(ardour: Any, server: Any, wait: Any) -> None:
    ardour.select_regions("bass+drums - guitar")
    ardour.action("bandmate: New take")
    ardour.answer("bandmate: New take", "alt+o")
    ardour.wait_for_tracks("bass+drums - guitar 2")
    check_part(ardour, "bass+drums - guitar 2", channels=2)
    order = ardour.tracks()
    assert order.index("bass+drums - guitar 2") == order.index("bass+drums - guitar") + 1
    assert last_request(server)["address"] == "/bandmate/vary"
    assert ardour.save()["bass+drums - guitar"][0].muted, "two takes would sound together"


@pytest.mark.parametrize("action", ["New take", "Fill selection"])
def test_of_several_tracks_none_is_chosen_unasked(ardour: Any, server: Any, action: str) -> None:
    before = len(server.jobs())
    ardour.select_range(FIRST, LAST, "bass", "drums", "bass+drums - guitar")
    ardour.action(f"bandmate: {action}")
    ardour.answer(f"bandmate: {action}", "alt+o")
    assert "Choose which of the selected tracks is meant" in ardour.message()
    assert len(server.jobs()) == before


def test_the_track_that_is_chosen_is_played_anew(ardour: Any, server: Any) -> None:
    ardour.select_range(FIRST, LAST, "bass", "drums")
    ardour.action("bandmate: New take")
    ardour.choose("bandmate: New take", 2)  # drums, not the topmost
    ardour.wait_for_tracks("drums - drums")
    assert last_request(server)["arguments"]["stem"] == "drums"


def test_a_range_of_a_track_is_filled(ardour: Any, server: Any, wait: Any) -> None:
    ardour.select_range(FIRST, LAST, "bass", "drums")
    ardour.action("bandmate: Fill selection")
    ardour.choose("bandmate: Fill selection", 1)  # bass
    ardour.wait_for_tracks("bass - bass")
    check_part(ardour, "bass - bass", channels=1)  # as its track
    old = [clip for clip in ardour.save()["bass"] if clip.muted]
    assert [(clip.position, clip.frames) for clip in old] == [(FIRST, LAST - FIRST)]
    assert last_request(server)["address"] == "/bandmate/fill"


def test_a_dialog_that_is_closed_asks_for_nothing(ardour: Any, server: Any, wait: Any) -> None:
    before = len(server.jobs())
    ardour.select_range(FIRST, LAST, "bass", "drums")
    ardour.action("bandmate: Add part...")
    window = wait("dialog", lambda: ardour.window("bandmate: Add part"))
    ardour.press(window, "Escape")
    wait("dialog closed", lambda: ardour.window("bandmate: Add part") is None)
    assert ardour.lua("print ('still there')") == ["still there"]
    assert len(server.jobs()) == before
