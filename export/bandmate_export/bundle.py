"""Write a bundle: its graphs, the manifest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx

from bandmate_export.mini.separator import separator_graph
from bandmate_export.mini.unet import denoiser_graph
from bandmate_export.mini.vae import decoder_graph, encoder_graph
from bandmate_export.mini.vocoder import vocoder_graph
from bandmate_export.networks import Networks
from bandmate_export.notes.networks import PART_DEFAULTS, NoteNetworks
from bandmate_export.paper.networks import PaperNetworks
from bandmate_export.storage import write_graph
from bandmate_export.weights import precision_words
from bandmate_server.files import hash_file, write_json
from bandmate_server.model.bundle import MANIFEST
from bandmate_server.model.graphs import graph_names

AnyNetworks = Networks | NoteNetworks | PaperNetworks
CARD = "MODEL_CARD.md"
LICENCE = "MIT"
CONSISTENCY_ROUNDS = 2  # of our own vocoder's waves; the published one's stay as they are
MASK_SPEEDS = (1.0, 0.93, 1.07)  # more than three bring less than they cost


@dataclass(frozen=True)
class About:
    """What the manifest says of a bundle beside its graphs."""

    name: str
    version: str
    licence: str = LICENCE
    defaults: dict[str, float] = field(default_factory=dict)


def graphs(networks: AnyNetworks) -> dict[str, onnx.ModelProto]:
    """Return the graphs by name."""
    if not isinstance(networks, Networks):
        return networks.graphs()
    spec, precisions = networks.spec, networks.precisions
    return {
        "encoder": encoder_graph(networks.vae, spec, precisions["vae"]),
        "denoiser": denoiser_graph(networks.denoiser, spec, precisions["denoiser"]),
        "decoder": decoder_graph(networks.vae, spec, precisions["vae"]),
        "vocoder": vocoder_graph(networks.vocoder, spec, precisions["vocoder"]),
        "separator": separator_graph(networks.separator, spec, precisions["separator"]),
    }


def write_graphs(folder: Path, networks: AnyNetworks, about: About) -> dict[str, Any]:
    """Write the graphs and a manifest that describes them; return the manifest.

    The same weights give the same bytes.
    """
    files = {graph: f"{graph}.onnx" for graph in graph_names(networks.spec)}
    written: list[str] = []
    models = graphs(networks)
    for graph in list(models):
        written += write_graph(folder, files[graph], models.pop(graph))
    manifest: dict[str, Any] = {
        "name": about.name,
        "version": about.version,
        "spec": networks.spec.to_json(),
        "files": files,
        "sha256": {name: hash_file(folder / name) for name in written},
        "licence": about.licence,
        "weights": precision_words(networks.precisions),
        "training": networks.history,
    }
    if not isinstance(networks, PaperNetworks):
        manifest["consistency_rounds"] = CONSISTENCY_ROUNDS
        manifest["mask_speeds"] = MASK_SPEEDS
    if isinstance(networks, NoteNetworks):
        manifest["part_defaults"] = PART_DEFAULTS
    if about.defaults:
        manifest["defaults"] = about.defaults
    write_manifest(folder, manifest)
    return manifest


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write bundle.json."""
    write_json(folder / MANIFEST, manifest, indent=2, durable=True)
