"""Checks of the noise schedule, of DDIM with guidance and inpainting, and of the whole chain."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.diffusion.sampler import (
    Estimate,
    Inpainting,
    SolverStep,
    cfg_terms,
    ddim_sigma,
    reference_steps,
    sample,
)
from bandmate_server.model.schedule import cumulative_alphas
from bandmate_server.spec import PAPER
from bandmate_training.conformance.check import (
    RELATIVE,
    Arrays,
    Check,
    Reference,
    absolute,
    count,
    elementwise,
    relative,
    tensor,
)
from bandmate_training.paper.schedule import betas, buffers
from bandmate_training.paper.vae import posterior_sample

SCHEDULE = 1e-6  # relative
TRAJECTORY = 1e-5  # absolute
STEPS = 20  # of a ddim case whose name says nothing
WATCHED = 5  # every which step a trajectory holds

Noise = Callable[[FloatArray, int, FloatArray], Any]  # (x, level, condition) -> eps


@dataclass(frozen=True)
class Case:
    """What a case's name says: steps, guidance, eta, and the stems to generate (None: all)."""

    guidance: float
    eta: float
    steps: int
    generated: tuple[int, ...] | None


def read_case(name: str, eta: float, steps: int) -> Case | None:
    """Read a name such as `inp_w0_eta0.5_S50_stems03`; None if it is none.

    Args:
        name: as in the reference files. Inpainting begins with "inp".
        eta: where the name has none.
        steps: where the name has none.
    """
    words = dict(re.findall(r"(?:^|_)(w|eta|S|stems?)([\d.]+)(?=_|$)", name))
    if "w" not in words:
        return None
    stems = words.get("stem", words.get("stems"))
    generated = tuple(int(digit) for digit in stems) if stems else None
    return Case(
        float(words["w"]), float(words.get("eta", eta)), int(words.get("S", steps)), generated
    )


def schedule(_reference: Reference, file: Path) -> Iterator[Check]:
    """Check every buffer, and the tables of every number of steps."""
    data = _reference.arrays(file)
    ours = buffers(PAPER.schedule)
    yield count(f"{file.name} buffers without a value", [k for k in ours if k not in data])
    for name in [name for name in ours if name in data]:
        yield elementwise(f"{file.name} {name}", ours[name], data[name], SCHEDULE)
    exact = betas(PAPER.schedule)
    yield elementwise(f"{file.name} betas_f64", exact, data["betas_f64"], SCHEDULE)
    abar = np.cumprod(1.0 - exact)
    yield elementwise(f"{file.name} alphas_cumprod_f64", abar, data["alphas_cumprod_f64"], SCHEDULE)
    for key in data:
        if found := re.fullmatch(r"ddim(\d+)_timesteps", key):
            yield from _tables(file.name, f"ddim{found[1]}", int(found[1]), data)


def _tables(file: str, prefix: str, count_: int, data: Arrays) -> Iterator[Check]:
    steps = reference_steps(cumulative_alphas(PAPER.schedule), count_)[::-1]
    ours: dict[str, list[float]] = {
        "timesteps": [step.timestep for step in steps],
        "alphas": [step.alpha for step in steps],
        "alphas_prev": [step.alpha_prev for step in steps],
        "sqrt_one_minus_alphas": [math.sqrt(1.0 - step.alpha) for step in steps],
        "sigmas_eta1": [ddim_sigma(step, 1.0) for step in steps],
    }
    for name, values in ours.items():
        if f"{prefix}_{name}" in data:
            yield elementwise(f"{file} {prefix}_{name}", values, data[f"{prefix}_{name}"], SCHEDULE)


def guided(noise: Noise, condition: FloatArray, guidance: float, alphas: FloatArray) -> Estimate:
    """Return the sampler's view of a noise predictor: an estimate of the clean latents."""

    def estimate(x: FloatArray, timestep: int) -> FloatArray:
        halves = cfg_terms(guidance, condition, 0 * condition)
        eps = sum(w * noise(x, timestep, c) for w, c in halves)
        alpha = float(alphas[timestep])
        return np.asarray((x - math.sqrt(1.0 - alpha) * eps) / math.sqrt(alpha), np.float32)

    return estimate


def run(
    estimate: Estimate, case: Case, steps: list[SolverStep], data: Arrays, given: FloatArray
) -> FloatArray:
    """Sample with the draws of a reference file.

    Args:
        estimate: the denoiser.
        case: eta, and what to generate.
        steps: to run.
        data: `x_T`, `step_noise` and `q_noise`.
        given: clean latents (B, S, C, T, F) of all stems.
    """
    known = None
    if case.generated is not None:
        mask = np.ones((1, given.shape[1], 1, 1, 1), np.float32)
        mask[:, list(case.generated)] = 0.0
        known = Inpainting(given, mask, lambda k: data["q_noise"][k])
    noise = data["step_noise"]
    return sample(estimate, data["x_T"], steps, "ddim", case.eta, lambda k: noise[k], known)


