"""Which stretches of a track are examples: whole windows, moved at random in training.

Offsets are samples at the model's rate, as in the published data path.
"""

from __future__ import annotations

from bandmate_server.spec import PAPER

WINDOW = PAPER.window_samples
RATE = PAPER.mel.sample_rate
LONGEST = 640.0  # s: tracks from this length on are left out
LARGEST_SHIFT = WINDOW // 2  # samples, exclusive above


def usable(duration: float) -> bool:
    """Whether a track of `duration` seconds is long enough, and not too long."""
    return WINDOW / RATE <= duration < LONGEST


def offsets(duration: float) -> list[int]:
    """Return where the windows of a track of `duration` seconds begin."""
    count = int((duration * RATE - WINDOW) / WINDOW)
    return [0] + [index * WINDOW for index in range(1, count + 1)]


def moved(offset: int, shift: int, duration: float) -> float:
    """Return where a window begins after a shift: half a window earlier if it would stick out."""
    begin: float = offset + shift
    if begin > duration * RATE - WINDOW:
        begin = max(0.0, begin - LARGEST_SHIFT)
    return max(0.0, begin)


def first_frame(begin: float, rate: int) -> int:
    """Return the frame of a file of `rate` Hz at which a window is read."""
    return int(begin / RATE * rate)
