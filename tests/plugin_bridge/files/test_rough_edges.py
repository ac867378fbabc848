"""What surrounds a file: pipes, lists, links, other programs, and what cannot be read."""

import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_bridge.batch.inputs import find_songs
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.errors import OutputError
from bandmate_server.model.opening import open_latent_model
from bandmate_server.results.claim import claimed

Run = Callable[..., Any]
Music = tuple[FloatArray, int]


def wav(music: Music, frames: int = 20_000) -> bytes:
    held = io.BytesIO()
    soundfile.write(held, music[0][:frames], music[1], format="WAV", subtype="PCM_16")
    return held.getvalue()


def write_pipe(path: Path, content: bytes, reader: subprocess.Popen[bytes]) -> None:
    """Write to a named pipe; fail, and do not wait for ever, where its reader ends or hangs."""
    deadline = time.monotonic() + 120
    while True:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError as error:  # Nobody has opened it to read yet.
            assert error.errno == errno.ENXIO
        assert reader.poll() is None, reader.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.set_blocking(handle, True)
    hangs = threading.Timer(120, reader.kill)
    hangs.start()
    try:
        with os.fdopen(handle, "wb") as pipe:
            pipe.write(content)
    finally:
        hangs.cancel()


def check_sum(folder: Path, content: bytes) -> None:
    whole = soundfile.read(io.BytesIO(content), always_2d=True)[0]
    total = np.sum([soundfile.read(path, always_2d=True)[0] for path in folder.glob("*.wav")], 0)
    np.testing.assert_allclose(total, whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "pipe.wav"])
