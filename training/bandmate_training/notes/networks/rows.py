"""What a key or a piece of the kit does before and after, with weights that all of a kind share.

That a key sounds on after its onset, and not without one, is the same for every key. The
transformer, which has all keys side by side in its tokens, would learn it for each by itself.
Here, what noisy values say of a key adds up over all frames of a note. When other keys are
struck, and the drums, is seen as counts: notes of a chord begin and end together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_server.model.notes.layout import (
    CELLS,
    DRUMS,
    PIECES,
    PITCHES,
    cell_kinds,
    note_count,
    packed_cells,
    packed_stems,
)
from bandmate_server.spec import STEMS
from bandmate_training.networks.layers import zero

PLANES = 2
KEY_ONSET, DRUM_ONSET, KEY_SUSTAIN = 0, 1, 2  # of `cell_kinds`
GROUP = 8  # frames in a step; the convolutions see the steps before and after
UNIT = 4.0  # logits that count as one
LARGEST = 16.0  # logits, in size, that are told apart
DRUM_SHARE = 2  # the kit's network is narrower by this: it has few pieces
Cells = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


class Rows(NamedTuple):
    """Rows of one kind, each a key of a stem or a piece of the kit, among packed notes.

    places: (R, PLANES) of each row; others: (K, R, PLANES) of the same key in other stems, one
    past the end where these have none. stems: (R,) numbers of the rows' stems among those of
    the kind. around: (S, C, notes), 1 for the notes that count as one at a stem's rows.
    """

    places: Cells
    others: Cells
    stems: Cells
    around: FloatArray


def key_rows() -> Rows:
    """Return the keys of all stems with pitches, each in its range: onset and sustain."""
    packed, count = packed_cells(), note_count()
    pitched = [stem for stem, name in enumerate(STEMS) if name != DRUMS]
    found: dict[tuple[int, int], Cells] = {}
    for stem in pitched:
        places = np.nonzero(packed_stems()[:count] == stem)[0].reshape(PLANES, -1).T
        found |= {(stem, int(packed[row[0]]) % CELLS): row for row in places}
    nowhere = np.full(PLANES, count)
    others = [
        [found.get((stem, cell), nowhere) for stem in pitched if stem != own] for own, cell in found
    ]
    stems = [pitched.index(stem) for stem, _ in found]
    kit = _kit()
    around = []
    for own in pitched:
        mine = packed_stems()[:count] == own
        strikes, holds = cell_kinds() == KEY_ONSET, cell_kinds() == KEY_SUSTAIN
        around.append([strikes & mine, holds & mine, strikes & ~mine, *kit])
    return Rows(
        np.stack(list(found.values())),
        np.array(others).transpose(1, 0, 2),
        np.array(stems),
        np.array(around, np.float32),
    )


def drum_rows() -> Rows:
    """Return the pieces of the kit: onset and moment."""
    count = note_count()
    places = np.nonzero(packed_stems()[:count] == STEMS.index(DRUMS))[0].reshape(PLANES, -1).T
    return Rows(
        places,
        np.zeros((0, *places.shape), np.int64),
        np.zeros(len(places), np.int64),
        np.array([[*_kit(), cell_kinds() == KEY_ONSET]], np.float32),
    )


def _kit() -> npt.NDArray[np.bool_]:
    """Return the onsets (3, notes) of kick, snare and the other pieces."""
    cells = packed_cells()[: note_count()] % CELLS
    pieces = np.where(cell_kinds() == DRUM_ONSET, cells - PITCHES, -1)
    names = list(PIECES)
    kick, snare = (pieces == names.index(name) for name in ("kick", "snare"))
    return np.array([kick, snare, (pieces >= 0) & ~kick & ~snare])


class RowNetwork(nn.Module):
    """Convolutions along each row."""

    places: Tensor
    others: Tensor
    stems: Tensor
    counted: Tensor

    def __init__(self, rows: Rows, kinds: int, width: int, blocks: int) -> None:
        """Make the layers for logits of some kinds; at first they return nothing."""
        super().__init__()
        inputs = PLANES * (kinds + bool(len(rows.others)))
        self.entry = nn.Conv1d(inputs * GROUP + 1, width, 3, padding=1)
        self.counts = rows.around.shape[1]
        self.around = zero(nn.Conv1d(self.counts * GROUP, width, 3, padding=1))
        self.near = nn.ModuleList(nn.Conv1d(width, width, 3, padding=1) for _ in range(blocks))
        self.join = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(blocks))
        self.exit = zero(nn.Conv1d(width, PLANES * GROUP, 1))
        self.register_buffer("places", torch.from_numpy(rows.places), persistent=False)
        self.register_buffer("others", torch.from_numpy(rows.others), persistent=False)
        self.register_buffer("stems", torch.from_numpy(rows.stems), persistent=False)
        counted = torch.from_numpy(rows.around).flatten(0, 1).T.contiguous()
        self.register_buffer("counted", counted, persistent=False)

    def forward(self, logits: Tensor, total: Tensor, angle: Tensor) -> Tensor:
        """Return what to add to the rows' logits (B, T, R PLANES).

        Args:
            logits: (B, T, kinds, notes + 1), the last of notes nowhere.
            total: their sum (B, T, notes + 1).
            angle: (B,) of the noise.
        """
        seen = logits[..., self.places].permute(0, 1, 3, 2, 4).flatten(3)  # (B, T, R, kinds PLANES)
        if len(self.others):
            seen = torch.cat([seen, (total[..., self.others].amax(2) / UNIT).tanh()], 3)
        steps = seen.unflatten(1, (-1, GROUP)).permute(0, 3, 4, 2, 1).flatten(2, 3)
        level = angle[:, None, None, None].expand(*steps.shape[:2], 1, steps.shape[-1])
        h = self.entry(torch.cat([steps, level], 2).flatten(0, 1))
        h = F.gelu(h + self._around(total[..., :-1].sigmoid())[:, self.stems].flatten(0, 1))
        for near, join in zip(self.near, self.join, strict=True):
            h = h + join(F.gelu(near(h)))
        found = self.exit(h).float().unflatten(0, (len(angle), -1))
        found = found.unflatten(2, (PLANES, GROUP))  # (B, R, PLANES, GROUP, N)
        return UNIT * found.permute(0, 4, 3, 1, 2).flatten(3).flatten(1, 2)

    def _around(self, chance: Tensor) -> Tensor:
        """Return what counts of notes say to the rows of each stem (B, S, width, N)."""
        counts = (chance @ self.counted).log1p()  # (B, T, S C)
        steps = counts.unflatten(2, (-1, self.counts)).unflatten(1, (-1, GROUP))
        steps = steps.permute(0, 3, 4, 2, 1).flatten(2, 3)  # (B, S, C GROUP, N)
        said: Tensor = self.around(steps.flatten(0, 1))
        return said.unflatten(0, (len(chance), -1))


class LocalNetwork(nn.Module):
    """One network for the keys of all stems, one for the pieces of the kit."""

    back: Tensor

    def __init__(self, kinds: int, width: int, blocks: int) -> None:
        """Make the networks for logits of some kinds."""
        super().__init__()
        keys, drums = key_rows(), drum_rows()
        self.keys = RowNetwork(keys, kinds, width, blocks)
        self.drums = RowNetwork(drums, kinds, width // DRUM_SHARE, blocks)
        order = np.concatenate([keys.places.ravel(), drums.places.ravel()])
        self.register_buffer("back", torch.from_numpy(np.argsort(order)), persistent=False)

    def forward(self, logits: Sequence[Tensor], angle: Tensor) -> Tensor:
        """Return what to add to the logits of cells (B, T, notes), of the same shape.

        Args:
            logits: what speaks for the cells, which adds up: each (B, T, notes), T a multiple
                of GROUP.
            angle: (B,) of the noise, 0 to 1.
        """
        total = F.pad(sum(logits[1:], logits[0]), (0, 1), value=-LARGEST)
        seen = torch.stack([one.clamp(-LARGEST, LARGEST) / UNIT for one in logits], 2)
        seen = F.pad(seen, (0, 1))
        both = [rows(seen, total, angle) for rows in (self.keys, self.drums)]
        return torch.cat(both, 2)[..., self.back]
