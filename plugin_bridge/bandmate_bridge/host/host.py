"""Audio through effect chains: exact frames, tails, no latency, and finite after every step.

Built-in effects run here, block by block or on the whole file as each needs; external
plug-ins in a worker process. Needs pedalboard (GPL-3), the extra `host`.

    with ChainHost(chains) as host:
        guitar = host.render_array("guitar", audio, rate)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from bandmate_bridge.host.chains import Chains, ChainStep
from bandmate_bridge.host.effects import EFFECTS
from bandmate_bridge.host.plugin_process import LoadedPlugin, PluginProcess, require_pedalboard
from bandmate_bridge.host.stem_effect import StemEffect
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.sources import ArraySource, Source
from bandmate_server.errors import BandmateError, PluginError
from bandmate_server.model.opening import AnyModel

BUFFER_FRAMES = 8_192  # what pedalboard hands to an effect at once
BLOCK_FRAMES = 8 * BUFFER_FRAMES  # what goes from step to step
MAX_LATENCY_SECONDS = 30.0

Blocks = Iterator[FloatArray]  # (n, channels)


class _Pushed(Protocol):
    """An effect that is fed block by block; it may return fewer frames at first."""

    def push(self, block: FloatArray) -> FloatArray: ...


class ChainHost:
    """Renders the chains of one file; a context manager, for one thread.

    Args:
        chains: what to render.
        model: for steps that separate; None if there are none.

    Raises:
        PluginError: if pedalboard is missing.
        BandmateError: if a chain separates and there is no model.
    """

    def __init__(self, chains: Chains, model: AnyModel | None = None):
        steps = [step for _, _, step in chains.all_steps()]
        if any(not step.separate for step in steps):
            require_pedalboard()
        if model is None and any(step.separate for step in steps):
            raise BandmateError("a step that separates needs a model")
        self.chains = chains
        self._model = model
        self._plugins = PluginProcess(chains.timeout_seconds)

    def __enter__(self) -> ChainHost:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the plug-ins' process."""
        self._plugins.close()

    def frames(self, source: Source) -> int:
        """Return how long a chain's output is: the input and the tail."""
        return source.frames + self.chains.tail_frames(source.rate)

    def render(self, target: str, source: Source, frames: int | None = None) -> Blocks:
        """Yield the source through a target's chain, in blocks.

        An empty chain returns the input bit for bit.

        Args:
            target: a stem or `mix`; one without a chain is returned as it is.
            source: dry audio.
            frames: how many come out, silence having gone in after the source; None is
                `frames(source)`.

        Raises:
            PluginError: naming target, step and effect, if one fails or returns samples that
                are not finite.
        """
        total = self.frames(source) if frames is None else frames
        blocks = _with_tail(source, total)
        for number, step in enumerate(self.chains.steps.get(target, ()), 1):
            where = f"{target}, step {number}"
            blocks = self._through(step, blocks, source, total, where)
        return blocks

    def render_array(self, target: str, audio: ArrayLike, sample_rate: int) -> FloatArray:
        """Return audio (frames, channels) through a target's chain, tail included.

        Raises:
            AudioError, SettingsError: if audio or rate are not of a kind that the engine takes.
            PluginError: as `render` does.
        """
        return np.concatenate(list(self.render(target, ArraySource(audio, sample_rate))))

    def check(self) -> None:
        """Load every plug-in once, with its settings.

        Raises:
            PluginError: naming target, step and plug-in of the first that fails.
        """
        for target, number, step in self.chains.all_steps():
            if step.plugin:
                with _naming(f"{target}, step {number}"):
                    if not self._plugins.describe(step)["effect"]:
                        raise PluginError(f"plug-in {step.title} is an instrument")

    def describe(self, step: ChainStep) -> dict[str, Any]:
        """Return a plug-in's facts and parameters."""
        return self._plugins.describe(step)

    def _through(
        self, step: ChainStep, blocks: Blocks, source: Source, total: int, where: str
    ) -> Blocks:
        """Yield what a step makes of the blocks: as many frames, all finite."""
        done = 0
        with _naming(where):
            for block in self._processed(step, _same_size(blocks), source, total):
                _check_finite(block, step, done)
                yield block
                done += len(block)

    def _processed(self, step: ChainStep, blocks: Blocks, source: Source, total: int) -> Blocks:
        if step.plugin:
            loaded = self._plugins.load(step, source.rate, source.channels)
            yield from _stream(loaded, blocks, source, total, step.title)
            loaded.close()
        elif step.separate:
            assert self._model is not None
            stem = StemEffect(self._model, step.separate)
            audio = np.concatenate(list(blocks))
            yield from _cut(stem.process(audio.T, source.rate).T)
        elif EFFECTS[step.effect].whole:
            audio = np.ascontiguousarray(np.concatenate(list(blocks)).T)
            yield from _cut(
                _refusals(_built_in(step, source.rate), audio, source.rate, reset=True).T
            )
        else:
            yield from _stream(_BuiltIn(step, source.rate), blocks, source, total, step.title)


