"""Many sounds out of few presets: neighbouring keys' samples, another filter and envelope.

The fonts hold some twenty pianos and guitars, which a network learns by heart. A part played
some keys higher on a tape that then runs slower keeps its pitches and its timing, but sounds
like a larger instrument; filters and envelopes do the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bandmate_training.corpus.fluid import Event
from bandmate_training.corpus.score import Rng

KEYS = 5  # semitones, the farthest neighbour
TUNING = 3.0  # semitones by which drums are tuned up or down
# SoundFont 2.04, section 8.1.2: generators that are added to the preset's own.
FILTER_CUTOFF, FILTER_Q, ATTACK, DECAY, RELEASE = 8, 9, 34, 36, 38


@dataclass(frozen=True)
class TimbreVariation:
    """How a preset's sound is changed; as it stands, not at all."""

    keys: int = 0  # semitones that are played higher, and taken back by the tape
    tape: float = 1.0  # times as long as played
    generators: dict[int, float] = field(default_factory=dict)  # added, in SoundFont units

    def played(self, events: Sequence[Event]) -> list[Event]:
        """Return the events to play before the tape is slowed down."""
        keys = [min(max(value + self.keys, 0), 127) for _, _, value, _ in events]
        return [
            (round(sample / self.tape), kind, value if kind == 1 else key, velocity)
            for (sample, kind, value, velocity), key in zip(events, keys, strict=True)
        ]


def draw_timbre(rng: Rng, drums: bool) -> TimbreVariation:
    """Draw a voicing; a quarter of the sounds stay as the font has them."""
    if rng.random() < 0.25:
        return TimbreVariation()
    if drums:
        return TimbreVariation(tape=2 ** (float(rng.uniform(-TUNING, TUNING)) / 12))
    keys = int(rng.integers(-KEYS, KEYS + 1))
    cents = float(rng.normal(0, 6))
    return TimbreVariation(keys, 2 ** ((keys + cents / 100) / 12), _generators(rng))


def _generators(rng: Rng) -> dict[int, float]:
    """Draw a darker filter (cents, centibels), and an envelope (timecents)."""
    drawn = (
        (0.6, FILTER_CUTOFF, -abs(float(rng.normal(0, 1500)))),
        (0.4, FILTER_Q, float(rng.uniform(0, 90))),
        (0.25, ATTACK, float(rng.uniform(3000, 7500))),
        (0.6, DECAY, float(rng.normal(0, 1000))),
        (0.6, RELEASE, float(rng.normal(0, 1000))),
    )
    return {generator: value for share, generator, value in drawn if rng.random() < share}
