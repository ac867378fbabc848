"""Do the exported graphs compute what the networks do? Measured at several sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bandmate_export.networks import Networks
from bandmate_export.notes.networks import NoteNetworks
from bandmate_export.paper.networks import PaperNetworks
from bandmate_server.errors import ExportError
from bandmate_server.model.bundle import Bundle
from bandmate_server.model.devices import CPU
from bandmate_server.model.graphs import check_shapes, graph_shapes, open_session
from bandmate_server.model.schedule import cumulative_alphas
from bandmate_server.spec import ModelSpec
from bandmate_training.learning.diffusion import clean_from_velocity
from bandmate_training.networks.mel import LogMel

FILE = "parity.json"  # of a report beside the bundle
LIMIT = 1e-4  # relative error above which nothing is exported
SEED = 0

Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Case:
    """Sizes of one comparison: items, latent frames, halves of the guidance."""

    batch: int
    latents: int
    halves: int = 1


Expected = dict[str, list[tuple[Case, list[NDArray[np.float32]]]]]  # by graph
Reference = Callable[[dict[str, Tensor]], Sequence[Tensor]]

CASES = (Case(1, 8), Case(3, 24), Case(1, 256), Case(1, 8, 2), Case(2, 40, 2))


@dataclass(frozen=True)
class Row:
    """The error of one output: the largest, and the L2 norm's share of the expected one's."""

    graph: str
    output: str
    case: Case
    absolute: float
    relative: float


def compare(
    networks: Networks | NoteNetworks | PaperNetworks, bundle: Bundle, cases: Sequence[Case]
) -> list[Row]:
    """Run networks and graphs on the same random inputs.

    Raises:
        BundleError: if a graph is not what the engine expects.
    """
    return compare_with(expectations(networks, cases), bundle)


def expectations(
    networks: Networks | NoteNetworks | PaperNetworks, cases: Sequence[Case]
) -> Expected:
    """Return what networks give for random inputs, by graph."""
    return {
        graph: [
            (case, [value.numpy() for value in _given(reference, graph, networks.spec, case)])
            for case in cases
            if case.halves == 1 or graph == "denoiser"
        ]
        for graph, reference in references(networks).items()
    }


def _given(reference: Reference, graph: str, spec: ModelSpec, case: Case) -> Sequence[Tensor]:
    feeds = _feeds(graph, spec, case)
    with torch.no_grad():
        return reference({name: torch.from_numpy(value) for name, value in feeds.items()})


def compare_with(expected: Expected, bundle: Bundle) -> list[Row]:
    """Run graphs on the inputs that networks were run on; one graph is in memory at a time.

    Raises:
        BundleError: if a graph is not what the engine expects.
    """
    assert isinstance(bundle.spec, ModelSpec)
    rows = []
    for graph, cases in expected.items():
        session = open_session(bundle.files[graph], (CPU,), torch.get_num_threads())
        check_shapes(session, bundle.files[graph], graph, bundle.spec)
        names = list(graph_shapes(graph, bundle.spec)[1])
        for case, wanted in cases:
            found = session.run(names, _feeds(graph, bundle.spec, case))
            for name, have, want in zip(names, found, wanted, strict=True):
                rows.append(Row(graph, name, case, *errors(have, want)))
    return rows


def _feeds(graph: str, spec: ModelSpec, case: Case) -> Arrays:
    """Return the inputs that a graph of this spec has."""
    wanted = graph_shapes(graph, spec)[0]
    return {name: value for name, value in inputs(graph, spec, case).items() if name in wanted}


def check(rows: Iterable[Row], limit: float) -> None:
    """Refuse graphs whose error is too large.

    Raises:
        ExportError: naming the worst output.
    """
    worst = max(rows, key=lambda row: math.inf if math.isnan(row.relative) else row.relative)
    if not worst.relative <= limit:
        raise ExportError(
            f"{worst.graph}: {worst.output} differs from torch by {worst.relative:.1e}"
            f" (relative, {_words(worst.case)}); the limit is {limit:.0e}"
        )


def table(rows: Sequence[Row]) -> str:
    """Return the rows as text, one line each."""
    lines = [
        f"{'graph':10}{'output':12}{'batch':>6}{'T':>5}{'G':>3}{'max abs':>10}{'relative':>10}"
    ]
    lines += [
        f"{r.graph:10}{r.output:12}{r.case.batch:6}{r.case.latents:5}{r.case.halves:3}"
        f"{r.absolute:10.1e}{r.relative:10.1e}"
        for r in rows
    ]
    return "\n".join(lines)


def largest(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    """Return the largest errors of every graph."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        figures = found.setdefault(row.graph, {"absolute": 0.0, "relative": 0.0})
        figures["absolute"] = max(figures["absolute"], row.absolute)
        figures["relative"] = max(figures["relative"], row.relative)
    return found


