"""Which songs a batch finds, and where their results go."""

from pathlib import Path

import pytest

from bandmate_bridge.batch.inputs import BatchItem, find_songs
from bandmate_bridge.batch.plan import BatchPlan, Work, check_template, collisions
from bandmate_server.errors import SettingsError
from bandmate_server.settings import SeparateSettings


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def found(inputs: list[str], out: Path) -> list[tuple[str, str]]:
    return [(song.path.name, song.folder) for song in find_songs(inputs, out)]


def test_folders_are_searched_through_but_for_hidden_files_and_results(tmp_path: Path) -> None:
    songs = tmp_path / "songs"
    touch(songs / "b.WAV", songs / "a.mp3", songs / "x" / "y" / "c.flac", songs / "notes.txt")
    touch(songs / ".trash" / "d.wav", songs / "._e.wav", songs / "stems" / "b" / "bass.wav")
    expected = [("a.mp3", ""), ("b.WAV", ""), ("c.flac", "x/y")]
    assert found([str(songs)], songs / "stems") == expected


def test_patterns_lists_and_files_are_taken_each_song_once(tmp_path: Path) -> None:
    touch(tmp_path / "a.wav", tmp_path / "x" / "b.wav", tmp_path / "x" / "c.txt")
    (tmp_path / "list.m3u").write_text("#EXTM3U\nx/b.wav\n\nmissing.wav\n")
    inputs = [str(tmp_path / "**" / "*"), str(tmp_path / "list.m3u"), str(tmp_path / "a.wav")]
    names = [name for name, _ in found(inputs, tmp_path / "out")]
    assert sorted(names) == ["a.wav", "b.wav", "missing.wav"]


def test_names_with_pattern_characters_are_plain_names_if_they_are_there(tmp_path: Path) -> None:
    touch(tmp_path / "a[1].wav", tmp_path / "a1.wav")
    assert found([str(tmp_path / "a[1].wav")], tmp_path / "out") == [("a[1].wav", "")]


def plan(template: str = "{folder}/{name}/{stem}.{ext}") -> BatchPlan:
    return BatchPlan(Path("/out"), template, SeparateSettings(), "fake", "cpu", 1)


@pytest.mark.parametrize(
    ("template", "place"),
    [
        ("{folder}/{name}/{stem}.{ext}", "take-2/live/song/bass.wav"),
        ("{stem}/{name}.wav", "take-2/bass/song.wav"),
        ("{name} ({suffix}) - {stem}.{ext}", "take-2/song (mp3) - bass.wav"),
    ],
)
def test_templates_name_places(template: str, place: str) -> None:
    check_template(template, "wav")
    work = Work(BatchItem(Path("songs/live/song.mp3"), "live"), 2)
    assert plan(template).place(work, "bass") == Path(place)


def test_results_of_a_top_folder_have_no_empty_folder() -> None:
    assert plan().place(Work(BatchItem(Path("a.b.wav"))), "bass") == Path("a.b/bass.wav")
    assert plan().manifest(Work(BatchItem(Path("a.wav")))) == Path("/out/a/manifest.json")


@pytest.mark.parametrize(
    ("template", "word"),
    [
        ("{name}/{stem}.flac", ".wav"),
        ("{name}/{stm}.wav", "'stem'"),
        ("{name}.wav", "{stem}"),
        ("{stem}.wav", "{name}"),
        ("/{name}/{stem}.wav", "leads out"),
        ("../{name}/{stem}.wav", "leads out"),
        ("{name/{stem}.wav", "template"),
        ("{}{name}/{stem}.wav", "template"),
    ],
)
def test_templates_that_cannot_work_are_refused(template: str, word: str) -> None:
    with pytest.raises(SettingsError) as error:
        check_template(template, "wav")
    assert word in str(error.value)


def test_songs_that_would_replace_each_other_are_found() -> None:
    works = [Work(BatchItem(Path(name))) for name in ("song.wav", "b.wav", "Song.mp3")]
    refused = collisions(plan(), works)
    assert list(refused) == [2]
    assert "song.wav" in refused[2]
    assert "--template" in refused[2]
    assert not collisions(plan("{name}-{suffix}/{stem}.{ext}"), works)
