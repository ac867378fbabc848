"""Results appear whole or not at all."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bandmate_server.audio.broadcast import Broadcast
from bandmate_server.audio.sources import FileSource
from bandmate_server.errors import OutputError
from bandmate_server.options import BitDepth, Format
from bandmate_server.results import stem_file
from bandmate_server.results.folder import ResultFolder
from bandmate_server.results.stem_file import StemFile


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def write_result(folder: Path, names: list[str], *, force: bool = False, text: str = "new") -> None:
    with ResultFolder(folder, names, force, 0) as result:
        for name in names:
            result.path(name).write_text(text)
        outputs = {name: {"file": name} for name in names}
        result.commit({"outputs": outputs})


@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize(
    ("kind", "bits", "subtype"),
    [
        ("wav", "16", "PCM_16"),
        ("wav", "24", "PCM_24"),
        ("wav", "32f", "FLOAT"),
        ("flac", "16", "PCM_16"),
        ("flac", "24", "PCM_24"),
    ],
)
def test_file_holds_what_write_returns(
    tmp_path: Path, kind: Format, bits: BitDepth, subtype: str, channels: int
) -> None:
    audio = (0.3 * np.random.default_rng(0).standard_normal((1_000, channels))).astype(np.float32)
    path = tmp_path / f"stem.{kind}"
    file = StemFile(path, 44_100, channels, 1_000, kind, bits)
    stored = np.concatenate([file.write(audio[:300]), file.write(audio[300:])])
    file.close()
    found, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == 44_100
    assert soundfile.info(path).subtype == subtype
    np.testing.assert_array_equal(found, stored)
    if bits == "32f":
        np.testing.assert_array_equal(stored, audio)
    assert file.peak == np.abs(audio).max()
    assert file.rms == pytest.approx(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))


@pytest.mark.parametrize("bits", ["16", "24"])
def test_too_loud_samples_are_counted_and_do_not_wrap(tmp_path: Path, bits: BitDepth) -> None:
    audio = np.array([[0.5], [1.5], [-2.0], [-1.0]], np.float32)
    file = StemFile(tmp_path / "loud.wav", 8_000, 1, 4, "wav", bits)
    stored = file.write(audio)
    file.close()
    assert file.clipped == 2
    np.testing.assert_allclose(stored[:, 0], [0.5, 1.0, -1.0, -1.0], atol=1e-4)


def test_missing_frames_are_noticed(tmp_path: Path) -> None:
    file = StemFile(tmp_path / "short.wav", 8_000, 1, 100, "wav", "16")
    file.write(np.zeros((40, 1), np.float32))
    with pytest.raises(OutputError, match=r"short\.wav: 40 of 100 frames"):
        file.close()


def test_files_above_four_gigabytes_get_the_64_bit_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stem_file, "WAV_LIMIT", 1_000)
    file = StemFile(tmp_path / "big.wav", 8_000, 1, 1_001, "wav", "16")
    file.write(np.ones((1_001, 1), np.float32))
    file.close()
    assert soundfile.info(tmp_path / "big.wav").format == "RF64"


def test_result_and_its_parents_appear_on_commit(tmp_path: Path) -> None:
    target = tmp_path / "new" / "deep" / "sõng 'x'"
    write_result(target, ["a.wav", "b.wav"])
    assert sorted(path.name for path in target.iterdir()) == ["a.wav", "b.wav", "manifest.json"]
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_nothing_stays_of_a_result_without_commit(tmp_path: Path) -> None:
    target = tmp_path / "new" / "deep" / "song"
    with pytest.raises(KeyboardInterrupt), ResultFolder(target, ["a.wav"], False, 0) as result:
        result.path("a.wav").write_text("half")
        raise KeyboardInterrupt
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize("name", ["a.wav", "manifest.json"])
def test_existing_result_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "song").mkdir()
    (tmp_path / "song" / name).write_text("old")
    with (
        pytest.raises(OutputError, match=rf"{name} is there already"),
        ResultFolder(tmp_path / "song", ["a.wav"], False, 0),
    ):
        pass
    assert everything_in(tmp_path) == ["song", f"song/{name}"]


def test_force_replaces_the_result_and_spares_other_files(tmp_path: Path) -> None:
    target = tmp_path / "song"
    write_result(target, ["a.wav", "b.wav"], text="old")
    (target / "notes.txt").write_text("mine")
    write_result(target, ["a.wav"], force=True)
    assert everything_in(target) == ["a.wav", "manifest.json", "notes.txt"]
    assert (target / "a.wav").read_text() == "new"
    assert list(json.loads((target / "manifest.json").read_text())["outputs"]) == ["a.wav"]


def test_failed_replacement_leaves_the_old_result(tmp_path: Path) -> None:
    target = tmp_path / "song"
    write_result(target, ["a.wav"], text="old")
    with pytest.raises(RuntimeError), ResultFolder(target, ["a.wav"], True, 0) as result:
        result.path("a.wav").write_text("half")
        raise RuntimeError
    assert everything_in(tmp_path) == ["song", "song/a.wav", "song/manifest.json"]
    assert (target / "a.wav").read_text() == "old"


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "song").write_text("a file")
    with (
        pytest.raises(OutputError, match="is not a folder"),
        ResultFolder(tmp_path / "song", ["a.wav"], True, 0),
    ):
        pass


def test_file_in_place_of_a_parent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with (
        pytest.raises(OutputError, match=r"out"),
        ResultFolder(tmp_path / "out" / "song", ["a.wav"], True, 0),
    ):
        pass


@pytest.mark.slow
@pytest.mark.skipif("BANDMATE_FULL" not in os.environ, reason="4.3 GB of disk: BANDMATE_FULL=1")
def test_a_file_really_above_four_gigabytes_is_whole(tmp_path: Path) -> None:
    rate, channels = 192_000, 8
    block = np.random.default_rng(1).uniform(-1, 1, (10 * rate, channels)).astype(np.float32)
    blocks = 2**32 // block.nbytes + 1
    path = tmp_path / "long.wav"
    stamp = Broadcast(bytes(864)).moved(2**33)
    file = StemFile(path, rate, channels, blocks * len(block), "wav", "32f", stamp)
    for number in range(blocks):
        file.write(block * np.float32(1 / (1 + number)))
    file.close()
    assert path.stat().st_size > 2**32
    with FileSource(path) as source:
        assert source.frames == blocks * len(block)
        assert source.broadcast is not None
        assert source.broadcast.time_reference == 2**33
        last = source.read(source.frames - 1_000, 1_000)
    path.unlink()
    np.testing.assert_array_equal(last, block[-1_000:] * np.float32(1 / blocks))


def test_read_only_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    if os.name == "posix" and os.geteuid() == 0:
        folder = Path("/sys")  # Root may write everywhere else.
    else:
        folder.mkdir(mode=0o555)
    with (
        pytest.raises(OutputError, match=rf"cannot write to {folder}"),
        ResultFolder(folder / "out" / "song", ["a.wav"], False, 0),
    ):
        pass
    assert not (folder / "out").exists()


def test_full_disk_is_noticed_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    with (
        pytest.raises(OutputError, match=r"full: 5\.0 MB are needed, 1\.0 MB are free"),
        ResultFolder(tmp_path / "out" / "song", ["a.wav"], False, 5_000_000),
    ):
        pass
    assert everything_in(tmp_path) == []


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from bandmate_server.errors import OutputError
from bandmate_server.results.stem_file import StemFile
path, kind = Path(sys.argv[1]), sys.argv[2]
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
noise = np.random.default_rng(0).uniform(-1, 1, (10_000, 1)).astype(np.float32)
try:
    file = StemFile(path, 44_100, 1, 100_000, kind, "16")
    for _ in range(10):
        file.write(noise)
    file.close()
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_disk_that_fills_up_while_writing_is_one_line_with_the_path(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"stem.{kind}"
    done = subprocess.run(
        [sys.executable, "-c", FULL, path, kind],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.startswith(f"cannot write {path}: ")
    assert done.stdout.count("\n") == 1