@pytest.mark.parametrize("command", ["separate", "batch", "add"])
def test_pipes_are_read(
    name: str, command: str, tmp_path: Path, environment: dict[str, str], music: Music
) -> None:
    content = wav(music)
    arguments = [sys.executable, "-m", "bandmate_bridge.cli", command]
    arguments += ["piano", "--to", f"backing={name}"] if command == "add" else [name]
    if name == "pipe.wav":
        os.mkfifo(tmp_path / name)
    run = subprocess.Popen(
        [*arguments, "--out", "o", "--model", "fake"],
        cwd=tmp_path, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    if name == "pipe.wav":
        write_pipe(tmp_path / name, content, run)
        _, said = run.communicate(timeout=120)
    else:
        _, said = run.communicate(content, timeout=120)
    assert run.returncode == 0, said
    stem = "pipe" if name == "pipe.wav" else "stdin"
    if command == "add":
        assert soundfile.info(tmp_path / "o" / "piano.wav").frames == 20_000
    else:
        check_sum(tmp_path / "o" / stem, content)
    assert not [path for path in tmp_path.rglob(".bandmate-*") if path.name[-5:] != ".lock"]


def test_process_substitutions_of_one_command_have_names_of_their_own(
    tmp_path: Path, environment: dict[str, str], music: Music
) -> None:
    (tmp_path / "a.wav").write_bytes(wav(music))
    command = f'"{sys.executable}" -m bandmate_bridge.cli separate <(cat a.wav) <(cat a.wav)'
    run = subprocess.run(
        ["bash", "-c", f"{command} --out o --model fake"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run
    assert len(list((tmp_path / "o").iterdir())) == 2


def test_unread_files_in_a_folder_are_counted_and_named(
    tmp_path: Path, bandmate: Run, music: Music
) -> None:
    songs = tmp_path / "songs"
    songs.mkdir()
    (songs / "good.au").write_bytes(wav(music))
    for name in ("a.m4a", "b.M4A", "c.wv", "cover.jpg", "notes.txt"):
        (songs / name).write_bytes(b"x")
    ran = bandmate("batch", "songs", "--out", "o", "--model", "fake", "--jobs", "1")
    assert ran.status == 0
    (line,) = [line for line in ran.errors if "left out" in line]
    assert re.search(r"3 files are left out, as \.m4a, \.wv .*: a\.m4a, b\.M4A, c\.wv", line)
    left = json.loads((tmp_path / "o" / "report.json").read_text())["left_out"]
    assert sorted(Path(path).name for path in left) == ["a.m4a", "b.M4A", "c.wv"]
    alone = bandmate("batch", "songs/a.m4a", "--out", "p", "--model", "fake", "--jobs", "1")
    assert alone.status == 1


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "b.wav").touch()
    songs = tmp_path / "songs"
    (songs / "x").mkdir(parents=True)
    (songs / "x" / "a.wav").touch()
    for link, target in {
        "linked": tmp_path / "real",
        "again": tmp_path / "real",
        "loop": songs,
        "x/up": songs / "x",
        "broken": tmp_path / "gone",
    }.items():
        (songs / link).symlink_to(target, target_is_directory=True)
    found = [song.path.name for song in find_songs([str(songs)], tmp_path / "out")]
    assert sorted(found) == ["a.wav", "b.wav"]


def test_a_list_that_names_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "one.m3u").write_text("two.m3u\na.wav\n")
    (tmp_path / "two.m3u").write_text("one.m3u\n")
    songs = find_songs([str(tmp_path / "one.m3u")], tmp_path / "out")
    assert [song.path.name for song in songs] == ["a.wav"]


def test_threads_are_capped_at_the_processors(fake_bundle: Path) -> None:
    most = len(os.sched_getaffinity(0))
    model = open_latent_model(fake_bundle, "cpu", threads=100 * most)
    assert model.threads <= most
    assert any(str(100 * most) in warning for warning in model.warnings)
    assert not open_latent_model(fake_bundle, "cpu", threads=1).warnings


def test_a_claim_is_one_writer_s_and_ends_with_it(tmp_path: Path) -> None:
    place = tmp_path / "new" / "song"
    with claimed(place):
        with pytest.raises(OutputError, match="another run is writing to"), claimed(place):
            pass
        with claimed(place.with_name("other")):
            pass
    assert not (tmp_path / "new").exists()
    with claimed(place):
        pass


def test_a_claim_of_a_killed_process_is_free_again(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from bandmate_server.results.claim import claimed\n"
        "with claimed(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "song")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(OutputError), claimed(tmp_path / "song"):
        pass
    process.kill()
    process.communicate(timeout=30)
    with claimed(tmp_path / "song"):
        pass


@pytest.mark.parametrize("command", ["generate", "add"])
def test_of_two_runs_that_make_parts_in_one_place_one_is_refused(
    command: str, tmp_path: Path, environment: dict[str, str], music: Music
) -> None:
    (tmp_path / "bass.wav").write_bytes(wav(music, 400_000))
    what = {
        "generate": ["--seconds", "9", "--stems", "piano"],
        "add": ["piano", "--to", "bass.wav"],
    }[command]
    line = [sys.executable, "-m", "bandmate_bridge.cli", command, *what, "--takes", "3"]
    runs = [
        subprocess.Popen([*line, "--out", "o", "--model", "fake", "--force", "--seed", seed],
                         cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, text=True)
        for seed in ("1", "100")
    ]  # fmt: skip
    said = [run.communicate(timeout=120)[1] for run in runs]
    states = [run.returncode for run in runs]
    assert 0 in states, said
    takes = [json.loads((tmp_path / "o" / f"take-{k}" / "manifest.json").read_text())
             for k in (1, 2, 3)]  # fmt: skip
    seeds = [take["settings"]["seed"] for take in takes]
    assert seeds in ([1, 2, 3], [100, 101, 102])
    if states != [0, 0]:  # else one began after the other's end
        assert "another run is writing to" in said[states.index(1)]


def test_serve_without_stdout_serves(tmp_path: Path, environment: dict[str, str]) -> None:
    line = f'exec "{sys.executable}" -m bandmate_bridge.cli serve --model fake --port 0 --workdir w'
    run = subprocess.Popen(["sh", "-c", f"{line} >&- 2>&-"], cwd=tmp_path, env=environment)
    try:
        time.sleep(4.0)
        assert run.poll() is None
    finally:
        run.terminate()
        assert run.wait(60) == 0


def test_results_whose_reader_has_gone_are_made_all_the_same(
    tmp_path: Path, environment: dict[str, str], music: Music
) -> None:
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(wav(music))
    theirs, ours = os.pipe()
    os.close(theirs)
    line = [sys.executable, "-m", "bandmate_bridge.cli", "separate", "a.wav", "b.wav"]
    run = subprocess.run(
        [*line, "--out", "o", "--model", "fake"],
        cwd=tmp_path,
        env=environment,
        stdout=ours,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    os.close(ours)
    assert (run.returncode, run.stderr) == (0, b"")
    for name in ("a", "b"):
        check_sum(tmp_path / "o" / name, wav(music))


def test_full_disk_for_decoded_audio_is_said(
    tmp_path: Path, separate: Run, music: Music, mp3: Path
) -> None:
    import resource

    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    ran = separate(mp3.name, preexec_fn=small)
    ran.failed_with(1, "cannot keep the decoded audio", "TMPDIR")


def test_the_page_s_commands_run(tmp_path: Path, environment: dict[str, str], music: Music) -> None:
    page = (Path(__file__).parents[3] / "docs" / "files.md").read_text("utf-8")
    (commands,) = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    soundfile.write(tmp_path / "song.flac", music[0][:20_000], music[1])
    command = f'"{sys.executable}" -m bandmate_bridge.cli'
    ran = subprocess.run(
        ["sh", "-e", "-c", commands.replace("bandmate ", f"{command} ")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran
    assert (tmp_path / "stems" / "stdin" / "bass.wav").is_file()
