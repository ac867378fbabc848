"""What a key does before and after, with weights that all keys and stems share.

That a key sounds on after its onset, and not without one, is the same for every key. The
transformer, which has all keys side by side in its tokens, would learn it for each by itself.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_server.model.notes.layout import CELLS, DRUMS, PITCHES, TIMBRE
from bandmate_server.spec import STEMS
from bandmate_training.networks.layers import zero
from bandmate_training.notes.packing import pack, unpack

PITCHED = tuple(index for index, stem in enumerate(STEMS) if stem != DRUMS)
OTHERS = tuple(tuple(k for k in range(len(PITCHED)) if k != stem) for stem in range(len(PITCHED)))
GROUP = 8  # frames in a step; the convolutions see the steps before and after
SURE = 4.0  # logits that count as nearly certain
INPUTS = 5  # onset and sustain of the stem, and of the others; the noise


class KeyCorrection(nn.Module):
    """Corrects the logits of each key by what it does over 1.6 s, in this stem and the others."""

    def __init__(self, width: int) -> None:
        """Make the layers; at first they change nothing."""
        super().__init__()
        self.entry = nn.Conv1d(INPUTS * GROUP, width, 3, padding=1)
        self.middle = nn.Conv1d(width, width, 3, padding=1)
        self.exit = zero(nn.Conv1d(width, 2 * GROUP, 1))

    def forward(self, logits: Tensor, angle: Tensor) -> Tensor:
        """Return what to add to the logits (B, T, notes), of the same shape.

        Args:
            logits: that cells sound, as far as is known; T is a multiple of GROUP.
            angle: (B,) of the noise, 0 to 1.
        """
        batch, frames, notes = logits.shape
        sure = F.pad((logits / SURE).tanh() + 1, (0, TIMBRE * len(STEMS)))
        own = unpack(sure)[:, PITCHED, :, :, :PITCHES] - 1  # Keys out of range are silent.
        others = own[:, OTHERS].amax(2)
        level = angle[:, None, None, None, None].expand(batch, len(PITCHED), 1, frames, PITCHES)
        known = torch.cat([own, others, level], 2)  # (B, S, INPUTS, T, PITCHES)
        steps = known.unflatten(3, (-1, GROUP)).permute(0, 1, 5, 2, 4, 3)
        h = F.gelu(self.entry(steps.flatten(0, 2).flatten(1, 2)))
        found = self.exit(F.gelu(self.middle(h))).float()
        found = found.reshape(batch, len(PITCHED), PITCHES, 2, GROUP, -1)
        out = found.new_zeros(batch, len(STEMS), 2, frames, CELLS)
        out[:, PITCHED, :, :, :PITCHES] = found.permute(0, 1, 3, 5, 4, 2).flatten(3, 4)
        return pack(out)[..., :notes]
