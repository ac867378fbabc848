"""Files to and from the server: pieces, paths that must not be named, and the token."""

import hashlib
import os
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_bridge.client.connection import Connection
from bandmate_server.errors import RequestError, ServerError
from bandmate_server.jobs.allowed_files import AllowedFolders
from bandmate_server.osc.protocol import TCP_BLOB, UDP_BLOB
from bandmate_server.osc.transfers import Transfers

TOKEN = "a-token-of-good-length-0123456789"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_audio_without_a_shared_disk_is_separated_and_fetched(server: Any) -> None:
    rng = np.random.default_rng(3)
    audio = (0.1 * rng.standard_normal((30_000, 2))).astype(np.float32)
    client = server.connect()
    name = client.put_audio(audio, 48_000)
    job = client.separate(name, 100, 20_000)
    client.wait(job)
    stems, rate = client.fetch(job)
    assert rate == 48_000
    assert np.abs(sum(stems.values()) - audio[100:20_100]).max() <= 1e-6


def test_a_file_outside_of_the_allowed_folders_is_sent_by_the_client(
    server: Any, tmp_path: Path, make_song: Any
) -> None:
    make_song(tmp_path / "elsewhere.wav", 0.5)
    client = server.connect()
    job = client.separate(tmp_path / "elsewhere.wav", options={"position": 3})
    status = client.wait(job)
    assert status["state"] == "done"
    inbox = server.workdir / "inbox"
    assert not (inbox / f"{job}.failed").exists(), "refused at first, but not in the end"
    assert (inbox / f"{job}.tsv").is_file()
    assert client.fetch_files(job, tmp_path / "out")
    found = soundfile.info(tmp_path / "out" / "bass.wav")
    assert found.frames == soundfile.info(tmp_path / "elsewhere.wav").frames
    with pytest.raises(Exception, match="use --force"):
        client.fetch_files(job, tmp_path / "out")


def test_sixty_seconds_go_there_and_back_whole(server: Any) -> None:
    data = random.Random(1).randbytes(60 * 48_000 * 2 * 4)
    client = server.connect()
    began = time.monotonic()
    name = client.put(data)
    seconds = time.monotonic() - began
    assert client.get(name) == data
    print(f"{len(data) / 1e6:.0f} MB there in {seconds:.2f} s")  # noqa: T201


def test_old_uploads_go_but_for_those_that_jobs_wait_for(tmp_path: Path) -> None:
    Transfers(tmp_path)
    for name in ("old.wav", "waited-for.wav", ".cut-off.wav.9.part", "new.wav"):
        (tmp_path / "put" / name).write_bytes(b"x")
        if name != "new.wav":
            os.utime(tmp_path / "put" / name, (0, 0))
    Transfers(tmp_path, {"put:waited-for.wav", "/elsewhere/old.wav"})
    left = {path.name for path in (tmp_path / "put").iterdir()}
    assert left == {"waited-for.wav", "new.wav"}


def test_an_upload_goes_on_where_it_broke(serve: Any) -> None:
    data, name = random.Random(2).randbytes(TCP_BLOB * 3 + 5), "part.wav"
    server = serve()
    wire = Connection("127.0.0.1", server.port, None, 60)
    answer = wire.ask("/bandmate/put", "shhb", name, 0, len(data), data[:TCP_BLOB])
    assert answer == (name, TCP_BLOB, len(data), digest(data[:TCP_BLOB]))
    wire.close()
    server.kill()
    wire = Connection("127.0.0.1", serve().port, None, 60)
    # What is asked for again, comes too early or twice is not taken.
    for offset in (0, TCP_BLOB * 2):
        piece = data[offset : offset + TCP_BLOB]
        assert wire.ask("/bandmate/put", "shhb", name, offset, len(data), piece)[1] == TCP_BLOB
    received = wire.ask("/bandmate/put", "shhb", name, 0, len(data), b"")[1]
    assert received == TCP_BLOB
    while isinstance(received, int) and received < len(data):
        piece = data[received : received + TCP_BLOB]
        received = wire.ask("/bandmate/put", "shhb", name, received, len(data), piece)[1]
    whole = wire.ask("/bandmate/put", "shhb", name, len(data), len(data), b"")
    assert whole == (name, len(data), len(data), digest(data))
    wire.close()


def test_pieces_over_udp_arrive_too(udp: Any) -> None:
    data = random.Random(3).randbytes(10_000)
    name, received = "udp.wav", 0
    while received < len(data):
        piece = data[received : received + UDP_BLOB]
        reply = udp.ask("/bandmate/put", "sshhb", "r", name, received, len(data), piece)
        assert reply.values[5] == digest(piece)
        received = reply.values[3]
    found = b""
    while True:
        reply = udp.ask("/bandmate/get", "sshh", "r", f"put:{name}", len(found), 0)
        assert reply.values[4] == len(data)
        if not reply.values[5]:
            break
        found += reply.values[5]
    assert found == data
    assert reply.values[6] == digest(data)
    big = udp.ask("/bandmate/put", "sshhb", "r", name, 0, len(data), bytes(UDP_BLOB + 1))
    assert big.values[2] == 413


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "/etc/passwd",
        "a/b",
        "a\\b",
        ".hidden",
        "a..b",
        "x" * 101,
        "é",
        "a\nb",
    ],
)
def test_names_that_could_lead_elsewhere_are_refused(udp: Any, name: str) -> None:
    put = udp.ask("/bandmate/put", "sshhb", "r", name, 0, 4, b"data")
    assert put.values[2] == 403
    get = udp.ask("/bandmate/get", "sshh", "r", f"put:{name}", 0, 0)
    assert get.values[2] == 403
    wav = udp.ask("/bandmate/separate", "sshhs", "r", f"put:{name}", 0, 9, "")
    assert wav.values[2] in (400, 403)


