"""The VAE's moments of all windows, computed once and kept on the disk."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bandmate_server.errors import CorpusError
from bandmate_server.files import write_whole
from bandmate_training.paper.data.segments import LARGEST_SHIFT
from bandmate_training.paper.data.slakh import Batches, Segment

log = logging.getLogger(__name__)

MARK = "vae.txt"  # whose moments lie in a folder


def shifts(count: int) -> list[int]:
    """Return `count` shifts spread evenly over what training allows, in samples."""
    width = 2 * LARGEST_SHIFT / count
    return [round(-LARGEST_SHIFT + width * (index + 0.5)) for index in range(count)]


def moments_file(folder: Path, segment: Segment, shift: int) -> Path:
    """Return where the moments of a window lie."""
    return folder / segment.folder.name / f"{segment.offset}{shift:+d}.npy"


def keep_moments(
    folder: Path,
    segments: list[Segment],
    chosen: list[int],
    encode: Callable[[Tensor], Tensor],
    vae: str,
) -> None:
    """Compute what is not there yet; every process takes its share, all wait for the last.

    Args:
        folder: where to keep them.
        segments: the windows.
        chosen: shifts, in samples.
        encode: waves (1, S + 1, N) -> moments (1, S + 1, 2 C, T, F).
        vae: fingerprint of the network that encodes.

    Raises:
        CorpusError: if the folder has another network's moments.
    """
    mark = folder / MARK
    if mark.is_file() and mark.read_text("utf-8") != vae:
        raise CorpusError(f"{folder} has another VAE's latents: name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(vae, "utf-8")
    rank, world = (int(os.environ.get(name, "0")) for name in ("RANK", "WORLD_SIZE"))
    wanted = [(segment, shift) for segment in segments for shift in chosen]
    mine = wanted[rank :: max(world, 1)]
    missing = [(s, shift) for s, shift in mine if not moments_file(folder, s, shift).is_file()]
    for index, (segment, shift) in enumerate(missing):
        path = moments_file(folder, segment, shift)
        path.parent.mkdir(exist_ok=True)
        moments = encode(segment.read(shift)[None])[0].cpu().half().numpy()
        write_whole(path, partial(np.save, arr=moments))
        if index % 1000 == 0:
            log.info("latents: %d of %d windows", index, len(missing))
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


class KeptMoments(Batches):
    """Batches of moments (B, S + 1, 2 C, T, F), each window at one of its shifts."""

    def __init__(
        self, folder: Path, segments: list[Segment], chosen: list[int], batch: int, seed: int
    ) -> None:
        """Take the windows to draw from."""
        super().__init__(segments, batch, seed)
        self.folder, self.chosen = folder, chosen

    def example(self, index: int, rng: np.random.Generator) -> Tensor:
        """Return one window's moments (S + 1, 2 C, T, F)."""
        shift = self.chosen[rng.integers(len(self.chosen))]
        path = moments_file(self.folder, self.segments[index], shift)
        return torch.from_numpy(np.load(path).astype(np.float32))
