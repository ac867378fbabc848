"""RoFormers' weights with their YAML file of settings, to a bundle.

The file's sections are those of the training program that most published ones come from: `audio`
(sample_rate, chunk_size), `model` (the network's sizes), `training` (instruments,
target_instrument), `inference` (num_overlap).

Source: https://github.com/ZFTurbo/Music-Source-Separation-Training (MIT), configs/ and models/.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bandmate_export.bundle import About
from bandmate_export.published.job import Job
from bandmate_export.published.names import stem_names
from bandmate_export.published.settings_file import read_settings
from bandmate_export.waveform.bundle import WaveformNetwork, write_waveform
from bandmate_export.weights import precision_of
from bandmate_server.errors import CheckpointError
from bandmate_server.spec import OTHER
from bandmate_training.networks.safe_file import Weights, fill, read_file, unwrapped
from bandmate_training.networks.waveform.roformer import (
    FREQS_PER_BAND,
    RoFormer,
    RoFormerConfig,
    mel_bands,
    rotary_rates,
    split_bands,
)

logger = logging.getLogger(__name__)

Settings = Mapping[str, Mapping[str, Any]]
ROLE = "weights"
INSIDE = ("state_dict", "state", "model_state_dict", "model", "ema")  # where weights may lie
INSTRUMENTAL = "instrumental"  # for a target that is called `other`
ROTARY = ".rotary_embed.freqs"
ROTARY_TOLERANCE = 1e-3  # 16-bit files

# What a RoFormer's settings may say: those of its sizes with the reference's defaults,
SIZES: dict[str, Any] = {
    "dim": None, "depth": None, "stereo": False, "num_stems": 1, "time_transformer_depth": 2,
    "freq_transformer_depth": 2, "dim_head": 64, "heads": 8, "stft_n_fft": 2048,
    "stft_hop_length": 512, "mlp_expansion_factor": 4,
}  # fmt: skip
# those that would change what it computes, with what our network does,
NEEDED: dict[str, Any] = {
    "linear_transformer_depth": 0, "stft_normalized": False, "skip_connection": False,
    "num_residual_streams": 1, "use_pope": False, "use_value_residual_learning": False,
    "zero_dc": False,
}  # fmt: skip
# and those without effect.
WITHOUT_EFFECT = re.compile(
    r"attn_dropout|ff_dropout|(linear_)?flash_attn|dim_freqs_in|use_torch_checkpoint"
    r"|sage_attention|match_input_audio_length|multi_stft_\w+|stft_win(dow_fn|_length)"
)


@dataclass(frozen=True)
class Family:
    """What sets the two kinds apart.

    split: the setting of its bands.
    estimator_depth: default of how many layers mask estimators are said to have,
    hidden_less: of which so many are no hidden ones.
    norm_output: whether every transformer ends in a normalisation.
    """

    split: str
    estimator_depth: int
    hidden_less: int
    norm_output: bool


FAMILIES = {
    "bs-roformer": Family("freqs_per_bands", 2, 1, norm_output=False),
    "mel-band-roformer": Family("num_bands", 1, 0, norm_output=True),
}


def write_roformer(job: Job) -> None:
    """Convert weights and settings.

    Raises:
        CheckpointError: if one is unusable, or they do not fit together.
        ExportError: if the graph differs from torch.
    """
    assert job.config is not None
    settings, path = read_settings(job.config), job.files[ROLE]
    config = read_config(job.kind, settings, job.config)
    audio, inference = settings.get("audio", {}), settings.get("inference", {})
    overlaps = _whole(inference.get("num_overlap", 2), "num_overlap", job.config)
    sources = read_sources(settings, config.stems, job.config)
    try:
        with torch.device("meta"):
            network = RoFormer(config)
    except (RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{job.config}: its sizes make no network: {error}") from error
    weights = read_weights(path, config.dim_head)
    precision = precision_of(weights.values())
    fill(network, weights, path)
    source = WaveformNetwork(
        (network,),
        sources,
        sample_rate=_whole(audio.get("sample_rate", 44_100), "sample_rate", job.config),
        segment=_whole(audio.get("chunk_size"), "chunk_size", job.config),
        hop=_whole(settings["model"].get("stft_hop_length", 512), "stft_hop_length", job.config),
        overlap=1 - 1 / overlaps,
    )
    about = About(job.name, job.version, job.licence)
    write_waveform(source, job.folder, about, precision, job.report)


def read_config(kind: str, settings: Settings, path: Path) -> RoFormerConfig:
    """Return a network's sizes.

    Raises:
        CheckpointError: if the settings are another network's, or ask for what ours does not do.
    """
    family, model = FAMILIES[kind], settings.get("model", {})
    _check_names(kind, model, path)
    sizes = {name: model.get(name, usual) for name, usual in SIZES.items()}
    stereo = bool(sizes.pop("stereo"))
    size = {name: _whole(value, name, path) for name, value in sizes.items()}
    estimator = model.get("mask_estimator_depth", family.estimator_depth)
    fft = size["stft_n_fft"]
    if model.get("stft_win_length", fft) != fft:
        raise CheckpointError(f"{path}: stft_win_length differs from stft_n_fft: not known here")
    rate = model.get("sample_rate", 44_100)
    if family.split == "num_bands":
        count = _whole(model.get("num_bands", 60), "num_bands", path)
        bands = mel_bands(count, _whole(rate, "sample_rate", path), fft)
    else:
        widths = model.get("freqs_per_bands", FREQS_PER_BAND)
        if not isinstance(widths, list | tuple):
            raise CheckpointError(f"{path}: freqs_per_bands is {widths!r}: expected a list")
        bands = split_bands(_whole(width, "freqs_per_bands", path) for width in widths)
    covered = len({number for band in bands for number in band})
    if covered != fft // 2 + 1:
        raise CheckpointError(f"{path}: its bands have {covered} of {fft // 2 + 1} bins")
    return RoFormerConfig(
        bands=bands,
        bins=fft // 2 + 1,
        stems=size["num_stems"],
        channels=1 + stereo,
        dim=size["dim"],
        depth=size["depth"],
        time_depth=size["time_transformer_depth"],
        band_depth=size["freq_transformer_depth"],
        heads=size["heads"],
        dim_head=size["dim_head"],
        mask_hidden=size["mlp_expansion_factor"],
        mask_layers=_whole(estimator, "mask_estimator_depth", path) - family.hidden_less,
        norm_output=family.norm_output,
    )


def _check_names(kind: str, model: Mapping[str, Any], path: Path) -> None:
    """Refuse settings of another network, or of one that is only nearly ours."""
    family = FAMILIES[kind]
    if not {"dim", "depth"} <= set(model):
        raise CheckpointError(
            f"{path}: describes no {kind}: its section `model` has"
            f" {', '.join(map(str, model)) or 'nothing'}, expected dim, depth, {family.split}, ..."
        )
    for other, row in FAMILIES.items():
        if row.split in model and row.split != family.split:
            raise CheckpointError(f"{path}: {row.split} is a setting of {other}, not of {kind}")
    for name, needed in NEEDED.items():
        if model.get(name, needed) != needed:
            raise CheckpointError(f"{path}: {name} is {model[name]!r}, expected {needed}")
    known = {*SIZES, *NEEDED, family.split, "mask_estimator_depth", "sample_rate"}
    unknown = [n for n in map(str, model) if n not in known and not WITHOUT_EFFECT.fullmatch(n)]
    if unknown:
        raise CheckpointError(
            f"{path}: no {kind} as it is known here, for it has {', '.join(unknown)}"
        )


def _whole(value: Any, name: str, path: Path) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise CheckpointError(f"{path}: {name} is {value!r}: expected a whole number above 0")
    return value


def read_sources(settings: Settings, stems: int, path: Path) -> tuple[str, ...]:
    """Return what the outputs are: the target instrument, or all instruments.

    Raises:
        CheckpointError: if their number is not the network's, or they are no names.
    """
    training = settings.get("training", {})
    target, instruments = training.get("target_instrument"), training.get("instruments")
    if target is None and not isinstance(instruments, list | tuple):
        raise CheckpointError(f"{path}: its section `training` names no instruments")
    names = stem_names([target] if target is not None else list(instruments or ()), path)
    if len(names) != stems:
        raise CheckpointError(
            f"{path}: {len(names)} names ({', '.join(names)}) for num_stems of {stems}"
        )
    if names == (OTHER,):
        logger.warning("%s: its target is other: the stem is called %s", path, INSTRUMENTAL)
        return (INSTRUMENTAL,)
    return names


def read_weights(path: Path, head: int) -> Weights:
    """Return weights under the names that our network has.

    Raises:
        CheckpointError: if the file is damaged or would run code, or its attention is another.
    """
    weights = unwrapped(_inside(read_file(path), path), "", partial(logger.warning, "%s: %s", path))
    weights = {name.replace(".branch.", "."): value for name, value in weights.items()}
    for name in [name for name in weights if name.endswith(ROTARY)]:
        rates = weights.pop(name).float()
        if rates.shape != (head // 2,) or not torch.allclose(
            rates, rotary_rates(head), rtol=ROTARY_TOLERANCE, atol=0
        ):
            raise CheckpointError(f"{path}: {name} is not as usual: cannot be converted")
    places = {found[1] for name in weights if (found := re.match(r"layers\.\d+\.(\d+)\.", name))}
    if places != {"1", "2"}:
        return weights
    # Where linear attention could come first, the transformers are counted from 1.
    return {_earlier(name): value for name, value in weights.items()}


def _earlier(name: str) -> str:
    return re.sub(r"^(layers\.\d+\.)(\d+)", lambda found: f"{found[1]}{int(found[2]) - 1}", name)


def _inside(state: Mapping[str, Any], path: Path) -> Weights:
    part = next((state[k] for k in INSIDE if isinstance(state.get(k), Mapping)), state)
    found = {name: value for name, value in part.items() if isinstance(value, Tensor)}
    if not found:
        raise CheckpointError(f"{path}: holds no weights, has {', '.join(map(str, state))}")
    return found
