"""Audio through chains: exact, aligned, finite, and the same in blocks as in one piece."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandmate_bridge.host import ChainHost
from bandmate_bridge.host import host as host_module
from bandmate_bridge.host.chains import Chains, parse_chains
from bandmate_bridge.host.effects import EFFECTS
from bandmate_bridge.host.host import BLOCK_FRAMES
from bandmate_bridge.host.stem_effect import StemEffect
from bandmate_server import separate
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.errors import BandmateError, PluginError, SettingsError
from bandmate_server.model.model import Model

pedalboard = pytest.importorskip("pedalboard")

RATE = 44_100
LENGTH = BLOCK_FRAMES + 12_345  # more than one block, and no whole number of them


def noise(frames: int = LENGTH, channels: int = 2) -> FloatArray:
    rng = np.random.default_rng(0)
    return (0.2 * rng.standard_normal((frames, channels))).astype(np.float32)


def chain(text: str) -> Chains:
    return parse_chains(text, Path())


def render(text: str, audio: FloatArray, target: str = "mix", model: Any = None) -> FloatArray:
    with ChainHost(chain(text), model) as host:
        return host.render_array(target, audio, RATE)


@pytest.mark.parametrize("text", ["", "mix = []", '[[bass]]\neffect = "Gain"'])
def test_an_empty_chain_returns_the_input_bit_for_bit(text: str) -> None:
    audio = noise()
    audio[5] = np.float32(1e-42)
    assert render(text, audio).tobytes() == audio.tobytes()


NAMED = [name for name in EFFECTS if name != "Convolution"]


@pytest.mark.parametrize("name", NAMED)
def test_blocks_give_what_the_whole_file_gives(name: str) -> None:
    audio = noise(LENGTH if name != "PitchShift" else RATE)
    whole = getattr(pedalboard, name)()(np.ascontiguousarray(audio.T), RATE).T
    assert np.array_equal(render(f'[[mix]]\neffect = "{name}"', audio), whole)


def test_chains_of_several_steps_give_what_a_pedalboard_gives(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "room.wav", noise(900, 1) * 0.1, RATE, "FLOAT")
    board = pedalboard.Pedalboard(
        [
            pedalboard.Distortion(12),
            pedalboard.BrickwallLimiter(),  # has latency
            pedalboard.Convolution(str(tmp_path / "room.wav")),
            pedalboard.Reverb(room_size=0.8),
        ]
    )
    text = (
        '[[mix]]\neffect = "Distortion"\ndrive_db = 12\n[[mix]]\neffect = "BrickwallLimiter"\n'
        f'[[mix]]\neffect = "Convolution"\nimpulse_response = "{tmp_path}/room.wav"\n'
        '[[mix]]\neffect = "Reverb"\nroom_size = 0.8'
    )
    audio = noise()
    whole = board(np.ascontiguousarray(audio.T), RATE).T
    # The convolution's FFTs begin elsewhere after a step with latency: rounding differs.
    np.testing.assert_allclose(render(text, audio), whole, atol=1e-6)


def test_the_tail_rings_on_and_is_as_long_as_asked_for() -> None:
    audio = noise(10_000)
    text = '[[mix]]\neffect = "Delay"\ndelay_seconds = 0.5\nmix = 1.0'
    dry = render(text, audio)
    wet = render("tail_seconds = 0.5\n" + text, audio)
    assert len(dry) == 10_000
    assert len(wet) == 10_000 + RATE // 2
    assert not dry.any()
    np.testing.assert_allclose(wet[RATE // 2 :], audio, atol=1e-6)


def test_what_an_effect_refuses_is_one_line_with_its_place() -> None:
    with pytest.raises(PluginError, match=r"^mix, step 1: Reverb takes one or two"):
        render('[[mix]]\neffect = "Reverb"', noise(100, 3))
    with pytest.raises(PluginError, match=r"must be below 22050"):
        render('[[mix]]\neffect = "LowpassFilter"\ncutoff_frequency_hz = 30000', noise(100))


def test_samples_that_are_not_finite_are_found_where_they_arise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken:
        def reset(self) -> None: ...

        def process(self, audio: FloatArray, *_: Any, **__: Any) -> FloatArray:
            return np.where(np.arange(audio.shape[1]) == 7, np.float32(np.inf), audio)

    effects = [pedalboard.Gain(0.0), Broken(), pedalboard.Limiter()]
    monkeypatch.setattr(host_module, "_built_in", lambda step, rate: effects.pop(0))
    monkeypatch.setitem(EFFECTS, "Broken", EFFECTS["Gain"])
    text = '[[mix]]\neffect = "Gain"\n' * 2 + '[[mix]]\neffect = "Limiter"'
    with pytest.raises(PluginError, match=r"^mix, step 2: Gain .* from frame 7 on"):
        render(text, noise(100))


def test_without_pedalboard_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"GPL-3.*pip install 'bandmate\[host\]'"):
        ChainHost(chain('[[mix]]\neffect = "Gain"'))
    ChainHost(chain("mix = []")).__exit__()


def test_the_model_is_a_step_of_a_chain(model: Model) -> None:
    audio = noise(RATE)
    found = render('[[mix]]\nseparate = "drums"\n[[mix]]\neffect = "Invert"', audio, model=model)
    np.testing.assert_allclose(found, -separate(model, audio, sample_rate=RATE)["drums"], atol=1e-6)
    with pytest.raises(BandmateError, match="needs a model"):
        ChainHost(chain('[[mix]]\nseparate = "drums"'))


@pytest.mark.parametrize("stem", ["bass", "other"])
def test_the_model_is_an_effect_in_a_pedalboard_script(model: Model, stem: str) -> None:
    audio = np.ascontiguousarray(noise(RATE).T)
    for effect in (StemEffect(model, stem), pedalboard.Gain(-6.0)):
        audio = effect.process(audio, float(RATE))
    expected = separate(model, noise(RATE), sample_rate=RATE)[stem] * 10.0 ** (-6.0 / 20.0)
    np.testing.assert_allclose(audio.T, expected, atol=1e-6)


def test_the_effect_takes_audio_in_every_layout(model: Model) -> None:
    effect = StemEffect(model, "piano")
    rows = effect(noise(RATE), RATE)
    assert rows.shape == (RATE, 2)
    assert np.array_equal(effect(np.ascontiguousarray(noise(RATE).T), RATE).T, rows)
    assert effect(noise(RATE, 1)[:, 0], RATE).shape == (RATE,)
    with pytest.raises(ValueError, match="reset=False"):
        effect.process(noise(RATE), RATE, reset=False)
    with pytest.raises(SettingsError, match="'voice'"):
        StemEffect(model, "voice")


def test_a_plugins_latency_is_taken_out_and_state_is_fresh(vst3: Callable[[str], Path]) -> None:
    text = f'[[mix]]\nplugin = "{vst3("Bench")}"\n'
    with ChainHost(chain(text)) as host:
        for seed in range(2):
            audio = noise() + np.float32(seed)
            assert np.array_equal(host.render_array("mix", audio, RATE), audio)
        mono = noise(5_000, 1)
        assert np.array_equal(host.render_array("mix", mono, RATE), mono)


def test_a_plugins_parameters_and_state_are_set(vst3: Callable[[str], Path]) -> None:
    plugin = vst3("Bench")
    loud = render(f'[[mix]]\nplugin = "{plugin}"\nparameters = {{ gain_db = -20 }}', noise())
    np.testing.assert_allclose(loud, 0.1 * noise(), atol=2e-3)
    with pytest.raises(PluginError, match=r"step 1.*did you mean 'gain_db'"):
        render(f'[[mix]]\nplugin = "{plugin}"\nparameters = {{ gain_dB = 1 }}', noise())
    with pytest.raises(PluginError, match=r"gain_db is 99.*-60 to 20 dB"):
        render(f'[[mix]]\nplugin = "{plugin}"\nparameters = {{ gain_db = 99 }}', noise())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("CrashesAtLoad", r"plug-in CrashesAtLoad\.vst3 crashed while loading \(SIGABRT\)"),
        ("Crashes", r"plug-in Crashes\.vst3 crashed while processing \(SIGSEGV\)"),
        ("Hangs", r"plug-in Hangs\.vst3 hung while processing: no answer within 2 s"),
        ("EmitsNaN", r"plug-in EmitsNaN\.vst3 returned samples that are not finite"),
    ],
)
def test_an_ill_behaved_plugin_is_named_and_the_next_chain_works(
    vst3: Callable[[str], Path], name: str, words: str
) -> None:
    text = (
        f'timeout_seconds = 2\n[[bass]]\neffect = "Gain"\n[[bass]]\nplugin = "{vst3(name)}"\n'
        f'[[bass]]\neffect = "Limiter"\n[[mix]]\nplugin = "{vst3("Bench")}"'
    )
    with ChainHost(chain(text)) as host:
        # A slow machine may take longer than the time-out just to load; not what is tested.
        host._plugins._seconds = 60.0 if name != "Hangs" else 2.0
        with pytest.raises(PluginError, match=rf"^bass, step 2: {words}"):
            host.render_array("bass", noise(), RATE)
        host._plugins._seconds = 60.0
        assert np.array_equal(host.render_array("mix", noise(), RATE), noise())


def test_a_file_that_is_no_plugin_is_named(tmp_path: Path) -> None:
    (tmp_path / "no.vst3").write_text("no plug-in")
    with pytest.raises(PluginError, match=r"plug-in no\.vst3: "):
        render(f'[[mix]]\nplugin = "{tmp_path}/no.vst3"', noise())


@pytest.mark.slow
def test_debians_plugins_render_alike_in_blocks_and_whole(debian_vst3: Path) -> None:
    settings = {
        "ZamCompX2": {"threshold_db": -30.0},
        "ZaMaximX2": {"threshold_db": -20.0},
        "ZamEQ2": {"boost_cut_1_db": 6.0},
    }
    for name, parameters in settings.items():
        path = debian_vst3 / f"{name}.vst3"
        values = ", ".join(f"{key} = {value}" for key, value in parameters.items())
        audio = noise()
        found = render(f'[[mix]]\nplugin = "{path}"\nparameters = {{ {values} }}', audio)
        assert found.shape == audio.shape
        plugin = pedalboard.load_plugin(str(path))
        for key, value in parameters.items():
            setattr(plugin, key, value)
        left = np.ascontiguousarray(audio.T)[: 1 if name == "ZamEQ2" else 2]
        np.testing.assert_allclose(found.T[: len(left)], plugin(left, RATE), atol=1e-6)
        assert not np.allclose(found, audio, atol=1e-3)
