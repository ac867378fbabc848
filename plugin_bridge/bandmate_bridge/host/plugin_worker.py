"""The process that holds external plug-ins: it may crash or hang, and nothing else does."""

from __future__ import annotations

import base64
import contextlib
import faulthandler
import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from bandmate_bridge.host.chains import ChainStep, nearest
from bandmate_bridge.host.vst3_factory import is_instrument
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.errors import BandmateError, PluginError

PROBE_FRAMES = 512  # of silence, to learn whether a plug-in takes so many channels
INSTRUMENT = "it is an instrument: a chain takes effects"
SHOWN_CHOICES = 40  # of a parameter's valid values, in a description


def serve(connection: Connection) -> None:
    """Answer requests until the other end goes away.

    Requests are (name, arguments, seconds allowed); answers ("ok", value) or ("error", text).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle.
    _silence()
    rack = _LoadedPlugins()
    connection.send(("ok", None))
    with contextlib.suppress(EOFError, OSError):
        while True:
            name, arguments, seconds = connection.recv()
            with _watchdog(seconds):
                try:
                    answer = ("ok", getattr(rack, name)(*arguments))
                except BandmateError as error:
                    answer = ("error", str(error))
                except (ValueError, TypeError, RuntimeError, ImportError, OSError) as error:
                    # pedalboard's own words for what a plug-in refuses.
                    answer = ("error", str(error).split("\n")[0])
            connection.send(answer)


def _silence() -> None:
    """Send to nowhere what plug-ins print: stdout may be the caller's JSON."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno() if sys.stdout else 1)
    os.dup2(sink, 2)


@contextlib.contextmanager
def _watchdog(seconds: float) -> Iterator[None]:
    """End this process if a call hangs and the parent is no longer there to do it."""
    with Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(2.0 * seconds + 10.0, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


class _LoadedPlugins:
    """The plug-ins that are loaded, by number."""

    def __init__(self) -> None:
        self._loaded: dict[int, _Loaded] = {}

    def load(self, number: int, step: ChainStep, rate: int, channels: int) -> None:
        """Load a plug-in for audio of a kind."""
        self._loaded[number] = _Loaded(step, rate, channels)

    def process(self, number: int, block: FloatArray) -> FloatArray:
        """Return what a plug-in makes of the next block (n, channels), without its latency."""
        return self._loaded[number].process(block)

    def drop(self, number: int) -> None:
        """Unload a plug-in."""
        del self._loaded[number]

    def describe(self, step: ChainStep) -> dict[str, Any]:
        """Return a plug-in's facts as JSON values, with the step's settings made."""
        plugin = _load(step)
        return {
            "name": plugin.name,
            "maker": plugin.manufacturer_name,
            "version": plugin.version,
            "effect": plugin.is_effect,
            "latency_samples": plugin.reported_latency_samples,
            "parameters": [_describe(key, value) for key, value in plugin.parameters.items()],
        }


class _Loaded:
    """One plug-in for audio of a kind; mono ones get an instance for each channel."""

    def __init__(self, step: ChainStep, rate: int, channels: int):
        self._rate, self._split, self._doubled = rate, False, False
        self._plugins = [_load(step)]
        if not self._plugins[0].is_effect:
            raise PluginError(INSTRUMENT)
        try:
            self._probe(channels)
        except ValueError as error:
            if channels == 1:
                self._doubled = True
                self._probe(2)
            elif _takes(self._plugins[0], 1, rate):
                self._split = True
                self._plugins += [_load(step) for _ in range(channels - 1)]
            else:
                raise PluginError(str(error).split("\n")[0]) from error
        for plugin in self._plugins:
            plugin.reset()

    def process(self, block: FloatArray) -> FloatArray:
        audio = np.ascontiguousarray(block.T)
        if self._split:
            parts = [
                plugin.process(audio[channel], self._rate, reset=False)
                for channel, plugin in enumerate(self._plugins)
            ]
            return np.stack(parts, axis=1)
        if self._doubled:
            audio = np.repeat(audio, 2, axis=0)
        out: FloatArray = self._plugins[0].process(audio, self._rate, reset=False).T
        return out[:, :1] if self._doubled else out

    def _probe(self, channels: int) -> None:
        self._plugins[0].process(np.zeros((channels, PROBE_FRAMES), np.float32), self._rate)


def _takes(plugin: Any, channels: int, rate: int) -> bool:
    try:
        plugin.process(np.zeros((channels, PROBE_FRAMES), np.float32), rate)
    except ValueError:
        return False
    return True


def _load(step: ChainStep) -> Any:
    """Return pedalboard's object for a plug-in, with its state and parameters set."""
    import pedalboard

    if is_instrument(Path(step.plugin), step.plugin_name):
        raise PluginError(INSTRUMENT)
    load: Any = pedalboard.load_plugin  # type: ignore[attr-defined]
    plugin = load(step.plugin, plugin_name=step.plugin_name or None)
    if step.preset:
        plugin.load_preset(step.preset)
    if step.raw_state:
        plugin.raw_state = base64.b64decode(step.raw_state)
    for key, value in step.parameters.items():
        if key not in plugin.parameters:
            hint = nearest(key, plugin.parameters)
            raise PluginError(f"it has no parameter {key!r}: {hint}")
        try:
            setattr(plugin, key, value)
        except (ValueError, TypeError) as error:
            allowed = _describe(key, plugin.parameters[key])["range"]
            raise PluginError(f"{key} is {value!r}: expected {allowed}") from error
    return plugin


def _describe(key: str, parameter: Any) -> dict[str, Any]:
    """Return a parameter's name, type, range in words, unit and present value."""
    low, high, _ = parameter.range
    unit = parameter.units or ""
    kind = parameter.type
    if kind is float:
        allowed = f"{low:g} to {high:g} {unit}".strip()
    elif kind is bool:
        allowed = "true or false"
    else:
        allowed = "one of " + ", ".join(map(str, parameter.valid_values[:SHOWN_CHOICES]))
    value = parameter.string_value
    return {"name": key, "type": kind.__name__, "range": allowed, "unit": unit, "value": value}