def test_only_stems_can_be_fetched_of_a_job(server: Any, library: Path) -> None:
    client = server.connect()
    job = client.separate(library / "song.wav")
    client.wait(job)
    assert client.get(f"{job}/manifest.json").startswith(b"{")
    for name in ("request.json", "../request.json", "../../../.lock", "/etc/passwd", "."):
        with pytest.raises(ServerError):
            client.get(f"{job}/{name}")
    (server.workdir / "jobs" / job / "stems" / "link").symlink_to("/etc/passwd")
    with pytest.raises(ServerError) as caught:
        client.get(f"{job}/link")
    assert caught.value.code == 403


def test_a_full_disk_takes_no_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transfers = Transfers(tmp_path)
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(RequestError, match="no space") as caught:
        transfers.put("a.wav", 0, 100, b"data")
    assert caught.value.code == 507


@pytest.fixture
def allowed(tmp_path: Path) -> AllowedFolders:
    """Return allowed folders with links and secrets around."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside / "deep", outside):
        folder.mkdir(parents=True)
        (folder / "file.wav").write_bytes(b"sound")
    (inside / "file.wav").write_bytes(b"sound")
    (inside / "link.wav").symlink_to(outside / "file.wav")
    (inside / "folder").symlink_to(outside, target_is_directory=True)
    (inside / "good.wav").symlink_to(inside / "deep" / "file.wav")
    (inside / "loop").symlink_to(inside / "loop")
    (tmp_path / "inside-not").mkdir()
    (tmp_path / "inside-not" / "file.wav").write_bytes(b"sound")
    os.mkfifo(inside / "pipe")
    return AllowedFolders([inside])


@pytest.mark.parametrize("path", ["file.wav", "deep/../file.wav", "good.wav", "deep/file.wav"])
def test_files_inside_are_opened(allowed: AllowedFolders, tmp_path: Path, path: str) -> None:
    with allowed.open(str(tmp_path / "inside" / path)) as (_, file):
        assert file.read() == b"sound"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../outside/file.wav", 403),
        ("deep/../../outside/file.wav", 403),
        ("link.wav", 403),
        ("folder/file.wav", 403),
        ("../inside-not/file.wav", 403),
        ("loop", 403),
        ("x" * 5000, 404),
        ("gone.wav", 404),
        ("file.wav/x", 404),
        ("deep", 400),
        ("pipe", 400),
    ],
)
def test_what_leads_out_is_refused(
    allowed: AllowedFolders, tmp_path: Path, path: str, code: int
) -> None:
    with pytest.raises(RequestError) as caught, allowed.open(f"{tmp_path}/inside/{path}"):
        pass
    assert caught.value.code == code


def test_a_link_swapped_between_check_and_opening_is_found_out(
    allowed: AllowedFolders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, outside = tmp_path / "inside" / "deep", tmp_path / "outside"
    plain = os.open

    def swap_then_open(path: Any, flags: int) -> int:
        folder.rename(tmp_path / "inside" / "away")
        folder.symlink_to(outside, target_is_directory=True)
        return plain(path, flags)

    monkeypatch.setattr(os, "open", swap_then_open)
    with pytest.raises(RequestError) as caught, allowed.open(str(folder / "file.wav")):
        pass
    assert caught.value.code == 403


def test_a_server_for_other_machines_wants_a_token(serve: Any, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="--token-file"):
        serve("--host", "0.0.0.0")
    (tmp_path / "token").write_text("short\n")
    with pytest.raises(AssertionError, match="too weak"):
        serve("--token-file", tmp_path / "token")


def test_without_the_token_nothing_is_done_or_told(serve: Any, tmp_path: Path, music: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    server = serve("--token-file", tmp_path / "token", "--verbose")
    for wrong in (None, "", TOKEN[:-1], TOKEN + "x", "é" * 40):
        with pytest.raises(ServerError) as caught:
            server.connect(wrong).hello()
        assert caught.value.code == 401
        with pytest.raises(ServerError):
            server.connect(wrong).separate(music / "song.wav", request="secret")
    assert not list((server.workdir / "jobs").iterdir())
    client = server.connect(TOKEN)
    assert client.wait(client.separate(music / "song.wav"))["state"] == "done"
    assert server.stop() == 0
    everything = [path for path in server.workdir.rglob("*") if path.is_file()]
    for path in (server.log, *everything):
        assert TOKEN.encode() not in path.read_bytes()


def test_the_token_can_come_from_the_environment(serve: Any) -> None:
    server = serve(BANDMATE_TOKEN=TOKEN)
    assert server.connect(TOKEN).hello().model == "fake"
    with pytest.raises(ServerError):
        server.connect().hello()
