"""Training the decoder of notes, and with it the code of their timbre."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from bandmate_server.spec import STEMS, ModelSpec
from bandmate_training.learning.one_network import OneNetworkTask
from bandmate_training.learning.pictures import draw_mels
from bandmate_training.learning.trainer import Optimisers, backward_and_step
from bandmate_training.networks.layers import autocast
from bandmate_training.networks.mel import LogMel
from bandmate_training.notes.config import NoteDecoderConfig
from bandmate_training.notes.data.pairs import Played
from bandmate_training.notes.networks.sound import NoteDecoder, softened, with_timbre

TIMBRE_NOISE = 0.15  # standard deviation, of a code whose own is 1
_AUDIBLE = -8.0  # log-mel around which a cell begins to be heard


def audible(log_mel: Tensor) -> Tensor:
    """Return weights 0.2 to 1 of log-mel cells: those that can be heard count more."""
    return 0.2 + 0.8 * torch.sigmoid(log_mel - _AUDIBLE)


class SoundTask(OneNetworkTask[NoteDecoder]):
    """The mean absolute error of log-mels, of single stems with their own timbre."""

    kind, module = "note-decoder", "decoder"

    def __init__(
        self,
        spec: ModelSpec,
        config: NoteDecoderConfig,
        validation: Played,
        keep_timbre: bool = False,
    ) -> None:
        """Make the network.

        Args:
            spec: of the model.
            config: its widths.
            validation: examples.
            keep_timbre: leave the timbre's code as it is: a denoiser has learnt it.
        """
        super().__init__(spec, config, NoteDecoder(spec, config))
        self.mel = LogMel(spec.mel)
        if keep_timbre:
            self.model.timbre.requires_grad_(False).eval()
        self.validation = validation

    def update(
        self, step: int, batch: Played, generator: torch.Generator, optimisers: Optimisers
    ) -> dict[str, float]:
        """Do one step; the timbre is that of the very stretch that is to be decoded."""
        with torch.no_grad():
            mel = self.mel(batch.wave)
        notes = softened(batch.notes, generator)
        with autocast():
            timbre = self.model.timbre(mel)
            timbre = timbre + TIMBRE_NOISE * torch.randn(timbre.shape, generator=generator)
            found = self.network(with_timbre(notes, timbre))
        weights = audible(mel)
        loss = ((found - mel).abs() * weights).sum() / weights.sum()
        backward_and_step(loss, self.model, optimisers["decoder"])
        return {"error": loss.item()}

    @torch.no_grad()
    def decoded(self, model: nn.Module, batch: Played) -> tuple[Tensor, Tensor]:
        """Return the true and the decoded log-mels (B, N, M)."""
        assert isinstance(model, NoteDecoder)
        mel = self.mel(batch.wave)
        with autocast():
            return mel, model(with_timbre(batch.notes, model.timbre(mel)))

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the error of every stem."""
        mel, found = self.decoded(model, self.validation)
        weights = audible(mel)
        errors = ((found - mel).abs() * weights).sum((1, 2)) / weights.sum((1, 2))
        rows = {name: errors[self.validation.stem == k] for k, name in enumerate(STEMS)}
        return {f"val_{name}": float(row.mean()) for name, row in rows.items() if len(row)}

    @torch.no_grad()
    def picture(self, model: nn.Module, path: Path) -> None:
        """Draw the first examples' log-mels above what is decoded of their notes."""
        first = Played(*(part[: len(STEMS)] for part in self.validation))
        mel, found = self.decoded(model, first)
        titles = [STEMS[int(stem)] for stem in first.stem]
        draw_mels(path, [list(mel), list(found)], titles)
