"""The effects that a chain can name: pedalboard's own, with units and the ranges we accept.

The ranges are pedalboard's where it checks them, and else what gives finite, sensible sound:
pedalboard takes a cutoff above half the rate, say, and answers with infinities.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Value = float | str | bool

_TOP = 96_000.0  # Hz, half of the highest rate that the engine takes


@dataclass(frozen=True)
class Parameter:
    """One setting of an effect.

    default: None where it must be given.
    low, high: of a number.
    unit: as people write it; "" for a plain number.
    choices: of a word; the number's range plays no part then.
    file: whether it names a file.
    switch: whether it is true or false.
    """

    default: Value | None
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""
    choices: tuple[str, ...] = ()
    file: bool = False
    switch: bool = False

    @property
    def range(self) -> str:
        """Return what is allowed, in words."""
        if self.file:
            return "an audio file"
        if self.switch:
            return "true or false"
        if self.choices:
            return "one of " + ", ".join(self.choices)
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.low:g} to {self.high:g}{unit}"


@dataclass(frozen=True)
class Effect:
    """What an effect does, its parameters, and whether it needs a whole file at once.

    stereo_only: it takes no more than two channels.
    """

    does: str
    parameters: dict[str, Parameter]
    whole: bool = False
    stereo_only: bool = False


def _db(default: float, low: float, high: float) -> Parameter:
    return Parameter(default, low, high, "dB")


def _ms(default: float, low: float = 0.0, high: float = 10_000.0) -> Parameter:
    return Parameter(default, low, high, "ms")


def _hz(default: float, low: float = 1.0, high: float = _TOP) -> Parameter:
    return Parameter(default, low, high, "Hz")


def _share(default: float) -> Parameter:
    return Parameter(default, 0.0, 1.0)


_QUALITY = Parameter(
    "WindowedSinc32",
    choices=(
        "ZeroOrderHold",
        "Linear",
        "CatmullRom",
        "Lagrange",
        "WindowedSinc",
        "WindowedSinc256",
        "WindowedSinc128",
        "WindowedSinc64",
        "WindowedSinc32",
        "WindowedSinc16",
        "WindowedSinc8",
    ),
)
_LADDER_MODES = ("LPF12", "HPF12", "BPF12", "LPF24", "HPF24", "BPF24")
_SHELF = {
    "cutoff_frequency_hz": _hz(440.0),
    "gain_db": _db(0.0, -60.0, 60.0),
    "q": Parameter(math.sqrt(0.5), 0.01, 100.0),
}
_CUTOFF = {"cutoff_frequency_hz": _hz(50.0)}

EFFECTS: dict[str, Effect] = {
    "Bitcrush": Effect("fewer bits", {"bit_depth": Parameter(8.0, 0.0, 32.0, "bits")}),
    "BrickwallLimiter": Effect(
        "no peak goes above the ceiling",
        {
            "ceiling_db": _db(-1.0, -100.0, 0.0),
            "release_ms": _ms(100.0, 0.01),
            "lookahead_ms": _ms(5.0, 0.1, 100.0),
            "true_peak": Parameter(False, switch=True),
        },
    ),
    "Chorus": Effect(
        "detuned copies",
        {
            "rate_hz": _hz(1.0, 0.0, 100.0),
            "depth": _share(0.25),
            "centre_delay_ms": _ms(7.0, 0.0, 100.0),
            "feedback": Parameter(0.0, -0.99, 0.99),
            "mix": _share(0.5),
        },
    ),
    "Clipping": Effect("hard clipping", {"threshold_db": _db(-6.0, -120.0, 0.0)}),
    "Compressor": Effect(
        "levels what is above the threshold",
        {
            "threshold_db": _db(0.0, -120.0, 24.0),
            "ratio": Parameter(1.0, 1.0, 1000.0),
            "attack_ms": _ms(1.0),
            "release_ms": _ms(100.0),
        },
    ),
    "Convolution": Effect(
        "a room or a cabinet from its impulse response",
        {"impulse_response": Parameter(None, file=True), "mix": _share(1.0)},
    ),
    "Delay": Effect(
        "echoes",
        {
            "delay_seconds": Parameter(0.5, 0.0, 30.0, "s"),
            "feedback": _share(0.0),
            "mix": _share(0.5),
        },
    ),
    "Distortion": Effect("soft clipping (tanh)", {"drive_db": _db(25.0, -60.0, 120.0)}),
    "GSMFullRateCompressor": Effect(
        "an old mobile phone",
        {"quality": Parameter("WindowedSinc8", choices=_QUALITY.choices)},
        whole=True,
    ),
    "Gain": Effect("louder or quieter", {"gain_db": _db(1.0, -120.0, 60.0)}),
    "HighShelfFilter": Effect("raises or lowers the treble", _SHELF),
    "HighpassFilter": Effect("removes the bass, 6 dB an octave", _CUTOFF),
    "Invert": Effect("turns the phase over", {}),
    "LadderFilter": Effect(
        "a synthesiser's filter",
        {
            "mode": Parameter("LPF12", choices=_LADDER_MODES),
            "cutoff_hz": _hz(200.0),
            "resonance": _share(0.0),
            "drive": Parameter(1.0, 1.0, 100.0),
        },
    ),
    "Limiter": Effect(
        "holds the peaks down; what comes out still reaches 0 dBFS",
        {"threshold_db": _db(-10.0, -120.0, 0.0), "release_ms": _ms(100.0)},
    ),
    "LowShelfFilter": Effect("raises or lowers the bass", _SHELF),
    "LowpassFilter": Effect("removes the treble, 6 dB an octave", _CUTOFF),
    "MP3Compressor": Effect(
        "what MP3 leaves of it",
        {"vbr_quality": Parameter(2.0, 0.0, 9.9)},
        whole=True,
        stereo_only=True,
    ),
    "NoiseGate": Effect(
        "silences what is below the threshold",
        {
            "threshold_db": _db(-100.0, -120.0, 24.0),
            "ratio": Parameter(10.0, 1.0, 1000.0),
            "attack_ms": _ms(1.0),
            "release_ms": _ms(100.0),
        },
    ),
    "PeakFilter": Effect("raises or lowers a band", _SHELF),
    "Phaser": Effect(
        "moving notches",
        {
            "rate_hz": _hz(1.0, 0.0, 100.0),
            "depth": _share(0.5),
            "centre_frequency_hz": _hz(1300.0),
            "feedback": Parameter(0.0, -0.99, 0.99),
            "mix": _share(0.5),
        },
    ),
    "PitchShift": Effect(
        "other notes at the same speed",
        {"semitones": Parameter(0.0, -72.0, 72.0, "semitones")},
        whole=True,
    ),
    "Resample": Effect(
        "an old sampler: down to a rate and back up",
        {"target_sample_rate": _hz(8_000.0, 100.0, 192_000.0), "quality": _QUALITY},
        whole=True,
    ),
    "Reverb": Effect(
        "a room",
        {
            "room_size": _share(0.5),
            "damping": _share(0.5),
            "wet_level": _share(0.33),
            "dry_level": _share(0.4),
            "width": _share(1.0),
            "freeze_mode": _share(0.0),
        },
        stereo_only=True,
    ),
}
