"""A separator of waves as a bundle: its spec, graph, parity report, manifest and card."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from bandmate_export.bundle import CARD, About, write_manifest
from bandmate_export.graph import Graph
from bandmate_export.parity import LIMIT, errors
from bandmate_export.staging import staged
from bandmate_export.storage import write_graph
from bandmate_export.waveform.htdemucs import htdemucs_outputs
from bandmate_export.waveform.roformer import roformer_output
from bandmate_export.weights import Precision
from bandmate_server.errors import ExportError
from bandmate_server.files import hash_file, write_whole
from bandmate_server.model.graphs import graph_names, graph_shapes
from bandmate_server.spec import TransformSpec, WaveformSpec
from bandmate_training.networks.waveform.htdemucs import HTDemucs
from bandmate_training.networks.waveform.roformer import RoFormer

SEED = 0

Network = HTDemucs | RoFormer
Report = Callable[[float, str], None]


@dataclass(frozen=True)
class WaveformNetwork:
    """One network, or one for each source, with weights, and what a checkpoint does not say.

    networks: of the same sizes, in evaluation mode.
    sources: what their outputs are.
    sample_rate: Hz.
    segment: samples at once.
    hop: of the transform, samples.
    overlap: of segments, as a share of one.
    """

    networks: tuple[Network, ...]
    sources: tuple[str, ...]
    sample_rate: int
    segment: int
    hop: int
    overlap: float = 0.25

    @classmethod
    def of_htdemucs(cls, *networks: HTDemucs) -> WaveformNetwork:
        """Return what an HTDemucs says of itself, or several that have a source each."""
        config = networks[0].config
        segment = int(config.samplerate * config.segment)
        sources = tuple(name for network in networks for name in network.config.sources)
        return cls(networks, sources, config.samplerate, segment, config.hop)

    def spec(self, name: str, segment: int | None = None) -> WaveformSpec:
        """Return the spec, for another segment if one is named."""
        samples, network = segment or self.segment, self.networks[0]
        if isinstance(network, HTDemucs):
            config = network.config
            size, channels = config.nfft, config.audio_channels
            transform = TransformSpec(
                fft_size=size,
                hop=self.hop,
                frames=math.ceil(samples / self.hop),
                lead=(size - self.hop) // 2,
                bins=size // 2,
                spare_frames=2,
                unitary=True,
            )
        else:
            bins, channels = network.config.bins, network.config.channels
            size = 2 * (bins - 1)
            transform = TransformSpec(size, self.hop, samples // self.hop + 1, size // 2, bins)
        return WaveformSpec(
            name=name,
            sources=self.sources,
            sample_rate=self.sample_rate,
            channels=channels,
            segment=samples,
            transform=transform,
            wave=isinstance(network, HTDemucs),
            overlap=self.overlap,
            apart=len(self.networks) > 1,
        )


@dataclass(frozen=True)
class ParityRow:
    """How far a graph's output is from the network's, at one segment length in samples."""

    graph: str
    output: str
    segment: int
    absolute: float
    relative: float


def separator_graph(
    name: str, network: Network, spec: WaveformSpec, precision: Precision
) -> onnx.ModelProto:
    """Return a graph of a network for the segments of a spec."""
    inputs, outputs = graph_shapes(name, spec)
    g = Graph(name, "separator", network, precision)
    values: Sequence[str]
    if isinstance(network, HTDemucs):
        values = htdemucs_outputs(g, network, spec.segment)
    else:
        assert spec.transform is not None
        values = [roformer_output(g, network, spec.transform.frames)]
    pairs = zip(outputs.items(), values, strict=True)
    return g.model(
        spec,
        {name: _fixed(shape) for name, shape in inputs.items()},
        {name: (value, _fixed(shape)) for (name, shape), value in pairs},
    )


def compare(
    name: str, network: Network, spec: WaveformSpec, precision: Precision
) -> list[ParityRow]:
    """Run network and graph on the same noise, for the segments of a spec."""
    import onnxruntime

    content = separator_graph(name, network, spec, precision).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    generator = np.random.default_rng([SEED, spec.segment])
    inputs, outputs = graph_shapes(name, spec)
    feeds = {
        name: 0.1 * generator.standard_normal(_fixed(shape), np.float32)
        for name, shape in inputs.items()
    }
    with torch.no_grad():
        found = network(*map(torch.from_numpy, feeds.values()))
    expected = found if isinstance(found, tuple) else (found,)
    made: list[NDArray[np.float32]] = session.run(list(outputs), feeds)
    return [
        ParityRow(name, output, spec.segment, *errors(have, want.numpy()))
        for output, have, want in zip(outputs, made, expected, strict=True)
    ]


def export_waveform(
    source: WaveformNetwork,
    out: Path,
    about: About,
    *,
    precision: Precision = "float32",
    force: bool = False,
) -> dict[str, Any]:
    """Write a network as a bundle and return its manifest, with the parity report in it.

    Args:
        source: the network.
        out: the bundle's folder.
        about: name, version and licence.
        precision: of large weights as stored.
        force: replace a bundle that is there.

    Raises:
        ExportError: if the graph differs from the network by more than 1e-4.
        OutputError: if the folder must not be replaced, or cannot be written.
    """
    with staged(out, force) as folder:
        return write_waveform(source, folder, about, precision, lambda fraction, what: None)


def write_waveform(
    source: WaveformNetwork, folder: Path, about: About, precision: Precision, report: Report
) -> dict[str, Any]:
    """Write a bundle into a folder; return its manifest.

    Every graph is compared with torch at its own segment length and at half of it.

    Args:
        source: the network.
        folder: that is there, and empty.
        about: name, version and licence.
        precision: of large weights as stored.
        report: is called with the share done (0 to 1) and what is being done.

    Raises:
        ExportError: if a graph differs from its network by more than 1e-4.
    """
    spec = source.spec(about.name)
    graphs = dict(zip(graph_names(spec), source.networks, strict=True))
    rows = list(_compared(source, graphs, precision, report))
    worst = max(rows, key=lambda row: math.inf if math.isnan(row.relative) else row.relative)
    if not worst.relative <= LIMIT:
        raise ExportError(
            f"{worst.output} of the {worst.graph} differs from torch by {worst.relative:.1e}"
            f" (relative, segments of {worst.segment} samples); the limit is {LIMIT:.0e}"
        )
    written: list[str] = []
    for name, network in graphs.items():
        model = separator_graph(name, network, spec, precision)
        written += write_graph(folder, f"{name}.onnx", model, largest=0)
    manifest = {
        "name": about.name,
        "version": about.version,
        "spec": spec.to_json(),
        "files": {name: f"{name}.onnx" for name in graphs},
        "sha256": {name: hash_file(folder / name) for name in written},
        "licence": about.licence,
        "weights": precision,
        "parity": [asdict(row) for row in rows],
    }
    write_manifest(folder, manifest)
    write_whole(folder / CARD, _card(about, spec, worst))
    return manifest


def _compared(
    source: WaveformNetwork, graphs: dict[str, Network], precision: Precision, report: Report
) -> Iterator[ParityRow]:
    """Yield the rows of every graph, at the segment's length and at half of it."""
    lengths = (source.segment, source.segment // 2)
    cases = [(name, length) for name in graphs for length in lengths]
    for done, (name, length) in enumerate(cases):
        report(done / len(cases), f"comparing the {name} with torch")
        yield from compare(name, graphs[name], source.spec(name, length), precision)


def _fixed(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """Return a shape that has no dynamic axis."""
    return tuple(axis for axis in shape if axis is not None)


def _card(about: About, spec: WaveformSpec, worst: ParityRow) -> str:
    seconds = spec.segment / spec.sample_rate
    return f"""# {about.name} {about.version}

A separator of waves: {", ".join(spec.sources)}. It takes {seconds:.2f} s at a time, at
{spec.sample_rate} Hz in {spec.channels} channels. Licence of the weights: {about.licence}.

Its graph differs from the network in torch by {worst.relative:.1e} at most (relative).
"""
