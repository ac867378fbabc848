from __future__ import annotations

import argparse
import hashlib
import json
import mmap
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bandmate_server.errors import CorpusError
from bandmate_server.spec import MEL, STEMS
from bandmate_training.cli import main
from bandmate_training.corpus import build, command, fluid, grooves, instruments, render, timidity
from bandmate_training.corpus.instruments import INSTRUMENTS, Preset
from bandmate_training.corpus.perform import events
from bandmate_training.corpus.report import write_report
from bandmate_training.corpus.score import Clock, Note, Part
from bandmate_training.corpus.spotcheck import write_page

OWN = build.Sources(None, mma=False, simutrans=False)


needs_tools = pytest.mark.usefixtures("renderers")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make songs of some ten seconds."""
    monkeypatch.setattr(build, "SECONDS", (8.0, 10.0))


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def make(out: Path, jobs: list[build.Job]) -> None:
    list(build.build(out, jobs, OWN, 1))


@needs_tools
@pytest.mark.usefixtures("short")
def test_song_depends_on_seed_and_index_alone(tmp_path: Path) -> None:
    jobs = [build.Job(3, "train", k) for k in range(3)]
    make(tmp_path / "a", jobs)
    make(tmp_path / "b", [jobs[2], jobs[0]])
    first, second = hashes(tmp_path / "a" / "train"), hashes(tmp_path / "b" / "train")
    assert second
    assert all(first[name] == value for name, value in second.items())
    make(tmp_path / "c", [build.Job(4, "train", 0)])
    assert set(hashes(tmp_path / "c" / "train").values()).isdisjoint(first.values())


@needs_tools
@pytest.mark.usefixtures("short")
def test_stems_share_one_length_and_sound_as_declared(tmp_path: Path) -> None:
    jobs = [build.Job(1, split, k) for split in build.SPLITS for k in range(3)]
    make(tmp_path, jobs)
    for job in jobs:
        folder = tmp_path / job.split / job.name
        facts = json.loads((folder / "track.json").read_text())
        audio = {p.stem: soundfile.read(p, dtype="float32") for p in folder.glob("*.wav")}
        assert set(STEMS) <= set(audio)
        lengths = {len(wave) for wave, _ in audio.values()}
        assert {round(n / MEL.sample_rate, 3) for n in lengths} == {facts["seconds"]}
        assert len(lengths) == 1
        for stem, (wave, rate) in audio.items():
            assert rate == MEL.sample_rate
            assert np.abs(wave).max() <= render.PEAK + 1e-3
            assert (np.abs(wave).max() > 0.01) == (facts["active"][stem] > 0)
            assert (stem in facts["voices"]) == (facts["active"][stem] > 0)
        held = {p.label for row in INSTRUMENTS.values() for p in row.held_back}
        used = {v["preset"] for rows in facts["voices"].values() for v in rows}
        assert used <= held if job.split == "validation" else not used & held
        tapes = {v["voicing"]["tape"] for rows in facts["voices"].values() for v in rows}
        assert tapes == {1.0} if job.split == "validation" else len(tapes) > 1


@needs_tools
@pytest.mark.usefixtures("short")
def test_rebuilding_keeps_finished_songs_and_removes_leftovers(tmp_path: Path) -> None:
    jobs = [build.Job(2, "train", k) for k in range(2)]
    make(tmp_path, jobs[:1])
    kept = tmp_path / "train" / jobs[0].name / "track.json"
    before = kept.stat().st_mtime_ns
    left = tmp_path / "train" / f".{jobs[1].name}.part"
    left.mkdir()
    (left / "bass.wav").write_bytes(b"half")
    make(tmp_path, jobs)
    assert kept.stat().st_mtime_ns == before
    assert not left.exists()
    assert (tmp_path / "train" / jobs[1].name / "track.json").exists()


@needs_tools
@pytest.mark.usefixtures("short")
def test_reports_describe_what_is_there(tmp_path: Path) -> None:
    make(tmp_path, [build.Job(1, "train", 0), build.Job(1, "validation", 0)])
    write_report(tmp_path)
    write_page(tmp_path)
    facts = json.loads((tmp_path / "report.json").read_text())
    assert facts["train"]["tracks"] == facts["validation"]["tracks"] == 1
    assert "| bass |" in (tmp_path / "report.md").read_text()
    page = (tmp_path / "spot-check.html").read_text()
    assert page.count("<img") == 2


def font_presets(path: Path) -> set[tuple[int, int]]:
    """Return (bank, program) of a sound font's presets, from its `phdr` chunk."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.rfind(b"phdr")
        (size,) = struct.unpack_from("<I", data, place + 4)
        rows = [struct.unpack_from("<HH", data, place + 28 + k) for k in range(0, size - 38, 38)]
    return {(bank, program) for program, bank in rows}


@needs_tools
@pytest.mark.parametrize("family", ["fluid", "musescore", "tim"])
def test_presets_all_exist_in_their_fonts(family: str) -> None:
    wanted = {p for row in INSTRUMENTS.values() for p in row.presets if p.family == family}
    assert {(p.bank, p.program) for p in wanted} <= font_presets(instruments.FONTS[family])


