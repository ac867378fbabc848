"""External plug-ins from where the work is: a worker process that is replaced when it dies."""

from __future__ import annotations

import importlib.util
import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from bandmate_bridge.host import plugin_worker
from bandmate_bridge.host.chains import ChainStep
from bandmate_bridge.terminal.exit_words import exit_words
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.errors import PluginError

START_SECONDS = 120.0  # for a process to start and import pedalboard, on a busy machine


def require_pedalboard() -> None:
    """Make sure that pedalboard is there.

    Raises:
        PluginError: saying how to install it.
    """
    if importlib.util.find_spec("pedalboard") is None:
        raise PluginError(
            "effect chains need pedalboard (GPL-3), which is not installed:"
            " pip install 'bandmate[host]'"
        )


class PluginProcess:
    """A process that loads plug-ins and runs audio through them; a context manager.

    It starts when first needed. After a crash or a time-out a new one takes its place, and
    the plug-ins of the old one are gone.

    Args:
        seconds: how long a plug-in may take to load, or for a block.
    """

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._count = 0

    def __enter__(self) -> PluginProcess:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.close()

    def load(self, step: ChainStep, rate: int, channels: int) -> LoadedPlugin:
        """Return a fresh instance of a plug-in.

        Raises:
            PluginError: naming the plug-in, if it cannot be loaded, crashes or hangs.
        """
        self._count += 1
        self._call("load", (self._count, step, rate, channels), step, "while loading")
        return LoadedPlugin(self, self._count, step)

    def describe(self, step: ChainStep) -> dict[str, Any]:
        """Return a plug-in's facts and parameters.

        Raises:
            PluginError: naming the plug-in, if it cannot be loaded, crashes or hangs.
        """
        found: dict[str, Any] = self._call("describe", (step,), step, "while loading")
        return found

    def process(self, number: int, step: ChainStep, block: FloatArray) -> FloatArray:
        """Return what instance `number` makes of a block (n, channels)."""
        out: FloatArray = self._call("process", (number, block), step, "while processing")
        return out

    def drop(self, number: int, step: ChainStep) -> None:
        """Unload an instance."""
        self._call("drop", (number,), step, "while unloading")

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is None or self._connection is None:
            return
        self._connection.close()
        self._process.join(1.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()
        self._process = self._connection = None

    def _call(self, name: str, arguments: tuple[Any, ...], step: ChainStep, when: str) -> Any:
        connection = self._running()
        try:
            connection.send((name, arguments, self._seconds))
            answered = connection.poll(self._seconds)
            kind, value = connection.recv() if answered else ("", None)
        except (EOFError, OSError) as error:
            how = self._ended()
            raise PluginError(f"plug-in {step.title} crashed {when} ({how})") from error
        if not answered:
            self._kill()
            limit = f"{self._seconds:g} s (timeout_seconds)"
            raise PluginError(f"plug-in {step.title} hung {when}: no answer within {limit}")
        if kind == "error":
            raise PluginError(f"plug-in {step.title}: {value}")
        return value

    def _running(self) -> Connection:
        """Return the connection to a living process."""
        if self._connection is not None:
            return self._connection
        require_pedalboard()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(
            target=plugin_worker.serve, args=(theirs,), name="bandmate-plugins"
        )
        self._process.start()
        theirs.close()
        self._connection = ours
        try:
            ready = ours.poll(START_SECONDS) and ours.recv()
        except (EOFError, OSError):
            ready = None
        if not ready:
            raise PluginError(f"the process for plug-ins did not start ({self._ended()})")
        return ours

    def _ended(self) -> str:
        """Forget the dead process and return how it ended."""
        assert self._process is not None
        self._process.join(1.0)
        code = self._process.exitcode
        self._kill()
        return exit_words(code)

    def _kill(self) -> None:
        assert self._process is not None
        assert self._connection is not None
        self._process.kill()
        self._process.join()
        self._process.close()
        self._connection.close()
        self._process = self._connection = None


class LoadedPlugin:
    """An instance of a plug-in in the worker process."""

    def __init__(self, process: PluginProcess, number: int, step: ChainStep):
        self._process, self._number, self._step = process, number, step

    def push(self, block: FloatArray) -> FloatArray:
        """Return the frames that the next block (n, channels) completes."""
        return self._process.process(self._number, self._step, block)

    def close(self) -> None:
        """Unload it."""
        self._process.drop(self._number, self._step)
