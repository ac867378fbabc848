"""Bad input at the command line: one clear line, the right status, nothing half-written."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

Run = Callable[..., Any]
NAMES = ("bass", "drums", "guitar", "piano", "other")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("I am a shopping list, not a song.\n" * 100)


def truncated(path: Path) -> None:
    soundfile.write(path, np.full((44_100, 2), 0.1), 44_100, "PCM_16")
    path.write_bytes(path.read_bytes()[:50_000])


def folder(path: Path) -> None:
    path.mkdir()


def nothing(path: Path) -> None:
    pass


def not_a_number(path: Path) -> None:
    sound = np.full((44_100, 2), 0.1, np.float32)
    sound[30_000, 1] = np.nan
    soundfile.write(path, sound, 44_100, "FLOAT")


def infinite(path: Path) -> None:
    sound = np.full((44_100, 1), 0.1, np.float32)
    sound[3] = -np.inf
    soundfile.write(path, sound, 44_100, "FLOAT")


def no_frames(path: Path) -> None:
    soundfile.write(path, np.zeros((0, 2)), 44_100, "PCM_16")


def nine_channels(path: Path) -> None:
    soundfile.write(path, np.full((4_410, 9), 0.1), 44_100, "PCM_16")


def too_slow(path: Path) -> None:
    soundfile.write(path, np.full((4_410, 1), 0.1), 4_000, "PCM_16")


@pytest.mark.parametrize(
    "make",
    [
        empty,
        text,
        truncated,
        folder,
        nothing,
        not_a_number,
        infinite,
        no_frames,
        nine_channels,
        too_slow,
    ],
)
def test_a_file_that_is_no_usable_audio(
    separate: Run, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "bad one.wav")
    separate("bad one.wav").failed_with(1, "bad one.wav")
    assert not (tmp_path / "stems").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(separate: Run, song: Path) -> None:
    song.chmod(0)
    separate(song).failed_with(1, "song.wav", "ermission")


def test_a_name_that_is_no_text_is_printed_escaped(
    separate: Run, song: Path, tmp_path: Path
) -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    song.rename(tmp_path / name)
    separate(name).failed_with(1, r"caf\udce9.wav", "UTF-8")
    assert not (tmp_path / "stems").exists()


def zeros(frames: int) -> Any:
    return np.zeros((frames, 2), np.float32)


@pytest.mark.parametrize(
    ("name", "sound"),
    [
        ("silence", zeros(22_050)),
        ("dc", zeros(22_050) + 0.5),
        ("clipped", np.sign(np.sin(np.arange(22_050) / 9.0))[:, None].repeat(2, 1)),
        ("short", zeros(441) + 0.1),
    ],
)
def test_odd_but_good_audio_is_separated(
    separate: Run, tmp_path: Path, name: str, sound: Any
) -> None:
    soundfile.write(tmp_path / f"{name}.wav", sound, 44_100, "FLOAT")
    ran = separate(f"{name}.wav")
    assert ran.status == 0, ran.errors
    stems = [soundfile.read(tmp_path / "stems" / name / f"{stem}.wav")[0] for stem in NAMES]
    assert np.abs(np.sum(stems, axis=0) - sound).max() <= 1e-6
    if name == "silence":
        assert all(not stem.any() for stem in stems)


@pytest.mark.parametrize("rate", [8_000, 192_000])
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_any_rate_and_channel_count(
    separate: Run, make_song: Callable[..., None], tmp_path: Path, rate: int, channels: int
) -> None:
    make_song(tmp_path / "song.wav", 0.5, rate, channels)
    assert separate("song.wav").status == 0
    for stem in NAMES:
        info = soundfile.info(tmp_path / "stems" / "song" / f"{stem}.wav")
        assert (info.samplerate, info.channels, info.frames) == (rate, channels, rate // 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "1", "--end", "1"], ["1 s"]),
        (["--start", "1.25", "--end", "0:01"], ["1.25 s", "1 s"]),
        (["--end", "0"], ["0 s"]),
        (["--start", "-1"], ["-1"]),
        (["--start", "soon"], ["soon"]),
        (["--start", "nan"], ["nan"]),
        (["--end", "1:75"], ["1:75"]),
        (["--stems", "gitar"], ["gitar", "guitar"]),
        (["--stems", "vocals"], ["vocals", "piano"]),
        (["--stems", ","], ["bass"]),
        (["--stems", "other"], ["bass"]),
        (["--format", "flac", "--bit-depth", "32f"], ["flac", "32f"]),
        (["--format", "mp3"], ["mp3"]),
        (["--steps", "-1"], ["-1"]),
        (["--steps", "many"], ["many"]),
        (["--eta", "2"], ["eta", "2"]),
        (["--guidance", "nan"], ["guidance"]),
        (["--seed", "-5"], ["seed", "-5"]),
        (["--seed", str(2**63 - 1), "--takes", "2"], ["seed"]),
        (["--takes", "0"], ["0"]),
        (["--threads", "0"], ["0"]),
        (["--render", "magic"], ["magic"]),
        (["--device", "tpu"], ["tpu"]),
        (["--frobnicate"], ["--frobnicate"]),
    ],
)
def test_wrong_usage_is_status_2(
    bandmate_here: Run, song: Path, tmp_path: Path, options: list[str], words: list[str]
) -> None:
    model = ["--out", "stems", "--model", "fake", "--device", "cpu", "--threads", "1"]
    bandmate_here("separate", song, *model, *options).failed_with(2, *words)
    assert not (tmp_path / "stems").exists()


@pytest.mark.parametrize("command", [[], ["separate"], ["separate", "a.wav"], ["models"], ["sing"]])
def test_an_incomplete_command_is_status_2(bandmate_here: Run, command: list[str]) -> None:
    bandmate_here(*command).failed_with(2)


def test_wrong_usage_with_json_is_still_one_object(separate: Run, song: Path) -> None:
    ran = separate(song, "--stems", "gitar", "--json")
    assert ran.status == 2
    assert "guitar" in ran.json["error"]


@pytest.mark.parametrize(
    ("options", "word"),
    [(["--start", "1:00"], "60"), (["--start", "1", "--end", "2"], "2")],
)
def test_a_region_past_the_end(
    separate: Run, song: Path, tmp_path: Path, options: list[str], word: str
) -> None:
    separate(song, *options).failed_with(1, word, "1.5")
    assert not (tmp_path / "stems").exists()


def test_an_existing_result_is_kept_without_force(
    separate: Run, song: Path, tmp_path: Path
) -> None:
    assert separate(song).status == 0
    bass = tmp_path / "stems" / "song" / "bass.wav"
    before = bass.stat().st_mtime_ns
    separate(song).failed_with(1, "song", "--force")
    assert bass.stat().st_mtime_ns == before
    assert separate(song, "--force").status == 0
    assert bass.stat().st_mtime_ns != before


def test_an_output_below_a_file_cannot_be_made(separate: Run, song: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("a file")
    separate(song, out="plain/stems").failed_with(1, "plain")
    assert (tmp_path / "plain").read_text() == "a file"


def test_a_file_where_the_result_goes(separate: Run, song: Path, tmp_path: Path) -> None:
    (tmp_path / "stems").mkdir()
    (tmp_path / "stems" / "song").write_text("a file")
    separate(song).failed_with(1, str(Path("stems") / "song"))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_an_output_folder_that_takes_no_files(separate: Run, song: Path) -> None:
    separate(song, out="/proc/bandmate").failed_with(1, "/proc")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_output_folder(separate: Run, song: Path, tmp_path: Path) -> None:
    (tmp_path / "stems").mkdir(mode=0o500)
    separate(song).failed_with(1, "stems", "ermission")


def test_a_disk_that_fills_up_midway(separate: Run, song: Path, tmp_path: Path) -> None:
    def no_large_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    separate(song, preexec_fn=no_large_files).failed_with(1, ".wav")
    assert not (tmp_path / "stems").exists()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of 300 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("may not mount a file system here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_a_disk_that_is_too_small(
    separate: Run, make_song: Callable[..., None], tiny_disk: Path, tmp_path: Path, kind: str
) -> None:
    make_song(tmp_path / "song.wav", 4.0)
    separate("song.wav", "--format", kind, out=tiny_disk).failed_with(1, str(tiny_disk))
    assert list(tiny_disk.iterdir()) == []


def test_a_read_only_disk(separate: Run, song: Path, tiny_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    separate(song, out=tiny_disk).failed_with(1, str(tiny_disk), "Read-only")


@pytest.fixture
def copy(fake_bundle: Path, tmp_path: Path) -> Path:
    target = tmp_path / "broken"
    shutil.copytree(fake_bundle, target)
    return target


def flip(bundle: Path) -> str:
    data = bytearray((bundle / "denoiser.onnx").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (bundle / "denoiser.onnx").write_bytes(data)
    return "denoiser.onnx"


def cut(bundle: Path) -> str:
    data = (bundle / "encoder.onnx").read_bytes()
    (bundle / "encoder.onnx").write_bytes(data[: len(data) // 2])
    return "encoder.onnx"


def swap(bundle: Path) -> str:
    manifest = json.loads((bundle / "bundle.json").read_text("utf-8"))
    one, other = bundle / "decoder.onnx", bundle / "vocoder.onnx"
    held = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(held)
    sums = manifest["sha256"]
    sums[one.name], sums[other.name] = sums[other.name], sums[one.name]
    (bundle / "bundle.json").write_text(json.dumps(manifest), "utf-8")
    return "decoder.onnx"


def remove(bundle: Path) -> str:
    (bundle / "vocoder.onnx").unlink()
    return "vocoder.onnx"


def spoil(bundle: Path) -> str:
    (bundle / "bundle.json").write_text("{")
    return "bundle.json"


def forget(bundle: Path) -> str:
    manifest = json.loads((bundle / "bundle.json").read_text("utf-8"))
    del manifest["spec"]
    (bundle / "bundle.json").write_text(json.dumps(manifest), "utf-8")
    return "bundle.json"


@pytest.mark.parametrize("damage", [flip, cut, swap, remove, spoil, forget])
def test_a_damaged_model_is_named(
    bandmate: Run, song: Path, copy: Path, tmp_path: Path, damage: Callable[[Path], str]
) -> None:
    named = damage(copy)
    ran = bandmate("separate", song, "--out", "stems", "--model", copy, "--device", "cpu")
    ran.failed_with(1, named)
    assert not (tmp_path / "stems").exists()


def test_a_damaged_model_is_told_by_verify_and_not_added(
    bandmate: Run, copy: Path, environment: dict[str, str]
) -> None:
    flip(copy)
    bandmate("models", "verify", copy).failed_with(1, "denoiser.onnx")
    bandmate("models", "add", copy).failed_with(1, "denoiser.onnx")
    assert not list(Path(environment["HOME"]).rglob("*.onnx"))


@pytest.mark.parametrize("name", ["nosuch", "./nosuch", "."])
def test_an_unknown_model(bandmate: Run, song: Path, tmp_path: Path, name: str) -> None:
    ran = bandmate("separate", song, "--out", "stems", "--model", name)
    ran.failed_with(1, Path(name).name or ".")
    assert not (tmp_path / "stems").exists()


@pytest.mark.parametrize("action", ["verify", "add"])
def test_an_unknown_model_for_the_models_command(bandmate: Run, action: str) -> None:
    bandmate("models", action, "nosuch").failed_with(1, "nosuch")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_stdout_that_takes_nothing_is_an_error_in_one_line(
    environment: dict[str, str],
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bandmate_bridge.cli", "models", "list"],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "No space left" in done.stderr
