"""The networks of a bundle, from runs' checkpoints or from an earlier bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bandmate_export.weights import Precision, rounded
from bandmate_server.errors import BundleError, CheckpointError
from bandmate_server.model.bundle import load_bundle
from bandmate_server.spec import ModelSpec
from bandmate_training.networks.checkpoint_file import fingerprint, read_checkpoint
from bandmate_training.networks.config import (
    DenoiserConfig,
    SeparatorConfig,
    VaeConfig,
    VocoderConfig,
)
from bandmate_training.networks.denoiser import Denoiser
from bandmate_training.networks.separator import Separator
from bandmate_training.networks.vae import Vae
from bandmate_training.networks.vocoder import Vocoder
from bandmate_training.networks.weights import bundle_weights

KINDS: dict[str, tuple[type[Any], type[Any]]] = {
    "vae": (Vae, VaeConfig),
    "separator": (Separator, SeparatorConfig),
    "denoiser": (Denoiser, DenoiserConfig),
    "vocoder": (Vocoder, VocoderConfig),
}
HISTORY = ("config", "step", "minutes", "seed", "vae")  # what a checkpoint tells of its making


@dataclass(frozen=True)
class Networks:
    """What a bundle is made of; `history` says for each kind how it was trained.

    `precisions` are those that the weights were rounded to, by kind.
    """

    spec: ModelSpec
    vae: Vae
    separator: Separator
    denoiser: Denoiser
    vocoder: Vocoder
    history: dict[str, dict[str, Any]]
    precisions: dict[str, Precision] = field(
        default_factory=lambda: dict.fromkeys(KINDS, "float32")
    )

    def rounded(self, precisions: Mapping[str, Precision]) -> Networks:
        """Return copies whose weights have the values that are stored with a precision each."""
        modules = {kind: rounded(getattr(self, kind), precisions[kind]) for kind in KINDS}
        return replace(self, **modules, precisions=dict(precisions))


def read_networks(checkpoints: Sequence[Path], bundle: Path | None = None) -> Networks:
    """Read one checkpoint of each kind, in any order; what is missing comes from a bundle.

    Raises:
        CheckpointError: if a file is no checkpoint, two are of one kind or of different
            specs, weights do not fit or are not finite, a kind is missing, or the denoiser
            knows another VAE.
        BundleError: if the bundle is damaged, or none of ours.
    """
    states: dict[str, dict[str, Any]] = {}
    sources: dict[str, Path] = {}
    for path in checkpoints:
        state = read_checkpoint(path)
        kind = state["kind"]
        if kind not in KINDS:
            raise CheckpointError(f"{path}: a {kind}: expected one of {', '.join(KINDS)}")
        if kind in states:
            raise CheckpointError(f"{path}: a second {kind}, beside {sources[kind]}")
        states[kind], sources[kind] = state, path
    missing = [kind for kind in KINDS if kind not in states]
    if missing and bundle is None:
        raise CheckpointError(f"no checkpoint of the {' and the '.join(missing)} was given")
    if bundle is not None:
        for kind in missing:
            states[kind], sources[kind] = _bundle_state(bundle, kind), bundle
    spec = _common_spec(states, sources)
    history = {k: {key: s[key] for key in HISTORY if key in s} for k, s in states.items()}
    modules = {kind: _module(kind, states[kind], sources[kind], spec) for kind in KINDS}
    known = fingerprint(modules["vae"].state_dict())
    if states["denoiser"].get("vae", known) != known:
        raise CheckpointError(
            f"{sources['denoiser']}: trained on the latents of another VAE than {sources['vae']}"
        )
    return Networks(spec, **modules, history=history)


def bundle_module(folder: Path, kind: str) -> tuple[Any, dict[str, Any]]:
    """Return a network of a bundle, and how it was trained.

    Raises:
        BundleError: if the bundle is damaged, or none of ours.
    """
    state = _bundle_state(folder, kind)
    spec = ModelSpec.from_json(state["spec"])
    history = {key: state[key] for key in HISTORY if key in state}
    return _module(kind, state, folder, spec), history


def _bundle_state(folder: Path, kind: str) -> dict[str, Any]:
    """Return what a checkpoint would hold of a bundle's network."""
    bundle = load_bundle(folder)
    try:
        history = dict(bundle.manifest["training"][kind])
        history["config"] = dict(history["config"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{folder}: does not say how its {kind} is built") from error
    weights = bundle_weights(folder, kind)
    return {**history, "spec": bundle.spec.to_json(), "average": weights}


def _common_spec(states: dict[str, dict[str, Any]], sources: dict[str, Path]) -> ModelSpec:
    specs = {}
    for kind in KINDS:
        try:
            specs[kind] = ModelSpec.from_json(states[kind]["spec"])
        except ValueError as error:
            raise CheckpointError(f"{sources[kind]}: {error}") from error
    for kind, spec in specs.items():
        if spec != specs["vae"]:
            raise CheckpointError(
                f"{sources[kind]}: a {kind} for another model than {sources['vae']}: specs differ"
            )
    return specs["vae"]


def _module(kind: str, state: dict[str, Any], source: Path, spec: ModelSpec) -> Any:
    network, config = KINDS[kind]
    lists = {key: tuple(v) if isinstance(v, list) else v for key, v in state["config"].items()}
    try:
        module: nn.Module = network(spec, config(**lists))
        module.load_state_dict(state["average"])
    except (RuntimeError, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise CheckpointError(f"{source}: does not fit the {kind}: {reason}") from error
    for name, tensor in module.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{source}: {name} of the {kind} is not finite")
    return module.eval().requires_grad_(False)
