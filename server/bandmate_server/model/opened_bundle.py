"""A bundle opened for inference: graphs on the chosen provider, their time counted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.errors import BundleError, DeviceError
from bandmate_server.model.bundle import Bundle
from bandmate_server.model.devices import BY_PROVIDER, CPU, choose_device, choose_threads
from bandmate_server.model.graphs import (
    check_shapes,
    first_line,
    giving_back,
    graph_shapes,
    open_session,
)
from bandmate_server.options import THREADS
from bandmate_server.spec import AnySpec


class OpenedBundle:
    """What models of all kinds have in common; graphs are opened when they are first used.

    provider: what ONNX Runtime really runs on.
    warnings: why the wanted device was not taken.
    ort_seconds: time spent inside ONNX Runtime so far.
    gives_back: whether a graph gives its working memory back after every run.

    Args:
        bundle: checked.
        device: a word of `options.DEVICE`.
        threads: of ONNX Runtime, at most one for each processor; None takes the physical cores.
    """

    spec: AnySpec
    gives_back: ClassVar[bool] = False

    def __init__(self, bundle: Bundle, device: str = "auto", threads: int | None = None):
        threads = THREADS.read(threads)
        choice = choose_device(device)
        self.bundle = bundle
        self.device = device
        self.threads, words = choose_threads(threads)
        self.provider = choice.provider
        self.warnings = [*choice.warnings, *words]
        self.ort_seconds = 0.0
        self._sessions: dict[str, Any] = {}

    def _run(self, graph: str, feeds: dict[str, FloatArray]) -> list[FloatArray]:
        session = self._session(graph)
        outputs = list(graph_shapes(graph, self.spec)[1])
        began = time.perf_counter()
        try:
            found: list[FloatArray] = session.run(outputs, feeds, self._run_options())
        except Exception as error:  # ONNX Runtime's errors share no other base.
            where = f"{self.bundle.files[graph]} failed on {self.provider}"
            raise DeviceError(f"{where}: {first_line(error)}") from error
        finally:
            self.ort_seconds += time.perf_counter() - began
        return found

    def _run_options(self) -> Any:
        return giving_back() if self.gives_back and self.provider == CPU else None

    def _session(self, graph: str) -> Any:
        """Return the graph's session, opened and checked on first use."""
        if graph not in self._sessions:
            session = self._open(self.bundle.files[graph])
            check_shapes(session, self.bundle.files[graph], graph, self.spec)
            self._sessions[graph] = session
        return self._sessions[graph]

    def _open(self, file: Path) -> Any:
        """Open a file on the provider, or on the CPU with a warning that says why."""
        if self.provider == CPU:
            return open_session(file, (CPU,), self.threads)
        try:
            session = open_session(file, (self.provider, CPU), self.threads)
            if session.get_providers()[0] == self.provider:
                return session
            why = f"it needs {BY_PROVIDER[self.provider].needs}"
        except BundleError as error:
            why = str(error)
        self.warnings.append(f"{self.provider} does not start, {why}: using the CPU")
        self.provider = CPU
        return open_session(file, (CPU,), self.threads)
