"""Random effect chains that make dry rendered stems sound recorded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pedalboard as pb
import soxr

from bandmate_server.spec import MEL, OTHER

FloatArray = npt.NDArray[np.float32]
Rng = np.random.Generator
Draw = Callable[[Rng], list[pb.Plugin]]

SPEED_RANGE = 0.12  # largest change of speed, and so of pitch and formants, as a share
_SILENCE = 1e-5  # RMS


def _equaliser(rng: Rng) -> list[pb.Plugin]:
    peaks: list[pb.Plugin] = [
        pb.PeakFilter(
            cutoff_frequency_hz=float(np.exp(rng.uniform(np.log(80), np.log(6000)))),
            gain_db=float(rng.normal(0, 4)),
            q=float(rng.uniform(0.4, 2.5)),
        )
        for _ in range(rng.integers(1, 4))
    ]
    tilt = float(rng.normal(0, 3))
    return [
        *peaks,
        pb.LowShelfFilter(cutoff_frequency_hz=float(rng.uniform(80, 400)), gain_db=-tilt),
        pb.HighShelfFilter(cutoff_frequency_hz=float(rng.uniform(1500, 5000)), gain_db=tilt),
    ]


def _compressor(rng: Rng) -> list[pb.Plugin]:
    return [
        pb.Compressor(
            threshold_db=float(rng.uniform(-35, -15)),
            ratio=float(rng.uniform(2, 8)),
            attack_ms=float(rng.uniform(1, 40)),
            release_ms=float(rng.uniform(50, 300)),
        )
    ]


def _reverb(rng: Rng) -> list[pb.Plugin]:
    wet = float(rng.uniform(0.03, 0.3))
    return [
        pb.Reverb(
            room_size=float(rng.uniform(0.05, 0.85)),
            damping=float(rng.uniform(0.1, 0.9)),
            wet_level=wet,
            dry_level=1 - wet,
        )
    ]


def _saturation(rng: Rng) -> list[pb.Plugin]:
    return [pb.Distortion(drive_db=float(rng.uniform(3, 14)))]


def _amplifier(rng: Rng) -> list[pb.Plugin]:
    return [
        pb.HighpassFilter(cutoff_frequency_hz=float(rng.uniform(60, 250))),
        pb.Distortion(drive_db=float(rng.uniform(8, 38))),
        pb.LowpassFilter(cutoff_frequency_hz=float(rng.uniform(2500, 6500))),
    ]


def _chorus(rng: Rng) -> list[pb.Plugin]:
    return [
        pb.Chorus(
            rate_hz=float(rng.uniform(0.2, 3)),
            depth=float(rng.uniform(0.05, 0.4)),
            mix=float(rng.uniform(0.2, 0.5)),
        )
    ]


def _delay(rng: Rng) -> list[pb.Plugin]:
    return [
        pb.Delay(
            delay_seconds=float(rng.uniform(0.06, 0.5)),
            feedback=float(rng.uniform(0, 0.4)),
            mix=float(rng.uniform(0.05, 0.3)),
        )
    ]


# Per stem, in the order of the signal: how likely each effect is.
CHAINS: dict[str, list[tuple[float, Draw]]] = {
    "bass": [
        (0.5, _compressor), (0.15, _amplifier), (0.15, _saturation), (0.7, _equaliser),
        (0.07, _chorus), (0.1, _reverb),
    ],
    "drums": [(0.45, _compressor), (0.2, _saturation), (0.75, _equaliser), (0.5, _reverb)],
    "guitar": [
        (0.35, _compressor), (0.4, _amplifier), (0.7, _equaliser), (0.2, _chorus), (0.15, _delay),
        (0.5, _reverb),
    ],
    "piano": [
        (0.25, _compressor), (0.05, _saturation), (0.75, _equaliser), (0.12, _chorus),
        (0.6, _reverb),
    ],
    OTHER: [
        (0.3, _compressor), (0.15, _saturation), (0.7, _equaliser), (0.2, _chorus),
        (0.2, _delay), (0.6, _reverb),
    ],
}  # fmt: skip


def rms(wave: FloatArray) -> float:
    """Return the root mean square of a wave of any shape."""
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))


def record(wave: FloatArray, stem: str, rng: Rng) -> FloatArray:
    """Send a dry stem (N,) through a random chain; its level and length are kept."""
    before = rms(wave)
    if before < _SILENCE:
        return wave
    effects = [
        effect
        for share, draw in CHAINS.get(stem, CHAINS[OTHER])
        if rng.random() < share
        for effect in draw(rng)
    ]
    wet = pb.Pedalboard(effects)(wave, MEL.sample_rate)  # type: ignore[attr-defined]
    after = rms(wet)
    if not np.isfinite(after) or after < _SILENCE:
        return wave
    return wet * np.float32(before / after)


def source_length(samples: int, speed: float) -> int:
    """Return how many samples `play_at` reads for an output of `samples`."""
    return int(np.ceil(samples * speed)) + 16


def play_at(wave: FloatArray, speed: float, samples: int) -> FloatArray:
    """Play a wave faster or slower, as tape does, and cut it to `samples`."""
    if speed == 1.0:
        return wave[:samples]
    out = soxr.resample(wave, MEL.sample_rate * speed, MEL.sample_rate, quality="MQ")
    return np.asarray(out[:samples], dtype=np.float32)
