"""Weights from where they are kept; the names that other programs import."""

from bandmate_training.networks.checkpoint_file import fingerprint
from bandmate_training.networks.weights import bundle_weights, load_module, load_vae
from bandmate_training.paper.published import Published, load_published

__all__ = [
    "Published",
    "bundle_weights",
    "fingerprint",
    "load_module",
    "load_published",
    "load_vae",
]
