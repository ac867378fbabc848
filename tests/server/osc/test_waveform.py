"""Stems of a model of waves by OSC: asked for, mailed, and refused by the model's own list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_bridge.client import Done
from bandmate_server.errors import ServerError


@pytest.fixture
def client(serve: Callable[..., Any], waveform_bundle: Path) -> Iterator[Any]:
    yield serve("--model", waveform_bundle).connect()


def finished(client: Any, job: str) -> Any:
    return next(event for event in client.events(job) if isinstance(event, Done))


def test_vocals_and_what_they_leave_sum_to_the_song(client: Any, music: Path) -> None:
    options = {"stems": "vocals", "track": "Song", "position": 480, "shifts": 1}
    job = client.separate(music / "song.wav", options=options)
    assert finished(client, job).state == "done"
    stems = {stem["stem"]: soundfile.read(stem["wav"])[0] for stem in client.status(job)["stems"]}
    song, _ = soundfile.read(music / "song.wav")
    assert list(stems) == ["vocals", "other"]
    np.testing.assert_allclose(stems["vocals"] + stems["other"], song, atol=1e-6)
    assert float(np.abs(stems["vocals"]).max()) > 0.0
    mail = (Path(client.hello().workdir) / "inbox" / f"{job}.tsv").read_text("utf-8")
    assert [line.split("\t")[:2] for line in mail.splitlines()] == [
        ["Song - vocals", "480"],
        ["Song - other", "480"],
    ]


@pytest.mark.parametrize("name", ["ht", "bs"])
def test_networks_separate_a_region_to_stems_that_sum_to_it(
    serve: Callable[..., Any], separator_bundles: Path, music: Path, name: str
) -> None:
    client = serve("--model", separator_bundles / name).connect()
    job = client.separate(music / "song.wav", 4_410, 44_100)
    assert finished(client, job).state == "done"
    stems = [soundfile.read(stem["wav"])[0] for stem in client.status(job)["stems"]]
    assert len(stems) == {"ht": 6, "bs": 2}[name]
    song, _ = soundfile.read(music / "song.wav")
    np.testing.assert_allclose(sum(stems), song[4_410:48_510], atol=1e-6)


def test_an_unknown_stem_is_refused_at_once_by_the_models_own_list(
    client: Any, music: Path
) -> None:
    with pytest.raises(ServerError, match=r"unknown stem 'bass': .*drums, vocals"):
        client.separate(music / "song.wav", options={"stems": "bass"})


def test_a_part_fails_and_says_what_to_do(client: Any, music: Path) -> None:
    job = client.add(["vocals"], {"drums": music / "song.wav"})
    done = finished(client, job)
    assert done.state == "failed"
    assert "only separates, it makes no parts" in client.status(job)["error"]


def test_each_task_has_its_model_and_a_change_counts_at_once(
    serve: Callable[..., Any],
    waveform_bundle: Path,
    music: Path,
    tmp_path: Path,
) -> None:
    config = tmp_path / "config" / "bandmate" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[model]\nseparate = "{waveform_bundle}"\nadd = "fake"\n')
    served = serve(model=None, XDG_CONFIG_HOME=str(tmp_path / "config"))
    client = served.connect()
    song = music / "song.wav"
    separated = client.separate(song, options={"stems": "vocals"})
    added = client.add(["bass"], {"drums": song})
    assert finished(client, separated).state == "done"
    assert finished(client, added).state == "done"
    assert client.hello().model == "fake-waves,fake"
    assert " MB in use" in served.log.read_text()
    config.write_text('[model]\nseparate = "fake"\n')
    again = client.separate(song, options={"stems": "bass"})
    assert finished(client, again).state == "done"
    config.write_text("[model]\nseparate = 1\n")
    wrong = client.separate(song, options={"stems": "bass"})
    assert finished(client, wrong).state == "failed"
    assert "model.separate is 1" in client.status(wrong)["error"]