def analytic_noise(x: FloatArray, timestep: int, condition: FloatArray) -> Any:
    """Return the noise predictor of the trajectories: any function of x, level and condition."""
    near = 0.8 * math.sqrt(timestep / 1000) * x + 0.2 * np.tanh(x)
    return near + 0.3 * condition * math.sin(0.01 * timestep)


def ddim(reference: Reference, file: Path) -> Iterator[Check]:
    """Check trajectories, results and last estimates of every case."""
    data = reference.arrays(file)
    for key in [key for key in data if key.startswith("final_")]:
        name = key.removeprefix("final_")
        case = read_case(name, eta=0.0, steps=STEPS)
        if case is None:
            yield count(file.name, [f"{key}: not the name of a case"])
        elif name.startswith("inp") and case.generated is None:
            yield from _best(file.name, name, case, data)
        else:
            yield from _trajectory(file.name, name, case, data)


def _best(file: str, name: str, case: Case, data: Arrays) -> Iterator[Check]:
    """Find the arrangement that a case was made with: its name says that stems are given only."""
    stems = data["x0"].shape[1]
    arrangements = [
        tuple(index for index, wanted in enumerate(flags) if wanted)
        for flags in product((False, True), repeat=stems)
        if any(flags) and not all(flags)
    ]
    tried = []
    for generated in arrangements:
        words = "".join(str(stem) for stem in generated)
        fixed = Case(case.guidance, case.eta, case.steps, generated)
        tried.append(list(_trajectory(file, f"{name} (generating {words})", fixed, data, name)))
    yield from min(tried, key=lambda checks: sum(check.error for check in checks))


def _trajectory(
    file: str, title: str, case: Case, data: Arrays, name: str | None = None
) -> Iterator[Check]:
    name = name or title
    alphas = cumulative_alphas(PAPER.schedule)
    steps = reference_steps(alphas, case.steps)
    last: list[FloatArray] = []
    inner = guided(analytic_noise, data["cond"], case.guidance, alphas)

    def estimate(x: FloatArray, timestep: int) -> FloatArray:
        last[:] = [inner(x, timestep)]
        return last[0]

    if f"traj_{name}" in data:
        stops = sorted({*range(0, len(steps), WATCHED), len(steps) - 1})
        found = [run(estimate, case, steps[: stop + 1], data, data["x0"]) for stop in stops]
        yield absolute(f"{file} traj_{title}", np.stack(found), data[f"traj_{name}"], TRAJECTORY)
    final = run(estimate, case, steps, data, data["x0"])
    yield absolute(f"{file} final_{title}", final, data[f"final_{name}"], TRAJECTORY)
    if f"predx0_{name}" in data:
        yield absolute(f"{file} predx0_{title}", last[0], data[f"predx0_{name}"], TRAJECTORY)


@torch.no_grad()
def chain(reference: Reference, file: Path) -> Iterator[Check]:
    """Check the way from log-mels through latents and sampling to log-mels and waves."""
    data, networks = reference.arrays(file), reference.networks
    scale = float(data["scale_factor"])
    stems = networks.vae.encode(tensor(data["fbank_stems"]).flatten(0, 1)[:, None])
    z = scale * posterior_sample(stems, tensor(data["eps_z"]))
    mixture = networks.vae.encode(tensor(data["fbank_mix"])[:, None])
    c = scale * posterior_sample(mixture, tensor(data["eps_c"]))
    yield relative(f"{file.name} z", z.reshape(data["z"].shape), data["z"])
    yield relative(f"{file.name} c", c, data["c"])
    alphas = cumulative_alphas(PAPER.schedule)

    def eps(x: FloatArray, timestep: int, condition: FloatArray) -> Any:
        timesteps = torch.full((len(x),), timestep)
        return networks.unet(torch.from_numpy(x), timesteps, torch.from_numpy(condition)).numpy()

    for key in [key for key in data if key.startswith("latent_")]:
        name = key.removeprefix("latent_")
        case = read_case(name, eta=1.0, steps=len(data["step_noise"]))
        if case is None:
            yield count(file.name, [f"{key}: not the name of a case"])
            continue
        steps = reference_steps(alphas, case.steps)
        estimate = guided(eps, data["c"], case.guidance, alphas)
        latent = run(estimate, case, steps, data, data["z"])
        yield relative(f"{file.name} {key}", latent, data[key])
        if f"mel_{name}" in data:
            mel = networks.vae.decode(torch.from_numpy(latent).flatten(0, 1) / scale)
            yield relative(f"{file.name} mel_{name}", mel, data[f"mel_{name}"])
            wave = networks.vocoder(mel[:, 0].transpose(1, 2))
            yield absolute(f"{file.name} wav_{name}", wave, data[f"wav_{name}"], RELATIVE)
