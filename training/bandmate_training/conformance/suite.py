"""Which checks belong to which file, and in what order they run."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from bandmate_server.errors import CheckpointError
from bandmate_training.conformance import audio, learning, outputs, sampling, weights
from bandmate_training.conformance.check import Check, Checker, Reference
from bandmate_training.conformance.networks import Networks
from bandmate_training.paper import config

TINY_SALT = "tiny|"
TINY_SHAPES = "tiny_shapes.json"

# Those above the line need no weights, or few.
LIGHT: dict[str, Checker] = {
    "schedule*.npz": sampling.schedule,
    "ddim*.npz": sampling.ddim,
    "segments*.json": audio.segments,
    "resample*.npz": audio.resampling,
    "mel*.npz": audio.mel,
    "dataset*.npz": audio.dataset,
    "misc*.npz": learning.misc,
    "checkpoint_keys*.json.gz": weights.names,
    "tiny*.npz": outputs.tiny,
}
HEAVY: dict[str, Checker] = {
    "weights_check*.json.gz": weights.rule,
    "blocks*.npz": outputs.blocks,
    "grads*.json": learning.gradients_alone,
    "loss*.npz": learning.loss,
    "unet_layer_stats.json": outputs.layer_statistics,
    "unet_*.npz": outputs.unet,
    "vae*.npz": outputs.vae,
    "vocoder*.npz": outputs.vocoder,
    "e2e*.npz": sampling.chain,
}


def open_reference(folder: Path, salt: str | None) -> Reference:
    """Open a folder of reference data.

    Args:
        folder: with any of the files.
        salt: of the weight rule, for all networks; None is "" at full size and "tiny|" else.

    Raises:
        CheckpointError: if it is no folder.
    """
    if not folder.is_dir():
        raise CheckpointError(f"--reference {folder}: no such folder")
    tiny = Networks(TINY_SALT if salt is None else salt)
    if (folder / TINY_SHAPES).is_file():
        shapes = outputs.read_shapes(folder / TINY_SHAPES)
        folded = {name.removesuffix("_v"): s for name, s in shapes["vocoder"].items()}
        tiny = Networks(
            tiny.salt,
            config.unet_config(shapes["unet"]),
            config.vae_config(shapes["vae"]),
            config.vocoder_config(folded),
        )
    return Reference(folder, Networks(salt or ""), tiny)


def run_checks(reference: Reference, light_only: bool) -> Iterator[Check]:
    """Run the checks of every file that is there.

    Args:
        reference: the folder.
        light_only: leave out what needs the networks at full size.

    Raises:
        CheckpointError: if the folder has no file that can be checked.
    """
    checkers = LIGHT if light_only else LIGHT | HEAVY
    done = 0
    for pattern, checker in checkers.items():
        for file in sorted(reference.folder.iterdir()):
            if fnmatch(file.name, pattern):
                yield from checker(reference, file)
                done += 1
    if not done:
        raise CheckpointError(f"{reference.folder}: nothing to check: no {', '.join(checkers)}")
