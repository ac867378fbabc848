"""A bundle opened: shapes, conditions, devices."""

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from bandmate_server.errors import DeviceError, SettingsError
from bandmate_server.model import devices
from bandmate_server.model import model as session
from bandmate_server.model.devices import CPU, CUDA, choose_device, count_cores, device_report
from bandmate_server.model.model import Condition, Model
from bandmate_server.model.opening import open_latent_model
from bandmate_server.spec import MINI


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("length", [8, 16, 256])
def test_networks_give_the_shapes_of_the_contract(model: Model, batch: int, length: int) -> None:
    wave = np.random.default_rng(0).standard_normal((batch, length * 640)).astype(np.float32)
    encoded = model.encode(wave)
    assert encoded.log_mel.shape == (batch, 4 * length, 64)
    assert encoded.latent.shape == encoded.latent_std.shape == (batch, 8, length, 16)
    x = np.zeros((batch, 4, 8, length, 16), np.float32)
    halves = [(2.0, Condition(encoded.latent)), (-1.0, Condition())]
    denoised = model.denoise(x, 500, halves)
    assert denoised.shape == x.shape
    assert model.mask_logits(wave).shape == (batch, 5, 2 * length, 128)
    log_mel = model.decode(encoded.latent)
    assert log_mel.shape == encoded.log_mel.shape
    assert model.vocode(log_mel).shape == wave.shape


def test_weights_of_the_guidance_reach_the_denoiser(model: Model) -> None:
    mixture = np.ones((1, 8, 8, 16), np.float32)
    x = np.zeros((1, 4, 8, 8, 16), np.float32)
    once = model.denoise(x, 1, [(1.0, Condition(mixture))])
    twice = model.denoise(x, 1, [(2.0, Condition(mixture)), (-1.0, Condition())])
    np.testing.assert_allclose(twice - once, 1.0, atol=1e-6)


def test_condition_kinds_and_known_stems_are_stacked() -> None:
    mixture = np.ones((2, 8, 8, 16), np.float32)
    known = np.ones((2, 4, 8, 8, 16), np.float32)
    mask = np.ones((2, 4, 8), np.float32)
    conditions = [
        Condition(mixture),
        Condition(mixture, full=False),
        Condition(None, True, known, mask),
    ]
    feeds = session.condition_feeds(conditions, known.shape, MINI)
    assert feeds["mixture_kind"][:, 0].tolist() == [[1, 0], [0, 1], [0, 0]]
    assert feeds["mixture"].any(axis=(1, 2, 3, 4)).tolist() == [True, True, False]
    assert feeds["known"].any(axis=(1, 2, 3, 4, 5)).tolist() == [False, False, True]
    assert feeds["known_mask"].any(axis=(1, 2, 3)).tolist() == [False, False, True]


def test_time_inside_onnxruntime_is_counted(model: Model) -> None:
    before = model.ort_seconds
    model.decode(np.zeros((1, 8, 8, 16), np.float32))
    assert model.ort_seconds > before


def test_failing_network_is_named(model: Model) -> None:
    with pytest.raises(DeviceError, match=r"encoder\.onnx failed on CPUExecutionProvider"):
        model.encode(np.zeros((1, 2, 3), np.float32))


def test_unknown_device_is_refused(fake_bundle: Path) -> None:
    with pytest.raises(DeviceError, match=r"unknown device 'tpu': expected auto, cpu, cuda"):
        open_latent_model(fake_bundle, "tpu")


def test_missing_cuda_is_a_warning_that_says_why(
    fake_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    model = open_latent_model(fake_bundle, "cuda", threads=1)
    assert model.provider == CPU
    (warning,) = model.warnings
    assert "offers only CPUExecutionProvider" in warning
    assert open_latent_model(fake_bundle, "auto", threads=1).warnings == []


def test_gpu_build_without_a_driver_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(ctypes, "CDLL", _no_library)
    assert choose_device("auto") == devices.Choice(CPU)
    assert "no NVIDIA driver" in choose_device("cuda").warnings[0]


def _no_library(name: str) -> None:
    raise OSError(name)


@pytest.mark.skipif(CUDA in onnxruntime.get_available_providers(), reason="CUDA is on offer here")
@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_cuda_that_does_not_start_is_a_warning(
    fake_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices, "why_not", lambda word: None)
    model = open_latent_model(fake_bundle, "auto", threads=1)
    assert model.provider == CPU
    (warning,) = model.warnings
    assert "CUDAExecutionProvider does not start" in warning
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("word", devices.ACCELERATORS)
def test_a_provider_gets_its_documented_options_and_a_failure_says_why(
    fake_bundle: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """No such device is here: ONNX Runtime is asked as it would be there, and then refuses."""
    asked, real = [], onnxruntime.InferenceSession
    wanted = devices.ACCELERATORS[word]

    def session(path: str, options: Any, providers: list[Any], **more: Any) -> Any:
        asked.append((providers, options.enable_mem_pattern, options.execution_mode))
        if len(providers) > 1:
            raise RuntimeError("no such device here")
        return real(path, options, providers=providers, **more)

    monkeypatch.setattr(devices, "why_not", lambda word: None)
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    model = open_latent_model(fake_bundle, word, threads=1)
    model.encode(np.zeros((1, model.spec.window_samples), np.float32))
    assert model.provider == CPU
    (warning,) = model.warnings
    assert warning.startswith(f"{wanted.provider} does not start, ")
    assert "no such device here" in warning
    providers, patterns, mode = asked[0]
    assert providers == [(wanted.provider, wanted.options), (CPU, {})]
    assert patterns is not (word == "directml")
    assert mode == onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    assert all(isinstance(value, str) for value in wanted.options.values())


@pytest.mark.parametrize("word", devices.ACCELERATORS)
def test_a_device_that_is_not_here_is_warned_of(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    (warning,) = choose_device(word).warnings
    assert warning.startswith(f"{word} was asked for but this onnxruntime ")
    assert devices.ACCELERATORS[word].needs in warning


def test_report_gives_a_reason_for_every_provider() -> None:
    report = device_report()
    assert report["chosen"] in report["available"]
    assert all(report["reasons"].values())
    assert report["threads"] == count_cores() >= 1


def test_threads_must_be_positive(fake_bundle: Path) -> None:
    with pytest.raises(SettingsError, match="threads is 0"):
        open_latent_model(fake_bundle, "cpu", threads=0)
