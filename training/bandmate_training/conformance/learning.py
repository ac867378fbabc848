"""Checks of the loss and its gradients, of the optimiser with its average, and of measures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bandmate_server.spec import PAPER
from bandmate_training.conformance.check import Array, Arrays, Check, Reference, relative, tensor
from bandmate_training.evaluation.measures.frechet import frechet_distance
from bandmate_training.learning.diffusion import alphas_cumprod
from bandmate_training.learning.trainer import average_into, learning_rate
from bandmate_training.paper.keys import published_names
from bandmate_training.paper.loss import drop_condition, noise_error
from bandmate_training.paper.recipe import RECIPE, published_options
from bandmate_training.paper.schedule import buffers

GRADIENT = 1e-4  # of a parameter's gradient, as a share of its norm
OPTIMISER = 1e-6  # of parameters after some steps, relative


def loss(reference: Reference, file: Path) -> Iterator[Check]:
    """Check the loss, and all gradients where the folder has them."""
    data = reference.arrays(file)
    network = reference.networks.unet
    level, dropped = tensor(data["t"]), tensor(data["drop"]).bool()
    network.requires_grad_(True)
    errors = noise_error(
        network,
        tensor(data["z"]),
        drop_condition(tensor(data["cond"]), dropped),
        level,
        tensor(data["noise"]),
        alphas_cumprod(PAPER.schedule),
    )
    yield relative(f"{file.name} loss", errors.mean(), data["loss"])
    if "loss_vlb" in data:
        weights = torch.from_numpy(buffers(PAPER.schedule)["lvlb_weights"])
        bound = (weights[level] * errors).mean()
        yield relative(f"{file.name} loss_vlb", bound, data["loss_vlb"])
    errors.mean().backward()
    names = published_names(network)
    gradients = {
        names[name]: parameter.grad
        for name, parameter in network.named_parameters()
        if parameter.grad is not None
    }
    network.zero_grad(set_to_none=True)
    network.requires_grad_(False)
    yield from _slices(file.name, gradients, data)
    beside = file.with_name("grads.json")
    if beside.is_file():
        yield from _summaries(beside.name, gradients, reference.json(beside))


def _slices(name: str, gradients: dict[str, Tensor], data: Arrays) -> Iterator[Check]:
    """Check parts of gradients: the leading rows and columns of a parameter's."""
    parameters = {
        "grad_conv_in": "input_blocks.0.0.weight",
        "grad_out": "out.2.weight",
        "grad_qkv_slice": "middle_block.1.qkv.weight",
        "grad_time": "time_embed.0.weight",
    }
    for key in [key for key in parameters if key in data]:
        expected = data[key]
        found = gradients[parameters[key]]
        found = (
            found.reshape(*found.shape[: expected.ndim]) if found.ndim > expected.ndim else found
        )
        part = found[tuple(slice(length) for length in expected.shape)]
        yield relative(f"{name} {key}", part, expected, GRADIENT)


def _summaries(
    name: str, gradients: dict[str, Tensor], expected: dict[str, dict[str, float]]
) -> Iterator[Check]:
    """Check every gradient's norm, sum and first element, as shares of its norm."""
    for key, row in expected.items():
        found = gradients[key].double()
        spread = row["norm"] * np.sqrt(found.numel())  # how large the sum could be
        errors = (
            abs(float(found.norm()) - row["norm"]) / row["norm"],
            abs(float(found.sum()) - row["sum"]) / spread,
            abs(float(found.flatten()[0]) - row["first"]) / row["norm"],
        )
        yield Check(f"{name} {key}", max(errors), GRADIENT, "of its norm")


def gradients_alone(_reference: Reference, file: Path) -> Iterator[Check]:
    """Say if there is no loss whose gradients these would be."""
    if not file.with_name("loss.npz").is_file():
        yield Check(f"{file.name}: there is no loss.npz", 1.0, 0.0, "differences")


def misc(reference: Reference, file: Path) -> Iterator[Check]:
    """Check optimiser steps with their average, and the measures of the tables."""
    data = reference.arrays(file)
    if "ema_param" in data:
        yield from _optimiser(file.name, data)
    if "eval_mse" in data:
        generated, target = (data[f"eval_{k}"].astype(np.float64) for k in ("generated", "target"))
        error = ((generated - target) ** 2).mean(axis=(1, 2)).mean()
        yield relative(f"{file.name} eval_mse", error, data["eval_mse"])
        if "eval_si_sdr_on_mel" in data:
            ratio = np.mean([_si_sdr(*pair) for pair in zip(generated, target, strict=True)])
            yield relative(f"{file.name} eval_si_sdr_on_mel", ratio, data["eval_si_sdr_on_mel"])
    if "fd" in data:
        distance = frechet_distance(data["fd_a"], data["fd_b"])
        yield relative(f"{file.name} fd", distance, data["fd"])


def _optimiser(name: str, data: Arrays) -> Iterator[Check]:
    """Take the recorded steps on one weight; its bias has no gradient."""
    options = published_options(Path())
    model, shadow = nn.Linear(3, 2), nn.Linear(3, 2)
    with torch.no_grad():
        model.weight.copy_(tensor(data["ema_param"][0]))
        model.bias.zero_()
    shadow.load_state_dict(model.state_dict())
    optimiser = torch.optim.AdamW(
        model.parameters(), betas=options.betas, weight_decay=RECIPE.weight_decay
    )
    weights, averages, rates = [], [], []
    for step, gradient in enumerate(data["ema_grad"]):
        rates.append(learning_rate(options, step))
        optimiser.param_groups[0]["lr"] = rates[-1]
        model.weight.grad = tensor(gradient)
        model.bias.grad = torch.zeros(2)
        optimiser.step()
        average_into(shadow, model, step + options.average_from, options.average)
        weights.append(model.weight.detach().clone())
        averages.append(shadow.weight.detach().clone())
    yield relative(f"{name} learning rate", np.array(rates), data["ema_lr"], OPTIMISER)
    yield relative(f"{name} parameters", torch.stack(weights), data["ema_param"][1:], OPTIMISER)
    yield relative(f"{name} averages", torch.stack(averages), data["ema_shadow"][1:], OPTIMISER)


def _si_sdr(estimate: Array, target: Array) -> float:
    """Return the scale-invariant ratio in dB of an estimated image to its target."""
    part = (estimate * target).sum() / (target * target).sum() * target
    return float(10 * np.log10((part**2).sum() / ((estimate - part) ** 2).sum()))
