"""New parts in memory, end to end on fake models: shapes, levels, what is heard, bad input."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bandmate_server import PartSettings, add, fill, generate, vary
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.loudness import measure_lufs, true_peak, usual_lu
from bandmate_server.errors import AudioError, BandmateError, Cancelled, RegionError, SettingsError
from bandmate_server.model.model import Model
from bandmate_server.spec import STEMS

RATE = 16_000
QUICK = PartSettings(steps=2, guidance=1.5)  # fakes bear no more
SUBSETS = [
    subset for count in (1, 2, 3) for subset in itertools.combinations(STEMS, count)
]  # all arrangements


def tone(seconds: float, hertz: float, rate: int = RATE, channels: int | None = None) -> FloatArray:
    """Return plucked notes (frames,) or (frames, channels)."""
    time = np.arange(round(seconds * rate)) / rate
    wave = (0.3 * np.sin(2 * np.pi * hertz * time) * np.exp(-3.0 * (time % 0.5))).astype(np.float32)
    return wave if channels is None else np.repeat(wave[:, None], channels, axis=1)


def band(
    seconds: float = 1.0, rate: int = RATE, channels: int | None = None
) -> dict[str, FloatArray]:
    pitches = dict(zip(STEMS, (80.0, 2000.0, 330.0, 500.0), strict=True))
    return {stem: tone(seconds, hertz, rate, channels) for stem, hertz in pitches.items()}


def some(names: tuple[str, ...], **shape: Any) -> dict[str, FloatArray]:
    return {name: audio for name, audio in band(**shape).items() if name in names}


@pytest.mark.parametrize("given", SUBSETS, ids="+".join)
def test_every_arrangement_is_completed(
    model: Model, paper_model: Model, given: tuple[str, ...]
) -> None:
    wanted = [stem for stem in STEMS if stem not in given]
    for each in (model, paper_model):
        found = add(each, wanted, some(given), sample_rate=RATE, settings=QUICK)
        assert list(found) == wanted
        for audio in found.values():
            assert audio.shape == (RATE,)
            assert audio.dtype == np.float32
            assert 0.001 < np.abs(audio).max() < 1.0


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_part_has_the_sessions_rate_channels_and_frames(
    model: Model, rate: int, channels: int
) -> None:
    given = some(("bass", "drums"), seconds=0.7, rate=rate, channels=channels)
    chosen = replace(QUICK, start=0.1, end=0.6)
    found = add(model, ["guitar"], given, sample_rate=rate, settings=chosen)["guitar"]
    assert found.shape == (round(0.6 * rate) - round(0.1 * rate), channels)
    assert (found == found[:, :1]).all()


def test_widest_and_longest_of_what_is_given_shape_the_session(model: Model) -> None:
    given = {"bass": tone(1.0, 80.0), "drums": tone(0.4, 900.0, channels=2)}
    assert add(model, ["piano"], given, sample_rate=RATE, settings=QUICK)["piano"].shape == (
        RATE,
        2,
    )
    assert vary(model, "bass", given, strength=0.5, sample_rate=RATE, settings=QUICK).shape == (
        RATE,
    )


@pytest.mark.parametrize("seconds", [0.01, 0.5, 3.0])
def test_short_sessions_work(model: Model, seconds: float) -> None:
    found = add(
        model, ["drums"], some(("bass",), seconds=seconds), sample_rate=RATE, settings=QUICK
    )["drums"]
    assert found.shape == (round(seconds * RATE),)


def test_seeds_repeat_bit_for_bit_and_differ(model: Model) -> None:
    first, again, other = (
        add(
            model, ["guitar"], some(("bass",)), sample_rate=RATE, settings=replace(QUICK, seed=seed)
        )["guitar"]
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


def test_the_context_counts_as_much_as_guidance_says(model: Model) -> None:
    loud = some(("bass",), seconds=3.0)
    other = {"bass": loud["bass"] * np.repeat([1.0, 0.02], 24_000).astype(np.float32)}

    def difference(guidance: float) -> float:
        chosen = replace(QUICK, guidance=guidance)
        first, second = (
            add(model, ["guitar"], given, sample_rate=RATE, settings=chosen)["guitar"]
            for given in (loud, other)
        )
        scaled = (audio / np.sqrt(np.mean(audio**2)) for audio in (first, second))
        return float(np.abs(next(scaled) - next(scaled)).mean())

    assert difference(0.0) < 1e-3 < difference(0.5) < difference(1.0)


@pytest.mark.parametrize("channels", [None, 2])
@pytest.mark.parametrize("gain", [0.05, 0.5])
def test_a_part_is_as_loud_beside_its_context_as_in_the_corpus(
    model: Model, channels: int | None, gain: float
) -> None:
    given = some(("bass", "drums"), seconds=4.0, channels=channels)
    given = {name: audio * np.float32(gain) for name, audio in given.items()}
    found = add(model, ["guitar", "piano"], given, sample_rate=RATE, settings=QUICK)
    context = measure_lufs(sum(given.values()).reshape(4 * RATE, -1), RATE)  # type: ignore[union-attr]
    for name, audio in found.items():
        usual = usual_lu(name, given)
        loudness = measure_lufs(audio.reshape(4 * RATE, -1), RATE)
        assert loudness - context == pytest.approx(usual, abs=0.1)


def test_no_part_peaks_above_the_ceiling(model: Model) -> None:
    given = {"bass": np.clip(40.0 * tone(4.0, 80.0), -1.0, 1.0), "drums": 3.0 * tone(4.0, 999.0)}
    found = add(model, ["guitar", "piano"], given, sample_rate=RATE, settings=QUICK)
    peaks = {name: true_peak(audio, RATE) for name, audio in found.items()}
    assert max(peaks.values()) <= 10 ** (-1.0 / 20.0)
    assert max(peaks.values()) > 0.5


def test_a_backing_stands_for_all_the_rest(model: Model, paper_model: Model) -> None:
    mix = sum(some(("drums", "guitar")).values())
    for each in (model, paper_model):
        found = add(each, ["bass"], {}, sample_rate=RATE, settings=QUICK, backing=mix)
        assert found["bass"].shape == (RATE,)
        both = add(each, ["bass"], some(("piano",)), sample_rate=RATE, settings=QUICK, backing=mix)
        assert np.isfinite(both["bass"]).all()
    assert np.abs(found["bass"] - both["bass"]).max() > 0.0


@pytest.mark.parametrize("channels", [None, 2])
def test_fill_keeps_every_sample_outside_its_range(
    model: Model, paper_model: Model, channels: int | None
) -> None:
    given = some(("guitar", "bass"), seconds=2.0, rate=44_100, channels=channels)
    first, last = round(0.5 * 44_100), round(1.25 * 44_100)
    for each in (model, paper_model):
        found = fill(
            each, "guitar", given, sample_rate=44_100, settings=replace(QUICK, start=0.5, end=1.25)
        )
        assert found.shape == given["guitar"].shape
        np.testing.assert_array_equal(found[:first], given["guitar"][:first])
        np.testing.assert_array_equal(found[last:], given["guitar"][last:])
        assert np.abs(found - given["guitar"])[first:last].mean() > 0.001


def test_fill_joins_without_a_click(model: Model) -> None:
    steady = 0.3 * np.sin(np.arange(2 * RATE) * 0.1)
    given = {"guitar": steady.astype(np.float32), "bass": tone(2.0, 80.0)}
    found = fill(
        model, "guitar", given, sample_rate=RATE, settings=replace(QUICK, start=0.5, end=1.5)
    )
    jumps = np.abs(np.diff(found))
    joins = np.r_[jumps[7_990:8_010], jumps[23_990:24_010]]
    assert joins.max() <= 1.2 * np.delete(jumps, np.r_[7_500:8_500, 23_500:24_500]).max()


@pytest.mark.parametrize(("start", "end"), [(None, 0.5), (1.5, None), (0.0, 2.0)])
def test_fill_reaches_the_ends(model: Model, start: float | None, end: float | None) -> None:
    given = some(("guitar", "bass"), seconds=2.0)
    found = fill(
        model, "guitar", given, sample_rate=RATE, settings=replace(QUICK, start=start, end=end)
    )
    assert found.shape == (2 * RATE,)
    kept = slice(round((end or 0) * RATE), round((start or 0) * RATE) or None)
    np.testing.assert_array_equal(found[kept], given["guitar"][kept])


def test_fill_leaves_what_was_given_alone(model: Model) -> None:
    given = some(("guitar", "bass"), seconds=2.0)
    before = given["guitar"].copy()
    fill(model, "guitar", given, sample_rate=RATE, settings=replace(QUICK, start=0.5, end=1.5))
    np.testing.assert_array_equal(given["guitar"], before)


def test_a_variation_keeps_the_stems_own_level(model: Model) -> None:
    given = some(("guitar", "bass"), seconds=4.0)
    found = vary(model, "guitar", given, strength=0.4, sample_rate=RATE, settings=QUICK)
    levels = (measure_lufs(audio[:, None], RATE) for audio in (found, given["guitar"]))
    assert next(levels) == pytest.approx(next(levels), abs=0.1)


def test_a_free_variation_is_the_part_that_would_be_added(model: Model) -> None:
    given = some(("guitar", "bass"), seconds=4.0)
    varied = vary(model, "guitar", given, strength=1.0, sample_rate=RATE, settings=QUICK)
    added = add(model, ["guitar"], {"bass": given["bass"]}, sample_rate=RATE, settings=QUICK)[
        "guitar"
    ]
    assert float(np.corrcoef(varied, added)[0, 1]) > 0.99


@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_stems_from_nothing_have_the_length_asked_for(
    model: Model, paper_model: Model, seconds: float
) -> None:
    for each in (model, paper_model):
        found = generate(each, seconds, settings=QUICK, sample_rate=22_050, channels=2)
        assert list(found) == list(STEMS)
        assert {audio.shape for audio in found.values()} == {(round(seconds * 22_050), 2)}
        assert all(audio.any() for audio in found.values())
    assert list(generate(model, 0.5, settings=QUICK, stems=["drums"])) == ["drums"]


def test_a_variation_of_silence_is_silence(model: Model) -> None:
    given = {"guitar": np.zeros(RATE, np.float32), "bass": tone(1.0, 80.0)}
    assert not vary(model, "guitar", given, strength=0.9, sample_rate=RATE, settings=QUICK).any()
    assert not vary(
        model, "guitar", {"guitar": given["guitar"]}, strength=0.9, sample_rate=RATE, settings=QUICK
    ).any()


@pytest.mark.parametrize("level", [0.0, 1e-6])
def test_silence_gives_an_error_that_says_so(model: Model, level: float) -> None:
    given = {"bass": np.full(RATE, level, np.float32)}
    with pytest.raises(AudioError, match=r"bass: silent in and around the region"):
        add(model, ["guitar"], given, sample_rate=RATE, settings=QUICK)


def test_one_silent_stem_among_others_is_a_rest(model: Model) -> None:
    given = {"bass": np.zeros(RATE, np.float32), "piano": tone(1.0, 500.0)}
    assert add(model, ["guitar"], given, sample_rate=RATE, settings=QUICK)["guitar"].any()


def test_the_same_audio_is_encoded_once(model: Model) -> None:
    given = some(("bass", "drums"), seconds=1.3)
    add(model, ["guitar"], given, sample_rate=RATE, settings=QUICK)
    misses, hits = model.latents.misses, model.latents.hits
    add(model, ["piano"], given, sample_rate=RATE, settings=replace(QUICK, seed=9, steps=1))
    assert (model.latents.misses, model.latents.hits) == (misses, hits + 2)
    add(model, ["piano"], given, sample_rate=RATE, settings=replace(QUICK, start=0.2, end=0.9))
    assert model.latents.misses == misses  # The windows are the same: only the region differs.
    given["bass"][100] += np.float32(0.01)
    add(model, ["piano"], given, sample_rate=RATE, settings=QUICK)
    assert model.latents.misses > misses


def test_progress_rises_through_the_stages_and_work_can_be_cancelled(model: Model) -> None:
    told: list[tuple[str, float]] = []
    given = some(("bass", "drums"))
    add(
        model,
        ["guitar"],
        given,
        sample_rate=RATE,
        settings=QUICK,
        progress=lambda *message: told.append(message),
    )
    assert list(dict(told)) == ["read", "encode", "sample", "write"]
    assert [share for _, share in told] == sorted(share for _, share in told)
    assert told[-1] == ("write", 1.0)
    with pytest.raises(Cancelled):
        add(model, ["guitar"], given, sample_rate=RATE, settings=QUICK, cancel=lambda: True)


def test_progress_goes_on_while_waves_are_made(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    vocode = model.vocode

    def vocoded(mel: FloatArray) -> FloatArray:
        events.append("wave")
        return vocode(mel)

    monkeypatch.setattr(model, "vocode", vocoded)
    given = some(("bass", "drums"), seconds=30.0)
    add(
        model,
        ["guitar"],
        given,
        sample_rate=RATE,
        settings=QUICK,
        progress=lambda *_: events.append("news"),
    )
    assert events.count("wave") >= 3
    assert ("wave", "wave") not in itertools.pairwise(events)


LONG = {"bass": tone(1.0, 80.0)}


@pytest.mark.parametrize(
    ("given", "stems", "chosen", "error", "words"),
    [
        ({}, ["bass"], QUICK, SettingsError, "nothing is given to add bass to"),
        (LONG, ["bass"], QUICK, SettingsError, "bass is both given and wanted"),
        (LONG, ["banjo"], QUICK, SettingsError, "unknown stem 'banjo': this model knows bass"),
        ({"banjo": LONG["bass"]}, ["drums"], QUICK, SettingsError, "unknown stem 'banjo'"),
        (LONG, [], QUICK, SettingsError, "name at least one stem"),
        (LONG, ["drums", "drums"], QUICK, SettingsError, "drums is named twice"),
        (LONG, ["drums"], replace(QUICK, start=2.0), RegionError, "past the end"),
        (LONG, ["drums"], replace(QUICK, end=1.5), RegionError, "the audio is 1.000 s long"),
        (LONG, ["drums"], replace(QUICK, start=0.5, end=0.2), RegionError, "reversed"),
        ({"bass": LONG["bass"] * np.nan}, ["drums"], QUICK, AudioError, "bass has samples that"),
        ({"bass": np.zeros((0, 1), np.float32)}, ["drums"], QUICK, AudioError, "holds no audio"),
        ({"bass": np.zeros((9, 9), np.float32)}, ["drums"], QUICK, AudioError, "9 channels"),
        ({"bass": np.zeros((2, 2, 2), np.float32)}, ["drums"], QUICK, AudioError, "shape"),
    ],
)
def test_bad_input_to_add_is_named(
    model: Model,
    given: dict[str, FloatArray],
    stems: list[str],
    chosen: PartSettings,
    error: type[BandmateError],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        add(model, stems, given, sample_rate=RATE, settings=chosen)


def test_bad_input_to_the_others_is_named(model: Model) -> None:
    with pytest.raises(SettingsError, match="drums is not among what is given"):
        fill(model, "drums", LONG, sample_rate=RATE, settings=replace(QUICK, start=0.2))
    with pytest.raises(SettingsError, match="fill needs the range"):
        fill(model, "bass", LONG, sample_rate=RATE, settings=QUICK)
    with pytest.raises(RegionError, match="past the end"):
        fill(
            model,
            "bass",
            LONG | {"drums": tone(3.0, 99.0)},
            sample_rate=RATE,
            settings=replace(QUICK, start=2.0),
        )
    for strength in (-0.1, 1.1, float("nan")):
        with pytest.raises(SettingsError, match="strength is"):
            vary(model, "bass", LONG, strength=strength, sample_rate=RATE, settings=QUICK)
    with pytest.raises(SettingsError, match=r"length in seconds is 0\.4"):
        generate(model, 0.4)
    with pytest.raises(SettingsError, match="rate is 4000"):
        generate(model, 1.0, sample_rate=4_000)
    with pytest.raises(SettingsError, match=r"start is 0\.1: it has no meaning for generate"):
        generate(model, 1.0, settings=replace(QUICK, start=0.1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"guidance": float("nan")},
        {"guidance": -1.0},
        {"steps": 0},
        {"steps": 1000},
        {"eta": 2.0},
        {"seed": -1},
        {"takes": 0},
        {"resample": 0},
        {"solver": "euler"},
        {"format": "mp3"},
        {"format": "flac", "bit_depth": "32f"},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        PartSettings(**wrong)  # type: ignore[arg-type]
