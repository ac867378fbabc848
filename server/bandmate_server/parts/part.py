"""A new part: everything decided, what is given encoded once, then take after take."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.sources import Source
from bandmate_server.audio.windows import find_region, plan_windows
from bandmate_server.diffusion.joint import Conditioning, InitLatents, PartSampler, Sampling
from bandmate_server.errors import RegionError
from bandmate_server.model.conditioning import rules_of
from bandmate_server.model.model import Model
from bandmate_server.model.notes.score import Score, read_score, silent_score
from bandmate_server.model.opening import AnyModel, latent_model
from bandmate_server.options import MAX_SECONDS
from bandmate_server.parts.context import ContextInput, encode_windows, mixed, read_context
from bandmate_server.parts.loudness_match import AppliedGain, LoudnessMatcher
from bandmate_server.parts.ranking import WINDOW, ContextScorer
from bandmate_server.parts.renderers import part_renderer
from bandmate_server.parts.task import PartTask
from bandmate_server.parts.timeline import Timeline
from bandmate_server.progress import Monitor
from bandmate_server.settings import PartSettings, check_names, check_wanted
from bandmate_server.spec import BACKING

OVERLAP = 1 / 16  # of a window, between neighbours at least: 0.64 s
DRAFT_STRIDE = 0x9E3779B97F4A7C15  # between drafts' seeds: no take has such neighbours
SHORTEST = 0.25  # of a window, that are made at least
RENDERING = 0.2  # share of a draft's time in which its latents become waves
DEFAULTS: dict[str, dict[str, Any]] = {
    "learnt": {"steps": 4, "solver": "dpm", "guidance": 6.0, "eta": 0.0, "drafts": 5},
    "mixture": {"steps": 50, "solver": "ddim", "guidance": 1.0, "eta": 1.0, "drafts": 1},
}  # of a bundle that names none, by its conditioning


@dataclass(frozen=True)
class Take:
    """One take: stem -> mono audio of the region (frames,), and how each was levelled.

    score: what is played, where the model knows it.
    """

    seed: int
    stems: dict[str, FloatArray]
    levels: dict[str, AppliedGain]
    warnings: list[str]
    score: Score | None = None


@dataclass(frozen=True)
class Draft:
    """A draft of a take: latents (S, C, L, F) of all stems, and waves (n,) of those wanted."""

    latents: FloatArray
    waves: dict[str, FloatArray]


def decide_sampling(model: Model, settings: PartSettings) -> Sampling:
    """Fill in what the settings leave open; a bundle's manifest may have "part_defaults"."""
    found = DEFAULTS[model.spec.conditioning] | model.bundle.manifest.get("part_defaults", {})
    found |= {name: value for name, value in vars(settings).items() if value is not None}
    return Sampling(**{field.name: found[field.name] for field in fields(Sampling)})