@needs_tools
@pytest.mark.usefixtures("short")
def test_another_font_plays_the_validation_songs_alone(tmp_path: Path) -> None:
    font = tmp_path / "another font.sf2"
    shutil.copy(instruments.FONTS["tim"], font)
    out = tmp_path / "corpus"
    args = ["--out", str(out), "--hours", "0.08", "--seed", "5", "--jobs", "1", "--font", str(font)]
    assert main(["corpus", *args]) == 0
    assert not list((out / "train").iterdir())
    songs = [json.loads(p.read_text()) for p in sorted((out / "validation").glob("*/track.json"))]
    assert len(songs) > 1
    voices = [(stem, v) for song in songs for stem, rows in song["voices"].items() for v in rows]
    assert all(v["preset"].startswith("another font ") for _, v in voices)
    twins = {(stem, Preset("tim", v["bank"], v["program"])) for stem, v in voices}
    assert any(p in INSTRUMENTS[s].presets and p not in INSTRUMENTS[s].held_back for s, p in twins)
    assert "another font" in (out / "report.md").read_text()


@needs_tools
@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "there is no sound font"), (b"RIFF, or not", "cannot load .*no sound font")],
)
def test_what_is_no_font_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    font = tmp_path / "odd.sf2"
    if content is not None:
        font.write_bytes(content)
    with pytest.raises(CorpusError, match=message):
        instruments.foreign(font)


@needs_tools
def test_a_font_without_all_stems_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = replace(INSTRUMENTS["drums"], presets=[Preset("tim", 128, 77)])  # a kit it lacks
    monkeypatch.setitem(INSTRUMENTS, "drums", lacking)
    with pytest.raises(CorpusError, match="no General MIDI font: it has no drums"):
        instruments.foreign(instruments.FONTS["tim"])


@needs_tools
@pytest.mark.slow
def test_two_workers_make_what_one_makes(tmp_path: Path) -> None:
    jobs = [build.Job(1, "train", k) for k in range(2)]
    make(tmp_path / "one", jobs)
    list(build.build(tmp_path / "two", jobs, OWN, 2))
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_plan_gives_the_hours_and_spreads_validation() -> None:
    jobs = build.plan(2.0, 7)
    train = [j for j in jobs if j.split == "train"]
    held = [j for j in jobs if j.split == "validation"]
    assert 2.0 <= sum(j.seconds() for j in train) / 3600 < 2.05
    assert 0.12 <= sum(j.seconds() for j in held) / 3600 < 0.16
    assert jobs == build.plan(2.0, 7)
    assert len({(j.split, j.name) for j in jobs}) == len(jobs)
    assert {j.split for j in jobs[: len(jobs) // 2]} == set(build.SPLITS)


def test_more_hours_only_add_songs() -> None:
    assert set(build.plan(1.0, 1)) <= set(build.plan(2.0, 1))


def test_missing_font_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(instruments.FONTS, "tim", Path("nowhere/TimGM6mb.sf2"))
    with pytest.raises(CorpusError, match=r"TimGM6mb\.sf2.*apt-get install.*timgm6mb-soundfont"):
        instruments.check_fonts(("tim",))


@pytest.mark.parametrize(
    ("check", "word"), [(timidity.find_tool, "timidity"), (grooves.groove_files, "mma")]
)
def test_missing_tool_names_the_package_to_install(
    check: Callable[[], object], word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CorpusError, match=rf"{word} is missing: apt-get install .*{word}"):
        check()


def test_missing_library_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.util.find_library", lambda _: "libnowhere.so")
    with pytest.raises(CorpusError, match=r"apt-get install fluidsynth"):
        fluid.load_library()


@pytest.mark.parametrize("options", [["--hours", "0"], ["--jobs", "0"], ["--seed", "-1"]])
def test_options_out_of_range_are_refused(options: list[str], tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    with pytest.raises(CorpusError, match="must be positive"):
        command.run(parser.parse_args(["--out", str(tmp_path), *options]))


def test_report_of_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no finished tracks"):
        write_report(tmp_path)


def test_events_end_a_note_before_its_pitch_is_struck_again() -> None:
    part = Part("piano", [Note(0, 4, 60, 80), Note(1, 2, 60, 80)], loose=0.0)
    rows = events(part, Clock(np.linspace(0, 4, 9)), np.random.default_rng(0))
    assert [kind for _, kind, _, _ in rows] == [2, 0, 2, 0]


def test_softening_leaves_quiet_samples_and_bounds_peaks() -> None:
    audio = np.linspace(-3, 3, 601, dtype=np.float32)
    soft = render.soften(audio)
    quiet = np.abs(audio) <= render.KNEE
    np.testing.assert_array_equal(soft[quiet], audio[quiet])
    assert np.abs(soft).max() <= render.PEAK + 1e-6
    assert (np.diff(soft) >= 0).all()
