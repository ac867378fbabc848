"""New parts by OSC: add, fill, vary and generate, as a DAW asks for them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_server import PartSettings, add_files, vary_file
from bandmate_server.errors import ServerError
from bandmate_server.model.model import Model

START, FRAMES = 11_025, 22_051


@pytest.fixture
def band(library: Path, make_song: Any) -> dict[str, Path]:
    """Return the files of a session: stem -> file."""
    stems = {"bass": 11, "drums": 12, "guitar": 13}
    for stem, seed in stems.items():
        make_song(library / f"{stem}.wav", 1.5, 1 + (stem == "drums"), seed)
    return {stem: library / f"{stem}.wav" for stem in stems}


def read(path: str | Path) -> Any:
    return soundfile.read(path, dtype="float32", always_2d=True)[0]


def test_added_parts_are_those_that_the_engine_makes(
    server: Any, band: dict[str, Path], model: Model, tmp_path: Path
) -> None:
    client = server.connect()
    region = {"start": START, "frames": FRAMES}
    options = {"seed": 4, "steps": 2, "position": 96_000, "track": "Band"}
    job = client.add(["piano"], {**band, **region}, options)
    (stem,) = client.wait(job)["stems"]
    settings = PartSettings(START / 44_100, (START + FRAMES) / 44_100, steps=2, seed=4)
    (direct,) = add_files(model, ["piano"], band, tmp_path / "direct", settings=settings)
    np.testing.assert_array_equal(read(stem["wav"]), read(direct.stems["piano"]))
    assert (stem["start"], stem["frames"], stem["rate"]) == (START, FRAMES, 44_100)
    assert stem["channels"] == read(stem["wav"]).shape[1]
    mail = (server.workdir / "inbox" / f"{job}.tsv").read_text()
    assert mail == f"Band - piano\t96000\t{stem['wav']}\n"


def test_files_of_a_list_are_summed(
    server: Any, band: dict[str, Path], model: Model, tmp_path: Path
) -> None:
    client = server.connect()
    session = {"bass": band["bass"], "backing": [band["drums"], band["guitar"]]}
    job = client.add(["piano"], session, {"steps": 1})
    (stem,) = client.wait(job)["stems"]
    both = tmp_path / "both.wav"
    soundfile.write(both, read(band["drums"]) + read(band["guitar"]), 44_100, "FLOAT")
    given = {"bass": band["bass"]}
    settings = PartSettings(0.0, 1.5, steps=1)
    (direct,) = add_files(
        model, ["piano"], given, tmp_path / "out", settings=settings, backing=both
    )
    np.testing.assert_array_equal(read(stem["wav"]), read(direct.stems["piano"]))


def test_a_filled_range_comes_back_without_the_rest(server: Any, band: dict[str, Path]) -> None:
    client = server.connect()
    job = client.fill("guitar", band, START, FRAMES, {"takes": 2})
    status = client.wait(job)
    assert [stem["take"] for stem in status["stems"]] == [1, 2]
    for stem in status["stems"]:
        assert (stem["stem"], stem["start"], stem["frames"]) == ("guitar", START, FRAMES)
        assert len(read(stem["wav"])) == FRAMES
        manifest = json.loads(Path(stem["wav"]).with_name("manifest.json").read_text())
        assert manifest["frames"] == FRAMES
        assert manifest["settings"]["seed"] == stem["take"] - 1
    # The fade begins with the old samples.
    old, new = read(band["guitar"])[START, 0], read(status["stems"][0]["wav"])[0, 0]
    assert abs(old - new) < 1e-3


def test_a_variation_is_the_one_that_the_engine_makes(
    server: Any, band: dict[str, Path], model: Model, tmp_path: Path
) -> None:
    client = server.connect()
    job = client.vary("drums", band, 0.5, {"seed": 9, "steps": 2})
    (stem,) = client.wait(job)["stems"]
    # The session has the rate and place of the stem that is varied.
    given = {"drums": band["drums"]} | band
    settings = PartSettings(0.0, 1.5, steps=2, seed=9)
    (direct,) = vary_file(
        model, "drums", given, tmp_path / "direct", strength=0.5, settings=settings
    )
    np.testing.assert_array_equal(read(stem["wav"]), read(direct.stems["drums"]))


def test_stems_out_of_nothing(server: Any) -> None:
    client = server.connect()
    options = {"stems": ["bass", "drums"], "rate": 48_000, "channels": 2, "steps": 1}
    job = client.generate(1.25, options)
    client.wait(job)
    stems, rate = client.fetch(job)
    assert rate == 48_000
    assert {stem: audio.shape for stem, audio in stems.items()} == {
        "bass": (60_000, 2),
        "drums": (60_000, 2),
    }


@pytest.mark.parametrize(
    ("address", "types", "values", "words"),
    [
        ("add", "sss", ("piano", "{}", ""), "no sound"),
        ("add", "sss", ("piano", '{"vocals": "/x"}', ""), "vocals"),
        ("add", "sss", ("bass", '{"bass": "/x"}', ""), "both given and wanted"),
        ("add", "sss", ("tuba", '{"bass": "/x"}', ""), "tuba"),
        ("add", "sss", ("", '{"bass": "/x"}', ""), "stems"),
        ("add", "sss", ("piano", '{"bass": 5}', ""), "expected a path"),
        ("add", "sss", ("piano", '{"bass": []}', ""), "expected a path"),
        ("add", "sss", ("piano", '{"bass": "/x", "start": -1}', ""), "start"),
        ("add", "sss", ("piano", '{"bass": "/x"}', '{"render": "mask"}'), "render"),
        ("fill", "sshhs", ("piano", '{"bass": "/x"}', 0, 10, ""), "not among what is given"),
        ("fill", "sshhs", ("bass", '{"bass": "/x"}', 0, 0, ""), "frames"),
        ("vary", "ssds", ("bass", '{"bass": "/x"}', 1.5, ""), "strength"),
        ("vary", "ssds", ("bass", '{"bass": "/x"}', float("nan"), ""), "strength"),
        ("generate", "ds", (0.0, ""), "seconds"),
        ("generate", "ds", (1e9, ""), "seconds"),
        ("generate", "ds", (2.0, '{"rate": 100}'), "rate"),
    ],
)
def test_parts_that_make_no_sense_are_refused(
    udp: Any, address: str, types: str, values: tuple[Any, ...], words: str
) -> None:
    answer = udp.ask(f"/bandmate/{address}", "s" + types, "r", *values)
    assert answer.address == "/bandmate/error"
    assert answer.values[2] == 400
    assert words in str(answer.values[3])


def test_a_region_beyond_the_session_is_refused_with_its_length(
    server: Any, band: dict[str, Path]
) -> None:
    with pytest.raises(ServerError, match="within its 66150") as caught:
        server.connect().add(["piano"], {**band, "start": 0, "frames": 10**9})
    assert caught.value.code == 400
