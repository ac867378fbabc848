"""One song of a batch: its files, in which state whatever happens."""

import json
import struct
import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
from mutagen import flac, id3

from bandmate_bridge.batch.inputs import BatchItem
from bandmate_bridge.batch.plan import BatchPlan, Work
from bandmate_bridge.batch.song import Outcome, run_work
from bandmate_bridge.host.chains import parse_chains
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.broadcast import Broadcast
from bandmate_server.model.model import Model
from bandmate_server.results.stem_file import StemFile
from bandmate_server.settings import SeparateSettings

RATE = 44_100
NAMES = ["bass", "drums", "guitar", "piano", "other"]


@pytest.fixture
def plan(tmp_path: Path) -> BatchPlan:
    template = "{folder}/{name}/{stem}.{ext}"
    return BatchPlan(tmp_path / "out", template, SeparateSettings(), "fake", "cpu", 1)


def do(plan: BatchPlan, path: Path, model: Model) -> Outcome:
    plan.out.mkdir(exist_ok=True)
    shares: list[float] = []
    outcome = run_work(plan, Work(BatchItem(path)), model, shares.append)
    assert shares == sorted(shares)
    assert not list(plan.out.glob(".*"))
    return outcome


def read(path: Path) -> FloatArray:
    audio: FloatArray = soundfile.read(path, dtype="float32", always_2d=True)[0]
    return audio


def chained(plan: BatchPlan, text: str) -> BatchPlan:
    chains = parse_chains(text, Path())
    return replace(plan, chains=chains, chains_hash=chains.fingerprint(), mixdown=True)


def test_stems_and_a_manifest_that_lists_them(plan: BatchPlan, song: Path, model: Model) -> None:
    outcome = do(plan, song, model)
    assert (outcome.state, outcome.error, outcome.seconds) == ("done", None, 1.5)
    folder = plan.out / "song"
    assert sorted(path.stem for path in folder.iterdir()) == sorted([*NAMES, "manifest"])
    total = sum(read(folder / f"{name}.wav").astype(np.float64) for name in NAMES)
    assert np.abs(total - read(song)).max() <= 1e-6
    manifest = json.loads((plan.out / str(outcome.manifest)).read_text("utf-8"))
    for entry in manifest["outputs"].values():
        assert (folder / entry["file"]).stat().st_size == entry["bytes"]


def test_what_is_complete_is_kept_and_everything_else_is_done_again(
    plan: BatchPlan, song: Path, model: Model
) -> None:
    resumed = replace(plan, resume=True)
    assert do(resumed, song, model).state == "done"
    bass = plan.out / "song" / "bass.wav"
    before = bass.stat().st_mtime_ns
    assert do(resumed, song, model).state == "skipped"
    assert bass.stat().st_mtime_ns == before
    content = bass.read_bytes()
    for damage in (lambda: bass.write_bytes(content[:-4]), bass.unlink):
        damage()
        assert do(resumed, song, model).state == "done"
        assert bass.read_bytes() == content
    for changed in (
        replace(resumed, settings=SeparateSettings(seed=1)),
        chained(resumed, "tail_seconds = 1"),
        replace(resumed, mixdown=True, minus=("bass",)),
        replace(resumed, dawproject="external"),
    ):
        assert do(changed, song, model).state == "done"
        assert do(changed, song, model).state == "skipped"
    soundfile.write(song, read(song)[:30_000], RATE, "FLOAT")
    assert do(resumed, song, model).state == "done"
    assert len(read(bass)) == 30_000


def test_results_of_other_settings_do_not_linger(plan: BatchPlan, song: Path, model: Model) -> None:
    do(plan, song, model)
    only = replace(plan, resume=True, settings=SeparateSettings(stems=("bass",)))
    assert do(only, song, model).state == "done"
    kept = {path.name for path in (plan.out / "song").iterdir()}
    assert kept == {"bass.wav", "other.wav", "manifest.json"}


def test_a_result_is_replaced_only_if_asked(plan: BatchPlan, song: Path, model: Model) -> None:
    do(plan, song, model)
    outcome = do(plan, song, model)
    assert outcome.state == "failed"
    assert "--resume" in str(outcome.error)
    assert do(replace(plan, force=True), song, model).state == "done"


def test_the_mixdown_without_a_stem_is_the_song_without_it(
    plan: BatchPlan, song: Path, model: Model
) -> None:
    do(replace(plan, mixdown=True, minus=("piano",)), song, model)
    folder = plan.out / "song"
    expected = read(song).astype(np.float64) - read(folder / "piano.wav")
    assert np.abs(read(folder / "mix.wav") - expected).max() <= 1e-6


