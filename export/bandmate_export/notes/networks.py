"""The networks of a bundle that samples notes, from runs' checkpoints and an earlier bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from bandmate_export.mini.separator import separator_graph
from bandmate_export.mini.vocoder import vocoder_graph
from bandmate_export.networks import HISTORY, bundle_module
from bandmate_export.notes.denoiser import denoise, denoiser_graph
from bandmate_export.notes.encoder import NoteEncoder, encoder_graph
from bandmate_export.notes.sound import decode, decoder_graph
from bandmate_export.weights import Precision, rounded
from bandmate_server.errors import CheckpointError
from bandmate_server.spec import NOTES, ModelSpec
from bandmate_training.networks.checkpoint_file import read_checkpoint
from bandmate_training.networks.mel import LogMel
from bandmate_training.networks.separator import Separator
from bandmate_training.networks.vocoder import Vocoder
from bandmate_training.notes.config import (
    NoteDecoderConfig,
    NoteDenoiserConfig,
    TranscriberConfig,
)
from bandmate_training.notes.networks.network import NoteDenoiser
from bandmate_training.notes.networks.sound import NoteDecoder
from bandmate_training.notes.networks.transcriber import Transcriber

Reference = Callable[[dict[str, Tensor]], Sequence[Tensor]]
KINDS = ("note-encoder", "note-denoiser", "note-decoder")
PART_DEFAULTS = {"steps": 12, "solver": "ddim", "guidance": 2.0, "eta": 0.0, "drafts": 3}
STORED = ("encoder", "denoiser", "decoder", "separator", "vocoder")


@dataclass(frozen=True)
class NoteNetworks:
    """What such a bundle is made of; each graph has a network of its own name."""

    encoder: NoteEncoder
    denoiser: NoteDenoiser
    decoder: NoteDecoder
    separator: Separator
    vocoder: Vocoder
    history: dict[str, dict[str, Any]]
    precisions: dict[str, Precision] = field(
        default_factory=lambda: dict.fromkeys(STORED, "float32")
    )
    spec: ModelSpec = NOTES

    def rounded(self, precisions: Mapping[str, Precision]) -> NoteNetworks:
        """Return copies whose weights have the values that are stored with a precision each."""
        kept: dict[str, Precision] = {kind: precisions[kind] for kind in STORED}
        modules = {kind: rounded(getattr(self, kind), kept[kind]) for kind in STORED}
        return replace(self, **modules, precisions=kept)

    def graphs(self) -> dict[str, onnx.ModelProto]:
        """Return the graphs by name."""
        spec, stored = self.spec, self.precisions
        return {
            "encoder": encoder_graph(self.encoder, spec, stored["encoder"]),
            "denoiser": denoiser_graph(self.denoiser, spec, stored["denoiser"]),
            "decoder": decoder_graph(self.decoder, spec, stored["decoder"]),
            "vocoder": vocoder_graph(self.vocoder, spec, stored["vocoder"]),
            "separator": separator_graph(self.separator, spec, stored["separator"]),
        }

    def references(self) -> dict[str, Reference]:
        """Return for each graph a function that computes its outputs in torch."""
        mel = LogMel(self.spec.mel)
        unused = ("level", "sigma")
        return {
            "encoder": lambda feeds: self.encoder(feeds["wave"], mel),
            "denoiser": lambda feeds: (
                denoise(self.denoiser, **{k: v for k, v in feeds.items() if k not in unused}),
            ),
            "decoder": lambda feeds: (decode(self.decoder, feeds["latent"]),),
            "vocoder": lambda feeds: (self.vocoder(feeds["log_mel"]),),
            "separator": lambda feeds: (self.separator.separate(feeds["wave"]),),
        }


def is_of_notes(checkpoint: Path) -> bool:
    """Tell whether a checkpoint is of a network on notes.

    Raises:
        CheckpointError: if it is no checkpoint.
    """
    return read_checkpoint(checkpoint)["kind"] in KINDS


def read_note_networks(checkpoints: Sequence[Path], bundle: Path) -> NoteNetworks:
    """Read one checkpoint of each kind, in any order; separator and vocoder come from a bundle.

    Raises:
        CheckpointError: if a file is no checkpoint, a kind is missing or there twice, or weights
            do not fit or are not finite.
        BundleError: if the bundle is damaged, or none of ours.
    """
    states: dict[str, dict[str, Any]] = {}
    for path in checkpoints:
        state = read_checkpoint(path)
        if state["kind"] not in KINDS or state["kind"] in states:
            raise CheckpointError(f"{path}: a {state['kind']}: expected one each of {KINDS}")
        states[state["kind"]] = state
    missing = [kind for kind in KINDS if kind not in states]
    if missing:
        raise CheckpointError(f"no checkpoint of the {' and the '.join(missing)} was given")
    transcriber, denoiser, decoder = (
        make(state["config"])
        for make, state in zip(_MAKERS, (states[kind] for kind in KINDS), strict=True)
    )
    for module, kind in ((transcriber, KINDS[0]), (denoiser, KINDS[1]), (decoder, KINDS[2])):
        _fill(module, states[kind]["average"], kind)
    history = {
        kind.removeprefix("note-"): {key: state[key] for key in HISTORY if key in state}
        for kind, state in states.items()
    }
    separator, history["separator"] = bundle_module(bundle, "separator")
    vocoder, history["vocoder"] = bundle_module(bundle, "vocoder")
    encoder = NoteEncoder(transcriber, decoder.timbre).eval()
    return NoteNetworks(encoder, denoiser, decoder, separator, vocoder, history)


_MAKERS: tuple[Callable[[dict[str, Any]], Any], ...] = (
    lambda config: Transcriber(TranscriberConfig(**config)),
    lambda config: NoteDenoiser(NoteDenoiserConfig(**config)),
    lambda config: NoteDecoder(NOTES, NoteDecoderConfig(**config)),
)


def _fill(module: nn.Module, weights: Mapping[str, Tensor], kind: str) -> None:
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise CheckpointError(f"does not fit the {kind}: {reason}") from error
    for name, tensor in module.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{name} of the {kind} is not finite")
    module.eval().requires_grad_(False)
