"""The table of effects says of pedalboard's what pedalboard says of itself."""

import inspect
from typing import Any

import numpy as np
import pytest

from bandmate_bridge.host.effects import EFFECTS

pedalboard = pytest.importorskip("pedalboard")

NOT_FOR_CHAINS = {"Chain", "Mix", "Pedalboard", "IIRFilter", "Plugin", "PluginContainer"}
NOT_FOR_CHAINS |= {"ExternalPlugin", "VST3Plugin", "AudioUnitPlugin", "_AudioUnitPlugin"}


def test_all_of_pedalboards_effects_are_there_and_no_other() -> None:
    found = {
        name
        for name, value in vars(pedalboard).items()
        if inspect.isclass(value)
        and issubclass(value, pedalboard.Plugin)
        and not name.startswith("_")
    }
    assert found - NOT_FOR_CHAINS == set(EFFECTS)


def given(name: str, **values: Any) -> dict[str, Any]:
    if name == "Convolution":
        values["impulse_response_filename"] = np.ones((1, 8), np.float32)
        values["sample_rate"] = 48_000
    return values


@pytest.mark.parametrize("name", EFFECTS)
def test_defaults_are_pedalboards(name: str) -> None:
    effect = getattr(pedalboard, name)(**given(name))
    for key, parameter in EFFECTS[name].parameters.items():
        if parameter.file:
            continue
        value = getattr(effect, key)
        if parameter.choices:
            assert value.name == parameter.default
        else:
            assert float(value) == pytest.approx(float(parameter.default or 0.0), abs=1e-4)


@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("end", ["low", "high"])
def test_the_ends_of_every_range_give_finite_sound(name: str, end: str) -> None:
    audio = 0.3 * np.random.default_rng(0).standard_normal((1, 6_000)).astype(np.float32)
    for key, parameter in EFFECTS[name].parameters.items():
        if parameter.file or parameter.choices or parameter.switch:
            continue
        value = getattr(parameter, end)
        if parameter.unit == "Hz" and end == "high":
            value = min(value, 23_000.0)  # The host refuses more than half the rate.
        effect = getattr(pedalboard, name)(**given(name, **{key: value}))
        assert np.isfinite(effect.process(audio, 48_000)).all(), (key, value)
