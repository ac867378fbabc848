"""The one place that knows what the published files call the weights.

Each rule turns the beginning or a part of our module's parameter names into theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from torch import nn

from bandmate_training.paper.config import Shapes
from bandmate_training.paper.unet import UNet
from bandmate_training.paper.vae import Vae
from bandmate_training.paper.vocoder import Vocoder

# Prefixes in a Lightning checkpoint.
UNET_PREFIX = "model.diffusion_model."
EMA_PREFIX = "model_ema."
SHADOWS = f"{EMA_PREFIX}diffusion_model"
FIRST_STAGE_PREFIX = "first_stage_model."
VOCODER_PREFIX = "first_stage_model.vocoder."
SCALE_FACTOR = "scale_factor"

# Entries that inference does not need: schedule buffers, EMA's own counters, and the losses
# that the autoencoder was trained with.
NOT_NEEDED = re.compile(
    r"(logvar|betas|(sqrt_|log_)?(one_minus_|recip_|recipm1_)?alphas_cumprod(_prev)?"
    r"|posterior_\w+|lvlb_weights|model_ema\.(decay|num_updates)"
    r"|(first_stage_model\.)?loss\..*)"
)

_RESIDUAL_3D = (
    (r"\.residual\.first_norm\.", ".0.in_layers.0."),
    (r"\.residual\.first\.", ".0.in_layers.2."),
    (r"\.residual\.modulation\.", ".0.emb_layers.1."),
    (r"\.residual\.second_norm\.", ".0.out_layers.0."),
    (r"\.residual\.second\.", ".0.out_layers.3."),
    (r"\.residual\.skip\.", ".0.skip_connection."),
    (r"\.residual\.", ".0."),
)
_UNET = (
    *_RESIDUAL_3D,
    (r"\.attention\.out\.", ".1.proj_out."),
    (r"\.attention\.", ".1."),
    (r"^embedding\.", "time_embed."),
    (r"^input_blocks\.0\.resample\.", "input_blocks.0.0."),
    (r"^(input_blocks\.\d+)\.resample\.", r"\1.0.op."),
    (r"^(output_blocks\.\d+)\.resample\.", r"\1.2."),
    (r"^middle\.0\.", "middle_block."),
    (r"^middle\.1\.0\.", "middle_block.2."),
    (r"^out_norm\.", "out.0."),
    (r"^out\.(weight|bias)$", r"out.2.\1"),
)
_VAE = (
    (r"\.first_norm\.", ".norm1."),
    (r"\.first\.", ".conv1."),
    (r"\.second_norm\.", ".norm2."),
    (r"\.second\.", ".conv2."),
    (r"\.skip\.", ".nin_shortcut."),
    (r"^encoder\.levels\.(\d+)\.resample\.", r"encoder.down.\1.downsample."),
    (r"^decoder\.levels\.(\d+)\.resample\.", r"decoder.up.\1.upsample."),
    (r"^encoder\.levels\.(\d+)\.blocks\.", r"encoder.down.\1.block."),
    (r"^decoder\.levels\.(\d+)\.blocks\.", r"decoder.up.\1.block."),
    (r"\.middle\.0\.", ".mid.block_1."),
    (r"\.middle\.1\.out\.", ".mid.attn_1.proj_out."),
    (r"\.middle\.1\.", ".mid.attn_1."),
    (r"\.middle\.2\.", ".mid.block_2."),
    (r"^(\w+)\.entry\.", r"\1.conv_in."),
    (r"^(\w+)\.norm\.", r"\1.norm_out."),
    (r"^(\w+)\.out\.", r"\1.conv_out."),
    (r"^to_moments\.", "quant_conv."),
    (r"^from_latent\.", "post_quant_conv."),
)
_VOCODER = (
    (r"^entry\.", "conv_pre."),
    (r"^upsample\.", "ups."),
    (r"^blocks\.(\d+)\.first\.", r"resblocks.\1.convs1."),
    (r"^blocks\.(\d+)\.second\.", r"resblocks.\1.convs2."),
    (r"^out\.", "conv_post."),
)
_RULES = {UNet: _UNET, Vae: _VAE, Vocoder: _VOCODER}


def published_names(module: nn.Module) -> dict[str, str]:
    """Return our name -> published name (no prefix) of each parameter of a whole network."""
    return {name: _rename(name, _RULES[type(module)]) for name in module.state_dict()}


def published_shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return published name -> shape of each parameter of a whole network, in our order."""
    names, state = published_names(module), module.state_dict()
    return {names[name]: tuple(value.shape) for name, value in state.items()}


def published_modules(network: nn.Module) -> dict[str, nn.Module]:
    """Return published name -> module, of all modules that have a name in the files."""
    found: dict[str, nn.Module] = {}
    for name, module in network.named_modules():
        # A trailing dot lets the rules see a module as the prefix of its parameters.
        renamed = _rename(f"{name}.", _RULES[type(network)]).rstrip(".")
        found[renamed] = module
    return found


def shadow_name(name: str) -> str:
    """Return what an EMA copy of the U-Net's parameter (published name, no prefix) is called."""
    return EMA_PREFIX + f"diffusion_model.{name}".replace(".", "")


def unfolded_shapes(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """Return the vocoder's shapes with each weight split into norm and direction, as filed."""
    found: dict[str, tuple[int, ...]] = {}
    for name, shape in shapes.items():
        if name.endswith(".weight"):
            found[f"{name}_g"] = (shape[0], *[1] * (len(shape) - 1))
            found[f"{name}_v"] = shape
        else:
            found[name] = shape
    return found


def without_prefix(names: Iterable[str], prefix: str) -> dict[str, str]:
    """Return name without prefix -> whole name, of the names that begin with the prefix."""
    return {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}


def _rename(name: str, rules: Iterable[tuple[str, str]]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name
