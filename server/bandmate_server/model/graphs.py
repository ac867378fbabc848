"""ONNX files -> ONNX Runtime sessions whose inputs and outputs are those of the contract."""

from __future__ import annotations

import contextlib
import io
import logging
from pathlib import Path
from typing import Any

from bandmate_server.errors import BundleError
from bandmate_server.model.conditioning import rules_of
from bandmate_server.model.devices import BY_PROVIDER, CUDA
from bandmate_server.spec import AnySpec, ModelSpec, WaveformSpec

Shapes = dict[str, tuple[int | None, ...]]  # name -> shape; None is a dynamic axis
GRAPHS = ("encoder", "denoiser", "decoder", "vocoder")
LARGEST_COPIED = 1 << 30  # bytes of weights; more stay as they are on the disk
DATA = ".data"  # behind a graph's name: the file of a large one's weights
SEPARATOR = "separator"  # of models with masks


def open_session(file: Path, providers: tuple[str, ...], threads: int) -> Any:
    """Open one ONNX file.

    Args:
        file: the graph.
        providers: in the order of preference, each with its options in `devices`.
        threads: of the processor.

    Raises:
        BundleError: if ONNX Runtime refuses it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # Errors; a fallback becomes our own warning.
    # Spinning threads would take the cores from the renderer between two runs.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    data = file.with_name(file.name + DATA)
    left_out = _save_memory(options, data.stat().st_size) if data.is_file() else []
    if providers[0] == CUDA:
        _load_libraries(onnxruntime)
    accelerator = BY_PROVIDER.get(providers[0])
    if accelerator and accelerator.in_turn:
        options.enable_mem_pattern = False
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    with_options = [
        (one, BY_PROVIDER[one].options if one in BY_PROVIDER else {}) for one in providers
    ]
    onnxruntime.set_default_logger_severity(4)  # A provider that fails would write to stderr.
    try:
        # ONNX Runtime's own fallback would print to stdout.
        return onnxruntime.InferenceSession(
            str(file),
            options,
            providers=with_options,
            disabled_optimizers=left_out,
            enable_fallback=0,
        )
    except Exception as error:  # Its errors share no other base.
        why = first_line(error)
        raise BundleError(f"{file} cannot be opened on {providers[0]}: {why}") from error
    finally:
        onnxruntime.set_default_logger_severity(2)


def giving_back() -> Any:
    """Return what has a session give the memory back that it worked in, once a run is over.

    Of a large network that is gigabytes, kept for the next run; of several networks, or between two
    requests to a server, it would only be in the way. Asking for it anew takes no time to speak of.
    """
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _save_memory(options: Any, size: int) -> list[str]:
    """Let a large graph hold every value only as long as it is needed, and threads sleep.

    Args:
        options: of the session.
        size: of its weights on the disk, bytes.

    Returns:
        Optimisers to leave out: those that would make 32-bit copies of very many 16-bit weights.

    ONNX Runtime plans to use a buffer again for the next value of the same shape, and keeps it
    until then: from the way down of a U-Net to its way up, all of them.
    """
    options.enable_mem_reuse = False
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if size <= LARGEST_COPIED:
        return []
    options.add_session_config_entry("session.disable_prepacking", "1")
    return ["ConstantFolding"]


def _load_libraries(onnxruntime: Any) -> None:
    """Load CUDA and cuDNN from their wheels where they are installed; it prints what it misses."""
    if hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()) as words:
            onnxruntime.preload_dlls()
        logging.getLogger(__name__).debug("preload_dlls: %s", words.getvalue())


def first_line(error: Exception) -> str:
    """Return the first line of what ONNX Runtime says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def graph_names(spec: AnySpec) -> tuple[str, ...]:
    """Return the graphs that a model of this spec consists of."""
    if isinstance(spec, WaveformSpec):
        return tuple(f"{SEPARATOR}-{s}" for s in spec.sources) if spec.apart else (SEPARATOR,)
    return GRAPHS if spec.masks is None else (*GRAPHS, SEPARATOR)


def graph_shapes(graph: str, spec: AnySpec) -> tuple[Shapes, Shapes]:
    """Return name -> shape of a graph's inputs and outputs; None is a dynamic axis."""
    return _waveform_shapes(spec) if isinstance(spec, WaveformSpec) else _shapes(graph, spec)


def _waveform_shapes(spec: WaveformSpec) -> tuple[Shapes, Shapes]:
    """Return those of a network of waves: spectra have both parts of each channel in turn."""
    stems, inputs, outputs = 1 if spec.apart else len(spec.sources), Shapes(), Shapes()
    if spec.transform is not None:
        cells = (2 * spec.channels, spec.transform.bins, spec.transform.frames)
        inputs["spectrum"], outputs["spectra"] = (1, *cells), (1, stems, *cells)
    if spec.wave:
        samples = (spec.channels, spec.segment)
        inputs["wave"], outputs["waves"] = (1, *samples), (1, stems, *samples)
    return inputs, outputs


def _shapes(graph: str, spec: ModelSpec) -> tuple[Shapes, Shapes]:
    stems, channels, bands = len(spec.stems), spec.latent_channels, spec.latent_bands
    latent = (None, channels, None, bands)
    stem_latents = (None, stems, channels, None, bands)
    mel = (None, None, spec.mel.bands)
    if graph == "encoder":
        return {"wave": (None, None)}, {"log_mel": mel, "latent": latent, "latent_std": latent}
    if graph == "decoder":
        return {"latent": latent}, {"log_mel": mel}
    if graph == "vocoder":
        return {"log_mel": mel}, {"wave": (None, None)}
    if graph == SEPARATOR:
        assert spec.masks is not None
        return {"wave": (None, None)}, {"mask_logits": (None, stems + 1, None, spec.masks.bands)}
    inputs: Shapes = {"x": stem_latents}
    inputs |= dict.fromkeys(("level", "alpha", "sigma", "guidance"), (None,))
    inputs["mixture"] = (None, *latent)
    if rules_of(spec).takes_stems:
        inputs |= {"mixture_kind": (None, None, 2), "known": (None, *stem_latents)}
        inputs["known_mask"] = (None, None, stems, None)
    return inputs, {"x0": stem_latents}


def check_shapes(session: Any, file: Path, graph: str, spec: AnySpec) -> None:
    """Compare a session's inputs and outputs with what the engine will feed and expect.

    Raises:
        BundleError: naming the file and the tensor.
    """
    expected_in, expected_out = graph_shapes(graph, spec)
    for what, expected, found in (
        ("input", expected_in, session.get_inputs()),
        ("output", expected_out, session.get_outputs()),
    ):
        shapes = {value.name: value.shape for value in found}
        if what == "input" and set(shapes) != set(expected):
            names = f"{sorted(shapes)}, expected {sorted(expected)}"
            raise BundleError(f"{file} has other inputs than its spec says: {names}")
        for name, shape in expected.items():
            if name not in shapes:
                raise BundleError(f"{file} has no {what} {name!r}")
            if not _fits(shapes[name], shape):
                have = f"{what} {name!r} is {shapes[name]}"
                raise BundleError(f"{file}: {have}, expected {list(shape)}")


def _fits(found: list[int | str | None], expected: tuple[int | None, ...]) -> bool:
    """Whether a shape from ONNX allows the expected one; names and None stand for any length."""
    if len(found) != len(expected):
        return False
    pairs = zip(found, expected, strict=True)
    return all(not isinstance(have, int) or have == want for have, want in pairs)
