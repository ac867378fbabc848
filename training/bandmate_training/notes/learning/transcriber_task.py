"""Training the transcriber on rendered songs, whose notes are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bandmate_server.model.notes.layout import CELLS, DRUMS, PITCHES
from bandmate_server.model.notes.reading import notes_of
from bandmate_server.spec import NOTES
from bandmate_training.learning.one_network import OneNetworkTask
from bandmate_training.learning.trainer import Optimisers, backward_and_step
from bandmate_training.networks.layers import autocast
from bandmate_training.notes.config import TranscriberConfig
from bandmate_training.notes.data.mixing import MIXTURE
from bandmate_training.notes.data.pairs import Played
from bandmate_training.notes.grid import FRAME
from bandmate_training.notes.learning.figures import agreement
from bandmate_training.notes.learning.objective import surprise
from bandmate_training.notes.networks.transcriber import Transcriber, to_latents, to_outputs
from bandmate_training.notes.songs import SOURCES

ONSETS = 2.0  # weight of onsets against sustain, which lasts longer


class TranscriberTask(OneNetworkTask[Transcriber]):
    """Cross-entropy of all cells of single sources and mixtures."""

    kind, module = "note-encoder", "encoder"

    def __init__(self, config: TranscriberConfig, validation: Played) -> None:
        """Make the network; keep the validation examples."""
        super().__init__(NOTES, config, Transcriber(config))
        self.validation = validation

    def update(
        self, step: int, batch: Played, generator: torch.Generator, optimisers: Optimisers
    ) -> dict[str, float]:
        """Do one step on waves and the notes that sound in them."""
        with autocast():
            logits = self.network(batch.wave)
        loss = self._loss(logits.float(), batch.notes)
        backward_and_step(loss, self.model, optimisers["encoder"])
        return {"loss": loss.item()}

    def _loss(self, logits: Tensor, notes: Tensor) -> Tensor:
        """Return the mean surprise of a frame, in nats."""
        cells = surprise(logits, to_outputs(notes))
        return (ONSETS * cells[..., :CELLS].sum(-1) + cells[..., CELLS:].sum(-1)).mean()

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the loss, and how well the notes of each kind of example are found."""
        with autocast():
            logits = model(self.validation.wave).float()
        found, true = to_latents(logits.sigmoid()).numpy(), self.validation.notes.numpy()
        scores: dict[str, list[float]] = {}
        for row, number in enumerate(self.validation.stem.tolist()):
            kind = "mixture" if number == MIXTURE else SOURCES[number]
            for part in ("drums", "pitches"):
                if part == DRUMS and not true[row][:, :, PITCHES:].any():
                    continue
                if part != DRUMS and not true[row][:, :, :PITCHES].any():
                    continue
                name = f"{kind}_{part}" if number == MIXTURE else kind
                pair = (notes_of(each, part, FRAME) for each in (found[row], true[row]))
                scores.setdefault(name, []).append(agreement(*pair))
        figures = {f"val_{name}": float(np.mean(values)) for name, values in scores.items()}
        return {"val_loss": float(self._loss(logits, self.validation.notes)), **figures}

    def picture(self, model: nn.Module, path: Path) -> None:
        """Nothing is drawn."""
