"""A level meter in one line of a terminal: is anything coming in, and is it too loud?"""

from __future__ import annotations

import math
import sys
import time

import numpy as np

from bandmate_server.audio.arrays import FloatArray

FLOOR = -60.0  # dBFS where the bar begins
WIDTH = 30  # characters
BEAT = 0.1  # seconds between two drawings
FALL = 20.0  # dB a second


class LevelMeter:
    """Draws the peak of what is recorded on stderr, if that is a terminal.

    Args:
        rate: of the samples, Hz.
        wanted: False never draws.
    """

    def __init__(self, rate: int, wanted: bool):
        self._rate, self._drawn = rate, 0.0
        self._wanted = wanted and sys.stderr.isatty()
        self._level, self._frames, self._clipped = -math.inf, 0, False

    def push(self, block: FloatArray) -> None:
        """Take a block (n, channels) and draw, ten times a second."""
        if not self._wanted or not len(block):
            return
        peak = float(np.abs(block).max())
        self._frames += len(block)
        self._clipped = self._clipped or peak >= 1.0
        fallen = self._level - FALL * len(block) / self._rate
        self._level = max(fallen, 20 * math.log10(peak) if peak > 0 else -math.inf)
        if time.monotonic() - self._drawn >= BEAT:
            self._drawn = time.monotonic()
            line = meter_line(self._level, self._frames / self._rate, self._clipped)
            sys.stderr.write(f"\r{line}")
            sys.stderr.flush()

    def close(self) -> None:
        """Clear the line."""
        if self._drawn:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def meter_line(level: float, seconds: float, clipped: bool) -> str:
    """Return a bar for a level in dBFS, the level in figures, and the time, always as wide."""
    share = min(max((level - FLOOR) / -FLOOR, 0.0), 1.0)
    bar = "#" * round(share * WIDTH)
    figure = f"{level:6.1f} dBFS" if level >= FLOOR else "   silence "
    minutes, rest = divmod(int(seconds), 60)
    return f"|{bar:<{WIDTH}}| {figure} {'CLIPPED' if clipped else '       '} {minutes}:{rest:02}"