class _StepError(PluginError):
    """A PluginError that says in which step of which chain."""


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Put the place in front of a PluginError that names none yet."""
    try:
        yield
    except _StepError:
        raise
    except PluginError as error:
        raise _StepError(f"{where}: {error}") from error


class _BuiltIn:
    """One of pedalboard's own effects, fed block by block."""

    def __init__(self, step: ChainStep, rate: int):
        self._effect, self._rate = _built_in(step, rate), rate
        self._effect.reset()

    def push(self, block: FloatArray) -> FloatArray:
        audio = np.ascontiguousarray(block.T)
        return _refusals(self._effect, audio, self._rate, reset=False).T


def _built_in(step: ChainStep, rate: int) -> Any:
    """Return a fresh effect of pedalboard's, with the step's parameters."""
    import pedalboard

    arguments: dict[str, Any] = dict(step.parameters)
    for key, value in arguments.items():
        # Above half the rate pedalboard's filters answer with infinities.
        if key.endswith(("cutoff_hz", "frequency_hz")) and value >= rate / 2:
            limit = f"at {rate} Hz it must be below {rate / 2:g}"
            raise PluginError(f"{step.effect}: {key} is {value:g} Hz: {limit}")
    if "mode" in arguments:
        arguments["mode"] = pedalboard.LadderFilter.Mode.__members__[str(arguments["mode"])]
    if "quality" in arguments:
        arguments["quality"] = pedalboard.Resample.Quality.__members__[str(arguments["quality"])]
    if "impulse_response" in arguments:
        arguments["impulse_response_filename"] = arguments.pop("impulse_response")
    try:
        return getattr(pedalboard, step.effect)(**arguments)
    except (ValueError, RuntimeError) as error:
        raise PluginError(f"{step.effect}: {error}") from error


def _refusals(effect: Any, audio: FloatArray, rate: int, *, reset: bool) -> FloatArray:
    """Return processed audio (channels, n), and turn what pedalboard refuses into our error."""
    name = type(effect).__name__
    if EFFECTS[name].stereo_only and len(audio) > 2:
        raise PluginError(f"{name} takes one or two channels, not {len(audio)}")
    try:
        out: FloatArray = effect.process(audio, rate, BUFFER_FRAMES, reset=reset)
    except (ValueError, RuntimeError) as error:
        raise PluginError(f"{name}: {error}") from error
    return out


def _stream(
    effect: _Pushed | LoadedPlugin, blocks: Blocks, source: Source, total: int, name: str
) -> Blocks:
    """Yield `total` frames: silence at the end pushes out what latency kept back.

    What goes in is a multiple of pedalboard's buffer: a call with more frames than any call
    before would have it prepare the effect anew, and lose what is on its way.
    """
    silence = np.zeros((BUFFER_FRAMES, source.channels), np.float32)
    given = got = 0
    limit = total + math.ceil(MAX_LATENCY_SECONDS * source.rate)
    while got < total:
        if given > limit:
            kept = f"it keeps back {total - got} frames"
            raise PluginError(f"{name}: {kept} although {given - total} more have gone in")
        block = next(blocks, silence)
        short = -len(block) % BUFFER_FRAMES
        out = effect.push(np.concatenate([block, silence[:short]]) if short else block)
        given += len(block) + short
        yield out[: total - got]
        got += len(out)


def _with_tail(source: Source, total: int) -> Blocks:
    """Yield the source and then silence, `total` frames in all."""
    for start in range(0, source.frames, BLOCK_FRAMES):
        yield source.read(start, min(BLOCK_FRAMES, source.frames - start))
    yield from _cut(np.zeros((total - source.frames, source.channels), np.float32))


def _cut(audio: FloatArray) -> Blocks:
    for start in range(0, len(audio), BLOCK_FRAMES):
        yield audio[start : start + BLOCK_FRAMES]


def _same_size(blocks: Blocks) -> Blocks:
    """Yield the same audio in blocks of one size, so that no effect sees where others cut."""
    held: list[FloatArray] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        while count >= BLOCK_FRAMES:
            joined = np.concatenate(held)
            yield joined[:BLOCK_FRAMES]
            held, count = [joined[BLOCK_FRAMES:]], count - BLOCK_FRAMES
    if count:
        yield np.concatenate(held)


def _check_finite(block: FloatArray, step: ChainStep, position: int) -> None:
    bad = ~np.isfinite(block)
    if bad.any():
        first = position + int(np.argmax(bad.any(axis=1)))
        what = f"plug-in {step.title}" if step.plugin else step.title
        raise PluginError(
            f"{what} returned samples that are not finite (NaN or infinite), from frame {first} on"
        )
