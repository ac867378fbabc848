"""HTDemucs' packages: sizes and weights, as the reference program wrote them, to a bundle.

A package is a file of `torch.save` with a class, the arguments that it was made with, and weights.

Source: https://github.com/facebookresearch/demucs (MIT), demucs/states.py and demucs/htdemucs.py.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bandmate_export.bundle import About
from bandmate_export.published.job import Job
from bandmate_export.published.names import stem_names
from bandmate_export.waveform.bundle import WaveformNetwork, write_waveform
from bandmate_export.weights import Precision, precision_of
from bandmate_server.errors import CheckpointError
from bandmate_server.spec import OTHER
from bandmate_training.networks.safe_file import fill, read_file
from bandmate_training.networks.waveform.htdemucs import HTDemucs, HTDemucsConfig

logger = logging.getLogger(__name__)


class _Class:
    """Stands for the class that a package names; nothing is made of it."""


class _OtherClass:
    """Stands for those of older networks."""


ALLOWED = {
    "fractions.Fraction": Fraction,
    "demucs.htdemucs.HTDemucs": _Class,
    "demucs.hdemucs.HDemucs": _OtherClass,
    "demucs.demucs.Demucs": _OtherClass,
}
SIZES = {field.name for field in fields(HTDemucsConfig)}
# What our network does, for arguments that would change what it computes.
NEEDED: dict[str, tuple[Any, ...]] = {
    "channels_time": (None,),
    "cac": (True,),
    "rewrite": (True,),
    "multi_freqs": (None, []),
    "context_enc": (0,),
    "t_emb": ("sin",),
    "t_norm_in": (True,),
    "t_norm_in_group": (False,),
    "t_group_norm": (False,),
    "t_norm_first": (True,),
    "t_norm_out": (True,),
    "t_layer_scale": (True,),
    "t_gelu": (True,),
    "t_sparse_self_attn": (False,),
    "t_sparse_cross_attn": (False,),
    "use_train_segment": (True,),
}
# Of training, of what is off, or of how weights begin.
WITHOUT_EFFECT = {
    *("wiener_iters", "end_iters", "wiener_residual", "multi_freqs_depth", "emb_smooth"),
    *("time_stride", "norm_groups", "dconv_init", "rescale", "t_dropout", "t_max_positions"),
    *("t_weight_decay", "t_lr", "t_sin_random_shift", "t_cape_mean_normalize", "t_cape_augment"),
    *("t_cape_glob_loc_scale", "t_mask_type", "t_mask_random_seed", "t_sparse_attn_window"),
    *("t_global_window", "t_sparsity", "t_auto_sparsity"),
}


def write_htdemucs(job: Job) -> None:
    """Convert one package, or a bag of them in which each has the source of its own place.

    Of a bag the network of `other` is left out, as that is always what the stems leave.

    Raises:
        CheckpointError: if one is unusable, or they do not fit together.
        ExportError: if a graph differs from torch.
    """
    packages = [read_package(path) for path in job.files.values()]
    precisions = {precision for _, precision in packages}
    precision: Precision = "float16" if precisions == {"float16"} else "float32"
    networks = [network for network, _ in packages]
    if len(networks) > 1:
        networks = _of_own_sources(networks, list(job.files.values()))
    about = About(job.name, job.version, job.licence)
    write_waveform(WaveformNetwork.of_htdemucs(*networks), job.folder, about, precision, job.report)


def read_package(path: Path) -> tuple[HTDemucs, Precision]:
    """Read a network, and the precision of its weights.

    Raises:
        CheckpointError: if the file is damaged, would run code, or holds another network.
    """
    package = read_file(path, ALLOWED)
    if package.get("klass") is _OtherClass:
        raise CheckpointError(f"{path}: an older network, no HTDemucs: it cannot be converted")
    weights, values = package.get("state"), package.get("kwargs")
    if package.get("klass") is not _Class or not isinstance(values, Mapping):
        raise CheckpointError(f"{path}: no package of an HTDemucs, has {', '.join(package)}")
    if not isinstance(weights, Mapping) or "__quantized" in weights:
        raise CheckpointError(f"{path}: its weights are packed in a way that cannot be read")
    arguments = {**dict(zip(["sources"], package.get("args", ()), strict=False)), **values}
    config = read_config(arguments, path)
    try:
        with torch.device("meta"):
            network = HTDemucs(config)
    except (ArithmeticError, RuntimeError, TypeError, ValueError, AssertionError) as error:
        raise CheckpointError(f"{path}: its sizes make no HTDemucs: {error}") from error
    tensors = {name: value for name, value in weights.items() if isinstance(value, Tensor)}
    fill(network, tensors, path)
    return network, precision_of(tensors.values())


def read_config(arguments: Mapping[str, Any], path: Path) -> HTDemucsConfig:
    """Return a network's sizes from the arguments that the reference's is made with.

    Raises:
        CheckpointError: if one is missing, or asks for what our network does not do.
    """
    for name, values in NEEDED.items():
        if name in arguments and arguments[name] not in values:
            wanted = " or ".join(map(str, values))
            raise CheckpointError(f"{path}: {name} is {arguments[name]!r}, expected {wanted}")
    unknown = sorted(set(arguments) - SIZES - set(NEEDED) - WITHOUT_EFFECT - {"norm_starts"})
    if unknown:
        logger.warning("%s: left out, as nothing is known of them: %s", path, ", ".join(unknown))
    sizes = {name: value for name, value in arguments.items() if name in SIZES}
    if "sources" not in sizes:
        raise CheckpointError(f"{path}: does not say which sources its network has")
    config = HTDemucsConfig(**{**sizes, "sources": stem_names(sizes["sources"], path)})
    if arguments.get("norm_starts", config.depth) < config.depth:
        raise CheckpointError(f"{path}: norm_starts is below the depth: it cannot be converted")
    return config


def _of_own_sources(networks: list[HTDemucs], paths: list[Path]) -> list[HTDemucs]:
    """Return of each network the part that gives the source of its place, but for `other`."""
    config = networks[0].config
    for network, path in zip(networks, paths, strict=True):
        if network.config != config:
            raise CheckpointError(f"{path}: of other sizes or sources than {paths[0]}")
    if len(networks) != len(config.sources):
        raise CheckpointError(
            f"{len(networks)} networks for {len(config.sources)} sources: expected one for each"
        )
    places = zip(config.sources, networks, strict=True)
    return [
        _of_one_source(network, place)
        for place, (name, network) in enumerate(places)
        if name != OTHER
    ]


def _of_one_source(network: HTDemucs, place: int) -> HTDemucs:
    """Return a network whose last layers give one source only."""
    config = network.config
    weights = dict(network.state_dict())
    last = f"decoder.{config.depth - 1}.conv_tr."
    for name in [name for name in weights if name.removeprefix("t").startswith(last)]:
        axis = 1 if name.endswith("weight") else 0  # a transposed convolution's outputs
        weights[name] = weights[name].chunk(len(config.sources), axis)[place].clone()
    with torch.device("meta"):
        part = HTDemucs(replace(config, sources=(config.sources[place],)))
    part.load_state_dict(weights, assign=True)
    return part.eval().requires_grad_(False)