class Part:
    """One job with everything decided; `takes` does the work.

    stem_names: the stems that are made.
    region: where they are made, in frames of the session.
    written: what the files hold of the session.
    rate, channels: of the session.

    Args:
        model: any that makes parts.
        given: name -> audio; a backing, if there is one, is the last.
        task: what is asked for.
        settings: checked.
        monitor: called with the stages "read", "encode" and "sample".

    Raises:
        SettingsError: naming what is unknown, missing, or both given and wanted.
        RegionError: if start and end do not fit the session.
    """

    def __init__(
        self,
        model: AnyModel,
        given: Mapping[str, Source],
        task: PartTask,
        settings: PartSettings,
        monitor: Monitor,
    ):
        self.model, self.task = latent_model(model), task
        self.settings, self.monitor = settings, monitor
        spec = self.model.spec
        self.stem_names = task.wanted(spec.stems)
        check_wanted(self.stem_names, spec.stems)
        check_names(tuple(name for name in given if name != BACKING), spec.stems)
        task.check_given(given)
        task.check_settings(settings)
        self.how, self._render = decide_sampling(self.model, settings), part_renderer(self.model)
        self.context_audio = task.session(given)
        self.rate, self.channels = self.context_audio.rate, self.context_audio.channels
        rate, frames = self.rate, self.context_audio.frames
        self.region = find_region(settings.start, settings.end, rate, frames)
        self.written = task.written(self.region, frames)
        if not given:  # The model may see as much silence as it likes.
            shortest = SHORTEST * spec.window_samples / spec.sample_rate
            frames = max(frames, math.ceil(shortest * rate))
        self.layout = plan_windows(self.region, rate, frames, spec, OVERLAP)
        self.timeline = Timeline(self.region, self.layout, rate, spec)
        seconds = self.region.frames / rate
        if seconds > MAX_SECONDS:
            raise RegionError(
                f"the region is {seconds:.0f} s long: at most {MAX_SECONDS:.0f} s at once;"
                " name a start and an end"
            )
        self.context_lufs: float | None = None
        self._encodings = 0  # waves encoded

    def takes(self) -> Iterator[Take]:
        """Yield the takes that the settings ask for.

        Raises:
            AudioError: if samples are not finite, or all that is given is silent.
            Cancelled: if the monitor says so.
        """
        count = self.settings.takes
        context = self._read_context()
        if context is not None and self.task.rests(self.context_audio, context):
            for index in range(count):
                yield self._silence(self.settings.seed + index)
            return
        matcher = LoudnessMatcher(
            self.timeline, self.context_audio, self.model.spec.stems, self.stem_names, context
        )
        self.context_lufs = matcher.context_lufs
        conditioning, init = self._condition(context)
        scorer = self._scorer(context)
        for index in range(count):
            seed = self.settings.seed + index
            best = self._best(conditioning, init, seed, scorer, index / count)
            take = self._levelled(best.waves, matcher, seed)
            yield replace(take, score=self._score(best.latents))

    def blocks(self, name: str, mono: FloatArray) -> Iterator[FloatArray]:
        """Yield what is written for a stem (n, channels), from its mono region (frames,)."""
        return self.task.blocks(self.context_audio, self.region, name, mono)

    def _best(
        self, conditioning: Conditioning, init: InitLatents | None, seed: int,
        scorer: ContextScorer | None, begin: float,
    ) -> Draft:  # fmt: skip
        """Return the draft of a take that agrees best with what is given."""
        count = 1 if scorer is None else self.how.drafts

        def draft(number: int) -> Draft:
            how = replace(self.how, seed=(seed + number * DRAFT_STRIDE) % 2**64)
            report = partial(self._report, begin, number, count)
            sampler = PartSampler(
                self.model,
                conditioning,
                self.layout,
                how,
                lambda x: report((1 - RENDERING) * x),
                init,
            )
            latents = sampler.latents()
            waves = self._rendered(latents, lambda x: report(1 - RENDERING + RENDERING * x))
            return Draft(latents, waves)

        drafts = map(draft, range(count))
        return next(drafts) if scorer is None else max(drafts, key=partial(self._fit, scorer))

    def _report(self, begin: float, draft: int, count: int, share: float) -> None:
        """Report that a share of the `draft`-th of `count` drafts of a take is done."""
        self.monitor.report("sample", begin + (draft + share) / count / self.settings.takes)

    def _fit(self, scorer: ContextScorer, draft: Draft) -> float:
        """Return how well a draft agrees with what is given."""
        span = self.timeline.span
        return sum(scorer.score(name, wave[span]) for name, wave in draft.waves.items())

    def _score(self, latents: FloatArray) -> Score | None:
        """Return what is played in the region, in seconds of the files."""
        spec = self.model.spec
        if not spec.has_notes:
            return None
        score = read_score(latents, spec, self.stem_names).later(self.timeline.first_window)
        begin = (self.region.start - self.written.start) / self.rate
        return score.within(self.timeline.seconds).later(begin)

    def _scorer(self, context: ContextInput | None) -> ContextScorer | None:
        """Return what drafts have to agree with; None where there is nothing to choose by."""
        span, how = self.timeline.span, self.how
        if (
            context is None
            or how.drafts == 1
            or how.guidance <= 0.0
            or span.stop - span.start < WINDOW
        ):
            return None
        given = {n: w[span] for n, w in context.waves.items() if n not in self.stem_names}
        return ContextScorer(given, self.model.spec.sample_rate) if given else None

    def _read_context(self) -> ContextInput | None:
        """Read what is given; None where nothing is."""
        if not self.context_audio.sources:
            return None
        return read_context(self.context_audio, self.layout, self.model.spec, self.monitor)

    def _silence(self, seed: int) -> Take:
        given, silent = self.context_audio.stems, np.zeros(self.region.frames, np.float32)
        words = [
            f"{given[stem].name} is silent in the region, and so is its new take"
            for stem in self.stem_names
        ]
        still = AppliedGain(1.0, None, None)
        return Take(
            seed,
            dict.fromkeys(self.stem_names, silent),
            dict.fromkeys(self.stem_names, still),
            words,
            silent_score(self.stem_names) if self.model.spec.has_notes else None,
        )

    def _condition(self, context: ContextInput | None) -> tuple[Conditioning, InitLatents | None]:
        """Encode what is given, and return what conditions the model."""
        spec, length = self.model.spec, self.layout.stop - self.layout.starts[0]
        known = np.zeros(
            (len(spec.stems), spec.latent_channels, length, spec.latent_bands), np.float32
        )
        mask = np.zeros((len(spec.stems), length), np.float32)
        if context is None:
            return Conditioning(known, mask), None
        for name in self.context_audio.stems:
            frames = self.task.known_frames(name, length, self._region_cells())
            if frames.any():
                index = spec.stems.index(name)
                known[index] = self._encoded(context.waves[name], context) * frames[:, None]
                mask[index] = frames
        return self._with_backing(Conditioning(known, mask), context), self._init(context)

    def _with_backing(self, conditioning: Conditioning, context: ContextInput) -> Conditioning:
        """Return the context with a backing, if one is given.

        A preset without a word for "backing" first separates the stems in it: those that are
        neither wanted nor given become known.
        """
        if not self.context_audio.has_backing:
            return conditioning
        others = [wave for name, wave in context.waves.items() if name not in self.stem_names]
        mixture = self._encoded(mixed(others, len(context.sides)), context)
        if rules_of(self.model.spec).takes_stems:
            return replace(conditioning, mixture=mixture)
        nothing = Conditioning(
            np.zeros_like(conditioning.known), np.zeros_like(conditioning.mask), mixture, True
        )
        how = replace(self.how, guidance=1.0, resample=1)
        found = PartSampler(
            self.model, nothing, self.layout, how, lambda _: self.monitor.report("sample", 0.0)
        ).latents()
        known, mask = conditioning.known.copy(), conditioning.mask.copy()
        for index, name in enumerate(self.model.spec.stems):
            if name not in self.stem_names and name not in self.context_audio.stems:
                known[index], mask[index] = found[index], 1.0
        return Conditioning(known, mask)

    def _init(self, context: ContextInput) -> InitLatents | None:
        """Return where sampling starts: at given stems, and at silence in unknown places."""
        spec = self.model.spec
        timestep = self.task.init_timestep(spec.schedule.steps - 1)
        if timestep is None:
            return None
        silence = np.zeros(len(context.sides), np.float32)
        quiet = self._encoded(silence, context)
        latents = np.stack(
            [
                self._encoded(context.waves[name], context)
                if name in self.context_audio.stems
                else quiet
                for name in spec.stems
            ]
        )
        return InitLatents(latents, timestep)

    def _encoded(self, wave: FloatArray, context: ContextInput) -> FloatArray:
        """Return the latents of a wave, brought to the level the model knows."""
        expected = len(context.waves) + 1  # all that is given, and for a variation silence

        def report(done: float) -> None:
            self.monitor.report("encode", (self._encodings + done) / expected)

        latents = encode_windows(self.model, wave * np.float32(context.gain), self.layout, report)
        self._encodings += 1
        return latents

    def _region_cells(self) -> slice:
        """Return the region in latent frames from the first window's beginning on."""
        hop, first, span = self.model.spec.latent_hop, self.layout.starts[0], self.timeline.span
        return slice(span.start // hop - first, math.ceil(span.stop / hop) - first)

    def _rendered(
        self, latents: FloatArray, report: Callable[[float], None]
    ) -> dict[str, FloatArray]:
        """Return stem -> wave (n,) of the wanted stems, from model time 0 on."""
        rows = [self.model.spec.stems.index(name) for name in self.stem_names]
        waves = self._render(self.model, latents[rows], self.layout, report)
        waves = np.pad(waves, ((self.timeline.lead, 0), (0, 0)))
        return {name: waves[:, row] for row, name in enumerate(self.stem_names)}

    def _levelled(self, waves: dict[str, FloatArray], matcher: LoudnessMatcher, seed: int) -> Take:
        """Bring every stem to its level and to the session's rate."""
        stems: dict[str, FloatArray] = {}
        levels: dict[str, AppliedGain] = {}
        warnings: list[str] = []
        for name, wave in waves.items():
            gain, words = self.task.gain(matcher, name, wave)
            levels[name], more = matcher.apply(name, wave, gain)
            stems[name] = self.timeline.region_at_session_rate(wave * levels[name].gain)
            warnings += words + more
        return Take(seed, stems, levels, warnings)
