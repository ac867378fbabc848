"""Latents that the encoder has found before: the same audio is not encoded twice."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from bandmate_server.audio.arrays import FloatArray

DEFAULT_BYTES = 64_000_000  # about an hour of one stem


class LatentCache:
    """Latents by the sha256 of the window's own samples, so that range and level count too.

    Those not used for longest go first.

    Args:
        most: bytes held at most.
    """

    def __init__(self, most: int = DEFAULT_BYTES):
        self._most, self._bytes = most, 0
        self._held: OrderedDict[bytes, FloatArray] = OrderedDict()
        self.hits, self.misses = 0, 0

    def __len__(self) -> int:
        """Return how many windows are held."""
        return len(self._held)

    @property
    def bytes(self) -> int:
        """What the held latents take."""
        return self._bytes

    def find(self, wave: FloatArray, encode: Callable[[FloatArray], FloatArray]) -> FloatArray:
        """Return the latent of a wave (N,), encoding it if it is not held."""
        key = hashlib.sha256(wave.tobytes()).digest()
        found = self._held.get(key)
        if found is not None:
            self._held.move_to_end(key)
            self.hits += 1
            return found
        self.misses += 1
        fresh = encode(wave)
        self._held[key] = fresh
        self._bytes += fresh.nbytes
        while self._bytes > self._most:
            self._bytes -= self._held.popitem(last=False)[1].nbytes
        return fresh

    def clear(self) -> None:
        """Forget all."""
        self._held.clear()
        self._bytes = 0