def references(
    networks: Networks | NoteNetworks | PaperNetworks,
) -> dict[str, Reference]:
    """Return for each graph a function that computes its outputs in torch."""
    if not isinstance(networks, Networks):
        return networks.references()
    vae, vocoder = networks.vae, networks.vocoder
    mel = LogMel(networks.spec.mel)

    def encoder(feeds: dict[str, Tensor]) -> Sequence[Tensor]:
        log_mel = mel(feeds["wave"])
        mean, log_variance = vae.encode(log_mel)
        return log_mel, mean * vae.scale, (0.5 * log_variance).exp() * vae.scale

    return {
        "encoder": encoder,
        "separator": lambda feeds: (networks.separator.separate(feeds["wave"]),),
        "denoiser": lambda feeds: (_denoise(networks, **feeds),),
        "decoder": lambda feeds: (vae.decode(feeds["latent"] / vae.scale),),
        "vocoder": lambda feeds: (vocoder(feeds["log_mel"]),),
    }


def _denoise(
    networks: Networks, x: Tensor, level: Tensor, alpha: Tensor, sigma: Tensor, guidance: Tensor,
    mixture: Tensor, mixture_kind: Tensor, known: Tensor, known_mask: Tensor,
) -> Tensor:  # fmt: skip
    """Return x0, one half of the guidance after the other."""
    x0 = torch.zeros_like(x)
    alpha, sigma = (value.reshape(-1, 1, 1, 1, 1) for value in (alpha, sigma))
    for half, weight in enumerate(guidance.tolist()):
        conditions = (mixture[half], mixture_kind[half], known[half], known_mask[half])
        v = networks.denoiser(x, level, *conditions)
        x0 += weight * clean_from_velocity(x, v, alpha, sigma)
    return x0


def inputs(graph: str, spec: ModelSpec, case: Case) -> Arrays:
    """Draw a graph's inputs, always the same for the same sizes."""
    generator = np.random.default_rng([SEED, case.batch, case.latents, case.halves])

    def normal(*shape: int) -> NDArray[np.float32]:
        return generator.standard_normal(shape, np.float32)

    batch, latents, bands = case.batch, case.latents, spec.latent_bands
    latent = (spec.latent_channels, latents, bands)
    if graph in ("encoder", "separator"):
        return {"wave": 0.1 * normal(batch, latents * spec.latent_hop)}
    if graph == "decoder":
        return {"latent": normal(batch, *latent)}
    if graph == "vocoder":
        frames = latents * spec.latent_ratio
        quietest = math.log(spec.mel.floor)
        return {"log_mel": np.maximum(2 * normal(batch, frames, spec.mel.bands) - 5, quietest)}
    stems = len(spec.stems)
    level = generator.integers(spec.schedule.steps, size=batch)
    share = np.asarray(cumulative_alphas(spec.schedule))[level]
    mask = generator.integers(2, size=(case.halves, batch, stems, latents)).astype(np.float32)
    weights = np.array([1.5, -0.5] if case.halves == 2 else [1.0], np.float32)
    kind = np.eye(2, dtype=np.float32)[generator.integers(2, size=(case.halves, batch))]
    return {
        "x": normal(batch, stems, *latent),
        "level": level.astype(np.float32),
        "alpha": np.sqrt(share).astype(np.float32),
        "sigma": np.sqrt(1 - share).astype(np.float32),
        "guidance": weights,
        "mixture": normal(case.halves, batch, *latent),
        "mixture_kind": kind,
        "known": normal(case.halves, batch, stems, *latent) * mask[:, :, :, None, :, None],
        "known_mask": mask,
    }


def errors(found: Any, expected: NDArray[np.float32]) -> tuple[float, float]:
    """Return the largest and the relative error; infinite where shapes differ."""
    if found.shape != expected.shape:
        return math.inf, math.inf
    difference = found.astype(np.float64) - expected
    norm = float(np.linalg.norm(expected.astype(np.float64)))
    error = float(np.linalg.norm(difference))
    relative = error / norm if norm > 0 else (0.0 if error == 0 else math.inf)
    return float(np.abs(difference).max()), relative


def _words(case: Case) -> str:
    return f"batch {case.batch}, {case.latents} latent frames, {case.halves} condition(s)"
