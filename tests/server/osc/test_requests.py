"""What a client gets for each request, from the real server over real sockets."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_bridge.client import Done, Progress, Stem
from bandmate_server import SeparateSettings, separate_file
from bandmate_server.errors import ServerError
from bandmate_server.model.model import Model
from bandmate_server.osc.protocol import Message
from bandmate_server.version import bandmate_version

NAMES = ["bass", "drums", "guitar", "piano", "other"]


def test_hello_says_who_is_there(server: Any) -> None:
    hello = server.connect().hello()
    assert hello.model == "fake" and hello.version == bandmate_version()
    assert hello.provider in ("starting", "CPUExecutionProvider")
    assert Path(hello.workdir) == server.workdir.resolve()


def test_stems_are_those_that_the_engine_makes(
    server: Any, library: Path, model: Model, tmp_path: Path
) -> None:
    client = server.connect()
    job = client.separate(library / "song.wav", 11_025, 33_001)
    events = list(client.events(job))
    stems, rate = client.fetch(job)
    settings = SeparateSettings(start=11_025 / 44_100, end=44_026 / 44_100)
    expected = separate_file(model, library / "song.wav", tmp_path / "direct", settings=settings)
    assert list(stems) == NAMES
    assert rate == 44_100
    for name, file in expected.stems.items():
        np.testing.assert_array_equal(stems[name], soundfile.read(file, dtype="float32")[0])
    assert [event.stem for event in events if isinstance(event, Stem)] == NAMES
    assert {(e.start, e.frames) for e in events if isinstance(e, Stem)} == {(11_025, 33_001)}
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions)
    assert [type(event) for event in events].count(Done) == 1
    assert isinstance(events[-1], Done)
    assert events[-1].state == "done"
    assert json.loads(Path(events[-1].manifest).read_text())["frames"] == 33_001


def test_mono_files_of_one_sound_are_joined(server: Any, library: Path) -> None:
    both, rate = soundfile.read(library / "song.wav", dtype="float32")
    for side, name in enumerate("LR"):
        soundfile.write(library / f"song%{name}.wav", both[:, side], rate, "FLOAT")
    client = server.connect()
    job = client.separate(f"{library}/song%L.wav\t{library}/song%R.wav")
    assert client.wait(job)["state"] == "done"
    stems, _ = client.fetch(job)
    assert np.abs(sum(stems.values()) - both).max() <= 1e-6


def test_a_region_may_be_named_in_seconds(
    server: Any, library: Path, make_song: Callable[..., None]
) -> None:
    client = server.connect()
    region = {"start": 0.25, "end": 0.75}
    (first, *_) = client.wait(client.separate(library / "song.wav", options=region))["stems"]
    assert (first["start"], first["frames"]) == (11_025, 22_050)
    make_song(library / "bass.wav", 1.0, 1, 0)
    bass = {"bass": library / "bass.wav"}
    options = {**region, "steps": 1, "drafts": 1}
    for job in (
        client.fill("bass", bass, 0, -1, options),
        client.vary("bass", bass, 0.5, options),
        client.add(["drums"], bass, options),
    ):
        (stem,) = client.wait(job)["stems"]
        assert (stem["start"], stem["frames"]) == (11_025, 22_050)
    with pytest.raises(ServerError, match="given twice"):
        client.separate(library / "song.wav", 1, -1, region)


def test_takes_are_told_apart(server: Any, library: Path) -> None:
    client = server.connect()
    options = {"takes": 2, "steps": 1, "seed": 5, "stems": "bass", "position": 7, "track": "Gtr"}
    job = client.separate(library / "song.wav", options=options)
    status = client.wait(job)
    assert [(stem["take"], stem["stem"]) for stem in status["stems"]] == [
        (1, "bass"),
        (1, "other"),
        (2, "bass"),
        (2, "other"),
    ]
    mail = (server.workdir / "inbox" / f"{job}.tsv").read_text().splitlines()
    assert mail[2] == f"Gtr - bass (take 2)\t7\t{status['stems'][2]['wav']}"
    seeds = [
        json.loads(Path(stem["wav"]).with_name("manifest.json").read_text())["settings"]["seed"]
        for stem in status["stems"]
    ]
    assert seeds == [5, 5, 6, 6]
    assert list(client.fetch(job, take=2)[0]) == ["bass", "other"]


def test_a_repeated_request_id_starts_nothing_twice(server: Any, library: Path) -> None:
    client, other = server.connect(), server.connect()
    wave = library / "song.wav"
    jobs = {c.separate(wave, request="once: only!") for c in (client, other, client)}
    assert len(jobs) == 1
    (job,) = jobs
    client.wait(job)
    assert other.separate(wave, request="once: only!") == job
    assert [entry["job"] for entry in client.jobs()].count(job) == 1
    log = (server.workdir / "jobs" / job / "log.jsonl").read_text()
    assert log.count('"started"') == 1
    assert log.count('"done"') == 1


def test_an_id_used_for_something_else_is_refused(server: Any, library: Path) -> None:
    client = server.connect()
    client.separate(library / "song.wav", request="mine")
    with pytest.raises(ServerError, match="was used for /bandmate/separate") as caught:
        client.generate(1.0, request="mine")
    assert caught.value.code == 409
    with pytest.raises(ServerError, match="was used for other arguments of") as caught:
        client.separate(library / "song.wav", frames=8_000, request="mine")
    assert caught.value.code == 409


def test_the_mailbox_is_filled_and_its_answer_noticed(
    server: Any, library: Path, until: Callable[..., Any]
) -> None:
    client = server.connect()
    options = {"position": 48_000, "track": "My\tGuitar"}
    job = client.separate(library / "song.wav", options=options, request="daw-1")
    assert job == "daw-1"
    status = client.wait(job)
    inbox = server.workdir / "inbox"
    lines = [line.split("\t") for line in (inbox / "daw-1.tsv").read_text().splitlines()]
    assert lines == [
        [f"My Guitar - {stem['stem']}", "48000", stem["wav"]] for stem in status["stems"]
    ]
    (inbox / "daw-1.tsv").rename(inbox / "daw-1.claimed")
    (inbox / "answer").write_text("")
    (inbox / "answer").rename(inbox / "daw-1.imported")
    until(lambda: client.status(job)["mail"] == "imported")


def answer_mail(inbox: Path, job: str, text: str) -> None:
    (inbox / f"{job}.tsv").rename(inbox / f"{job}.claimed")
    (inbox / "answer").write_text(text)
    (inbox / "answer").rename(inbox / f"{job}.imported")


def sounds_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.wav"))


@pytest.mark.parametrize("takes", [1, 2])
def test_imported_mail_leaves_no_audio_and_all_facts(
    takes: int, server: Any, library: Path, until: Callable[..., Any]
) -> None:
    client = server.connect()
    options = {"position": 48_000, "track": "Gtr", "takes": takes}
    job = client.separate(library / "song.wav", options=options, request=f"heavy-{takes}")
    stems = client.wait(job)["stems"]
    folder = server.workdir / "jobs" / job
    assert len(sounds_of(folder)) == 5 * takes + 1
    answer_mail(server.workdir / "inbox", job, "Gtr - drums\n")
    until(lambda: not sounds_of(folder))
    status = client.status(job)
    assert (status["state"], status["stems"], status["mail"]) == ("done", stems, "imported")
    assert json.loads(Path(status["manifest"]).read_text())
    assert client.separate(library / "song.wav", options=options, request=job) == job
    with pytest.raises(ServerError, match="cannot be read"):
        client.fetch_files(job, server.workdir / "again", force=True)


def test_imported_session_inputs_go_too(
    server: Any, library: Path, until: Callable[..., Any]
) -> None:
    client = server.connect()
    session = {"bass": library / "song.wav"}
    job = client.add(["guitar"], session, {"position": 0, "track": "T", "drafts": 1}, "heavy-add")
    client.wait(job)
    folder = server.workdir / "jobs" / job
    assert len(sounds_of(folder)) > 1
    answer_mail(server.workdir / "inbox", job, "")
    until(lambda: not sounds_of(folder))


def test_audio_stays_where_it_is_used_was_not_imported_or_not_mailed(
    server: Any, library: Path, until: Callable[..., Any]
) -> None:
    client = server.connect()
    mail = {"position": 0, "track": "T"}
    jobs = {}
    for name, options in {"linked": mail, "unanswered": mail, "plain": {}, "gone": mail}.items():
        jobs[name] = client.separate(library / "song.wav", options=options, request=f"stays-{name}")
        client.wait(jobs[name])
    inbox, folder = server.workdir / "inbox", server.workdir / "jobs"
    answer_mail(inbox, jobs["linked"], "linked\n")
    until(lambda: client.status(jobs["linked"])["mail"] == "linked")
    answer_mail(inbox, jobs["gone"], "")
    until(lambda: not sounds_of(folder / jobs["gone"]))
    for name in ("linked", "unanswered", "plain"):
        assert len(sounds_of(folder / jobs[name])) == 6, name


def test_audio_goes_though_the_server_was_killed_after_its_import(
    serve: Callable[..., Any], music: Path, until: Callable[..., Any]
) -> None:
    server = serve()
    client = server.connect()
    job = client.separate(music / "song.wav", options={"position": 0, "track": "T"})
    client.wait(job)
    answer_mail(server.workdir / "inbox", job, "")
    until(lambda: client.status(job)["mail"] == "imported")
    server.kill()
    folder = server.workdir / "jobs" / job
    assert sounds_of(folder)
    serve()
    until(lambda: not sounds_of(folder))


def test_a_daw_that_could_not_import_is_noticed(
    server: Any, library: Path, until: Callable[..., Any]
) -> None:
    client = server.connect()
    job = client.separate(library / "song.wav", options={"position": 0}, request="daw-2")
    client.wait(job)
    (server.workdir / "inbox" / "daw-2.error").write_text("no such session\n")
    until(lambda: client.status(job)["mail"] == "error: no such session")


def test_without_a_position_there_is_no_mail(server: Any, library: Path) -> None:
    client = server.connect()
    job = client.separate(library / "song.wav")
    client.wait(job)
    assert list((server.workdir / "inbox").glob(f"{job}*")) == []


def test_a_failed_job_says_why_everywhere(server: Any, library: Path) -> None:
    (library / "short.wav").write_bytes((library / "song.wav").read_bytes()[:1000])
    client = server.connect()
    options = {"position": 5, "track": "Gtr"}
    job = client.separate(library / "short.wav", options=options, request="bad")
    with pytest.raises(ServerError, match=r"short\.wav is cut off"):
        client.wait(job)
    assert client.status(job)["state"] == "failed"
    note = (server.workdir / "inbox" / "bad.failed").read_text().rstrip("\n").split("\t")
    assert note[:2] == ["Gtr", "5"]
    assert "cut off" in note[2]
    assert client.wait(client.separate(library / "song.wav"))["state"] == "done"


def test_a_refused_request_reaches_a_daw_that_cannot_hear(server: Any, udp: Any) -> None:
    arguments = ("late", "/etc/passwd", 0, 100, '{"position": 9.0, "track": "Gtr"}')
    answer = udp.ask("/bandmate/separate", "sshhs", *arguments)
    assert answer.address == "/bandmate/error"
    assert answer.values[:3] == ("late", "/bandmate/separate", 403)
    note = (server.workdir / "inbox" / "late.failed").read_text()
    assert note.startswith("Gtr\t9\t/etc/passwd is outside")
    assert "--allow" in note


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_soon(
    server: Any, library: Path
) -> None:
    client = server.connect()
    running = client.separate(library / "slow.wav")
    queued = client.separate(library / "slow.wav")
    assert client.cancel(queued) == "cancelled"
    while client.status(running)["state"] == "queued":
        pass
    client.cancel(running)
    events = list(client.events(running))
    assert isinstance(events[-1], Done)
    assert events[-1].state == "cancelled"
    for job in (running, queued):
        assert not (server.workdir / "jobs" / job / "stems").exists()
        assert not (server.workdir / "jobs" / job / "work").exists()
    assert client.cancel(running) == "cancelled"


def test_subscribers_hear_of_the_jobs_of_others(server: Any, udp: Any, library: Path) -> None:
    reply = udp.ask("/bandmate/subscribe", "s", "s1")
    assert reply.values == ("s1", "/bandmate/subscribe")
    client = server.connect()
    job = client.separate(library / "song.wav")
    heard: list[Message] = []
    while not heard or heard[-1].address != "/bandmate/done":
        heard.append(udp.receive())
    assert [m.values[1] for m in heard if m.address == "/bandmate/stem"] == NAMES
    assert heard[-1].values[:2] == (job, "done")
    udp.ask("/bandmate/unsubscribe", "s", "s2")
    client.wait(client.separate(library / "song.wav"))
    udp.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        udp.receive()


def test_an_end_that_was_missed_is_told_later(server: Any, library: Path) -> None:
    job = server.connect().separate(library / "song.wav")
    server.connect().wait(job)
    events = list(server.connect().events(job))
    assert [event.stem for event in events if isinstance(event, Stem)] == NAMES
    assert isinstance(events[-1], Done)


def test_answers_come_fast_and_progress_often_while_a_job_runs(server: Any, library: Path) -> None:
    client, watcher = server.connect(), server.connect()
    job = client.separate(library / "slow.wav")
    seen: list[float] = []

    def watch() -> None:
        seen.extend(e.fraction for e in watcher.events(job) if isinstance(e, Progress))

    thread = threading.Thread(target=watch)
    thread.start()
    for _ in range(100):
        client.hello()
    while client.status(job)["fraction"] < 0.2:
        client.hello()
    client.cancel(job)
    thread.join()
    assert len(seen) >= 2


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        (("/bandmate/nosuch", "s", "r"), 404, "/bandmate/separate"),
        (("/bandmate/separate", "s", "r"), 400, "h:frames"),
        (("/bandmate/separate", "sssssss", *"rwxyzab"), 400, "got sssssss"),
        (("/bandmate/separate", "ssffs", "r", "w", 1.5, 2.0, ""), 400, "start came as f:'1.5'"),
        (("/bandmate/separate", "ssffs", "r", "w", 2.0**24 + 2, 2.0, ""), 400, "up to 16777216"),
        (("/bandmate/separate", "ssffs", "r", "w", float("inf"), 2.0, ""), 400, "a whole number"),
        (("/bandmate/separate", "ssdds", "r", "w", 2.0**63, 2.0, ""), 400, "a whole number"),
        (("/bandmate/separate", "ssffs", "r", "/x", 0.0, 0.0, ""), 400, "frames is 0"),
        (("/bandmate/separate", "ssdds", "r", "w", 1.5, 2.0, ""), 400, "start came as d"),
        (("/bandmate/separate", "sshhs", "r", "song.wav", 0, 5, ""), 400, "not absolute"),
        (("/bandmate/separate", "sshhs", "r", "/x", -1, 5, ""), 400, "start is -1"),
        (("/bandmate/separate", "sshhs", "r", "/x", 0, 0, ""), 400, "frames is 0"),
        (("/bandmate/separate", "sshhs", "r", "/x", 0, 5, "{"), 400, "not JSON"),
        (("/bandmate/separate", "sshhs", "r", "/x", 0, 5, "[]"), 400, "an object"),
        (("/bandmate/separate", "sshhs", "r", "/x", 0, 5, '{"stem": 1}'), 400, "stems?"),
        (("/bandmate/separate", "sshhs", "r", "/x", 0, 5, '{"seed": NaN}'), 400, "NaN"),
        (("/bandmate/separate", "sshhs", "r", "/x", 0, 5, '{"seed": 1e400}'), 400, "seed"),
        (("/bandmate/separate", "sshhs", "r", "/x", 0, 5, '{"takes": 99}'), 400, "takes"),
        (("/bandmate/separate", "sshhs", "r", "/x", 0, 5, '{"format": "mp3"}'), 400, "mp3"),
        (("/bandmate/separate", "sshhs", "r", "/x", 0, 5, "[" * 9999), 400, "not JSON"),
        (("/bandmate/separate", "sshhs", "r", "/x", 0, 5, " " * 20_000), 413, "16384"),
        (("/bandmate/cancel", "ss", "r", "nosuch"), 404, "no job"),
        (("/bandmate/status", "ss", "r", "nosuch"), 404, "no job"),
        (("/bandmate/hello", "s", ""), 400, "1 to 128"),
        (("/bandmate/hello", "s", "x" * 200), 400, "1 to 128"),
        (("/bandmate/hello", "s", "a\nb"), 400, "printable"),
    ],
)
def test_what_makes_no_sense_is_answered_with_an_error(
    udp: Any, message: tuple[Any, ...], code: int, words: str
) -> None:
    answer = udp.ask(*message)
    assert answer.address == "/bandmate/error"
    assert answer.values[0] == str(message[2])[:128]
    assert answer.values[1:3] == (message[0], code)
    assert words in str(answer.values[3])
