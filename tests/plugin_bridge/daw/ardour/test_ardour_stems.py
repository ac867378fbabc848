"""Models with other stems than the usual four in the real Ardour: their tracks, an exact sum."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_server.model.bundle import read_spec
from bandmate_server.spec import AnySpec, WaveformSpec

pytestmark = [pytest.mark.daw, pytest.mark.slow]

RATE = 48_000
POSITION = 96_001  # samples
ODD = ("lead-vox", "kick_2")  # stems that no script of a DAW has ever seen


@pytest.fixture(scope="module", params=["ht", "bs", "odd"])
def served_model(
    request: pytest.FixtureRequest,
    separator_bundles: Path,
    make_bundle: Callable[[Path, AnySpec], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """Return HTDemucs with six stems, a RoFormer with one, or a model with stems of odd names."""
    if request.param != "odd":
        return str(separator_bundles / request.param)
    folder = tmp_path_factory.mktemp("odd") / "odd"
    return str(make_bundle(folder, WaveformSpec("odd", ODD, segment=44_100)))


def test_every_stem_of_the_model_is_a_track_and_they_sum_to_the_region(
    open_ardour: Callable[[int], Any], served_model: str, server: Any, tmp_path: Path
) -> None:
    ardour = open_ardour(RATE)
    stems = (*read_spec(served_model).stems, "other")
    source = 0.1 * np.random.default_rng(3).standard_normal((90_001, 2))
    soundfile.write(tmp_path / "song.wav", source.astype(np.float32), RATE, "FLOAT")
    ardour.import_sound(tmp_path / "song.wav", POSITION)
    ardour.select_regions("song")
    ardour.action("bandmate: Separate selection")
    tracks = [f"song - {stem}" for stem in stems]
    ardour.wait_for_tracks(*tracks)
    clips = ardour.save()
    assert [name for name in ardour.tracks() if name.startswith("song - ")] == tracks
    for track in tracks:
        (clip,) = clips[track]
        assert (clip.position, clip.frames) == (POSITION, len(source))
    total = sum(clips[track][0].sound() for track in tracks)
    assert np.abs(total - source.astype(np.float32)).max() < 1e-6
    assert {job["state"] for job in server.jobs()} == {"done"}
    ardour.quit()