def test_chains_leave_dry_stems_and_go_into_the_mix(
    plan: BatchPlan, song: Path, model: Model
) -> None:
    text = 'tail_seconds = 0.5\nbass = []\n[[drums]]\neffect = "Invert"\n[[mix]]\neffect = "Invert"'
    assert do(chained(plan, text), song, model).error is None
    folder, frames = plan.out / "song", round(1.5 * RATE)
    bass = read(folder / "bass-wet.wav")
    assert len(bass) == frames + RATE // 2
    assert bass[:frames].tobytes() == read(folder / "bass.wav").tobytes()
    assert not bass[frames:].any()
    drums = read(folder / "drums.wav")
    assert np.array_equal(read(folder / "drums-wet.wav")[:frames], -drums)
    mix = read(folder / "mix.wav")
    assert len(mix) == len(bass)
    expected = -(read(song).astype(np.float64) - 2.0 * drums)
    assert np.abs(mix[:frames] - expected).max() <= 1e-6


def test_a_chain_that_fails_fails_its_song_and_leaves_nothing(
    plan: BatchPlan, song: Path, model: Model, vst3: Callable[[str], Path]
) -> None:
    outcome = do(chained(plan, f'[[bass]]\nplugin = "{vst3("EmitsNaN")}"'), song, model)
    assert outcome.state == "failed"
    assert "EmitsNaN.vst3" in str(outcome.error)
    assert "song.wav" in str(outcome.error)
    assert list(plan.out.iterdir()) == []


@pytest.mark.parametrize("ending", ["wav", "flac", "aiff", "mp3", "ogg"])
def test_formats_in_and_their_tags(
    plan: BatchPlan, song: Path, model: Model, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"tagged.{ending}"
    soundfile.write(path, read(song), RATE)
    tagged = mutagen.File(path)
    if ending in ("flac", "ogg"):
        tagged.update({"title": "Late Bus", "artist": ["Ñandú", "B"], "mood": "calm"})
    else:
        if tagged.tags is None:
            tagged.add_tags()
        tagged.tags.add(id3.TIT2(encoding=3, text="Late Bus"))
        tagged.tags.add(id3.TPE1(encoding=3, text=["Ñandú", "B"]))
        tagged.tags.add(id3.TXXX(encoding=3, desc="mood", text="calm"))
    tagged.save()
    outcome = do(plan, path, model)
    assert outcome.error is None
    bass = plan.out / "tagged" / "bass.wav"
    assert soundfile.info(bass).frames == soundfile.info(path).frames
    tags = mutagen.File(bass).tags
    assert str(tags["TIT2"]) == "Late Bus (bass)"
    assert tags["TPE1"].text == ["Ñandú", "B"]
    assert str(tags["TXXX:mood"]) == "calm"
    to_flac = replace(plan, force=True, settings=SeparateSettings(format="flac"))
    do(to_flac, path, model)
    comments = flac.FLAC(plan.out / "tagged" / "bass.flac")
    assert comments["artist"] == ["Ñandú", "B"]
    assert comments["mood"] == ["calm"]


def broadcast_song(path: Path, audio: FloatArray, position: int) -> None:
    raw = bytearray(864)
    raw[:5], raw[320:338] = b"Scene", b"2026-11-2210:00:00"
    struct.pack_into("<Q", raw, 340, position)
    file = StemFile(path, RATE, 2, len(audio), "wav", "24", Broadcast(bytes(raw)))
    file.write(audio)
    file.close()


def test_a_broadcast_wave_keeps_its_place_on_the_timeline(
    plan: BatchPlan, song: Path, model: Model, tmp_path: Path
) -> None:
    place = 3_600 * RATE * 20  # beyond 32 bits
    path = tmp_path / "field.wav"
    broadcast_song(path, read(song), place)
    settings = SeparateSettings(start=0.5)
    do(replace(plan, settings=settings, mixdown=True), path, model)
    for name in ("bass", "mix"):
        content = (plan.out / "field" / f"{name}.wav").read_bytes()
        chunk = content.index(b"bext") + 8
        assert content[chunk : chunk + 5] == b"Scene"
        assert struct.unpack_from("<Q", content, chunk + 338)[0] == place + RATE // 2


def test_the_same_work_gives_the_same_bytes_at_another_time(
    plan: BatchPlan, song: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    full = replace(chained(plan, '[[drums]]\neffect = "Reverb"'), dawproject="inside")
    first = replace(full, out=plan.out.with_name("first"))
    do(first, song, model)
    time.sleep(1.1)  # libsndfile's clock has whole seconds
    do(full, song, model)
    files = [path for path in (first.out / "song").iterdir() if path.name != "manifest.json"]
    assert len(files) == 8
    for path in files:
        assert (plan.out / "song" / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_wav_with_tags_is_still_read_by_all(plan: BatchPlan, song: Path, model: Model) -> None:
    tagged = mutagen.File(song)
    tagged.add_tags()
    tagged.tags.add(id3.TIT2(encoding=3, text="x"))
    tagged.save()
    do(replace(plan, settings=SeparateSettings(bit_depth="16")), song, model)
    with wave.open(str(plan.out / "song" / "bass.wav")) as file:
        assert file.getnframes() == round(1.5 * RATE)
