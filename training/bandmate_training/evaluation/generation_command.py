"""`evaluate --table 1|3|context-fit|parts|vocoder`: what the generation reports are made of."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bandmate_server.errors import CorpusError, SettingsError
from bandmate_server.model.model import Model
from bandmate_server.settings import PartSettings
from bandmate_server.spec import STEMS
from bandmate_training.evaluation import paper_figures
from bandmate_training.evaluation.clips import Clip
from bandmate_training.evaluation.excerpts import Excerpt, read_excerpt
from bandmate_training.evaluation.measures.embedding import Embedding, open_embedding
from bandmate_training.evaluation.measures.transcription import BasicPitch, find_network
from bandmate_training.evaluation.scores import arrangements, context_fit, vocoder_quality
from bandmate_training.evaluation.spectrograms import draw_spectrograms
from bandmate_training.evaluation.systems.engine_generators import bandmate_generator, vae_roundtrip
from bandmate_training.evaluation.systems.generators import (
    StemGenerator,
    arrangement,
    has_output,
    nothing,
    other_song,
    place_of,
    stored,
)
from bandmate_training.evaluation.tables import generation_tables, part_figures
from bandmate_training.evaluation.tables.report import head, progress_bar

NOTHING, BORROWED = "nothing added", "another song's"
COPIED = "true stem through VAE and vocoder"
PICTURED = 3  # songs of which every added part is drawn
Files = dict[str, bytes]


def report(table: str, args: argparse.Namespace, model: Model | None, clips: list[Clip],
           facts: dict[str, Any]) -> Files:  # fmt: skip
    """Measure one table; return its files by name.

    Raises:
        BandmateError: the embedding, the model or a system's files are not usable.
    """
    return REPORTS[table](args, model, clips, facts)


def _arrangements(args: argparse.Namespace, model: Model | None, clips: list[Clip],
                  facts: dict[str, Any]) -> Files:  # fmt: skip
    chosen = args.arrangements or list(arrangements.ARRANGEMENTS)
    paper = {
        name: {letters: pair[index] for letters, pair in paper_figures.ARRANGEMENTS.items()}
        for index, name in enumerate(("MSDM", "MSG-LD"))
    }
    excerpts = [read_excerpt(clip) for clip in clips]
    extra = {NOTHING: nothing, BORROWED: other_song(excerpts)}
    generators = extra | _performers(args, model)
    return _distances("table-1", "Table I: arrangements", args, excerpts, chosen, generators, paper,
                      facts)  # fmt: skip


def _total(args: argparse.Namespace, model: Model | None, clips: list[Clip],
           facts: dict[str, Any]) -> Files:  # fmt: skip
    paper = {name: {arrangements.TOTAL: value} for name, value in paper_figures.TOTAL.items()}
    excerpts = [read_excerpt(clip) for clip in clips]
    generators = _performers(args, model)
    if not generators:
        raise SettingsError("--table 3 needs a model or --system NAME=DIR")
    return _distances("table-3", "Table III: total generation", args, excerpts,
                      [arrangements.TOTAL], generators, paper, facts)  # fmt: skip


def _distances(
    name: str,
    title: str,
    args: argparse.Namespace,
    excerpts: list[Excerpt],
    chosen: list[str],
    generators: dict[str, StemGenerator],
    paper: dict[str, dict[str, float]],
    facts: dict[str, Any],
) -> Files:
    embedding = open_embedding(args.vggish)
    found: list[arrangements.Distance] = []
    with progress_bar(name, len(excerpts) * len(chosen)) as advance:
        for letters in chosen:
            offered = {
                k: v for k, v in generators.items() if has_output(args.system.get(k), letters)
            }
            wanted = arrangement(letters)
            found += arrangements.measure(excerpts, wanted, offered, embedding, args.seed, advance)
    if not found:
        raise CorpusError(f"no system has {', '.join(chosen)}, or nothing sounds to add them to")
    facts = facts | _ears(args, embedding)
    notes = generation_tables.DISTANCE_NOTES.format(**facts, paper=generation_tables.PAPER)
    text = head(title, facts) + generation_tables.distance_table(found, paper, NOTHING)
    rows = [asdict(row) | {"ratio": row.ratio} for row in found]
    figures = facts | {"rows": rows, "paper": _paper(paper)}
    return {f"{name}.md": f"{text}\n{notes}".encode(), f"{name}.json": to_json(figures)}


def _ears(args: argparse.Namespace, embedding: Embedding) -> dict[str, str]:
    return {"embedding": embedding.name, "data": f"{args.corpus.name}/{args.split}"}


def _paper(figures: dict[str, dict[str, float]]) -> dict[str, Any]:
    about = {"embedding": paper_figures.EMBEDDING, "data": paper_figures.DATA}
    return about | {"figures": figures}


def _fit(args: argparse.Namespace, model: Model | None, clips: list[Clip],
         facts: dict[str, Any]) -> Files:  # fmt: skip
    excerpts = [read_excerpt(clip) for clip in clips]
    generators = {BORROWED: other_song(excerpts)}
    if model is not None:
        generators[COPIED] = vae_roundtrip(model)
    generators |= _performers(args, model)
    found: list[context_fit.FitResult] = []
    for task in context_fit.TASKS:
        place = place_of(task.given, (task.stem,))
        offered = {k: v for k, v in generators.items() if has_output(args.system.get(k), place)}
        with progress_bar(task.name, sum(task.fits(excerpt) for excerpt in excerpts)) as advance:
            found += context_fit.measure(excerpts, task, offered, args.takes, args.seed, advance)
    text = head("Context fit", facts) + generation_tables.fit_table(found)
    text += f"\n{generation_tables.FIT_NOTES}\n## Drums on the beat\n\n"
    text += f"{generation_tables.grid_table(found)}\n{generation_tables.GRID_NOTES}"
    figures = facts | {"rows": [asdict(row) for row in found]}
    return {"context-fit.md": text.encode(), "context-fit.json": to_json(figures)}


def _vocoder(args: argparse.Namespace, model: Model | None, clips: list[Clip],
             facts: dict[str, Any]) -> Files:  # fmt: skip
    if model is None:
        raise SettingsError("--table vocoder needs a model, not none")
    embedding = open_embedding(args.vggish)
    with progress_bar("vocoder", len(clips)) as advance:
        excerpts = [read_excerpt(clip) for clip in clips]
        found = vocoder_quality.measure(excerpts, model, embedding, advance)
    facts = facts | _ears(args, embedding)
    text = head("Vocoder", facts) + generation_tables.copy_table(found)
    text += "\n" + generation_tables.COPY_NOTES.format(**facts)
    figures = facts | {"rows": [asdict(row) for row in found]}
    return {"vocoder.md": text.encode(), "vocoder.json": to_json(figures)}


def _parts(args: argparse.Namespace, model: Model | None, clips: list[Clip],
           facts: dict[str, Any]) -> Files:  # fmt: skip
    excerpts = [read_excerpt(clip) for clip in clips]
    embedding = open_embedding(args.vggish)
    transcriber = BasicPitch() if find_network() else None
    generators = {part_figures.NOISE: part_figures.noise, BORROWED: other_song(excerpts)}
    if model is not None:
        generators[COPIED] = vae_roundtrip(model)
    generators |= _performers(args, model)
    found: list[part_figures.PartFigures] = []
    pictures: Files = {}
    for task in context_fit.TASKS[: len(STEMS)]:
        place = place_of(task.given, (task.stem,))
        offered = {k: v for k, v in generators.items() if has_output(args.system.get(k), place)}
        shown = [excerpt for excerpt in excerpts if task.fits(excerpt)]
        with progress_bar(task.name, len(shown)) as advance:
            found += part_figures.measure(
                excerpts, task, offered, embedding, transcriber, args.seed, advance
            )
        pictures |= _pictures(task, shown, offered, args.seed)
    facts = facts | _ears(args, embedding)
    text = head("Parts", facts) + generation_tables.part_table(found)
    text += "\n" + generation_tables.PART_NOTES.format(**facts)
    figures = facts | {"rows": [asdict(row) for row in found]}
    return {"parts.md": text.encode(), "parts.json": to_json(figures)} | pictures


def _pictures(
    task: context_fit.FitCase,
    excerpts: list[Excerpt],
    generators: dict[str, StemGenerator],
    seed: int,
) -> Files:
    """Return spectrograms of the first clips of PICTURED songs: true stems and added ones."""
    chosen = {excerpt.track: (k, excerpt) for k, excerpt in reversed(list(enumerate(excerpts)))}
    files: Files = {}
    for number, (k, excerpt) in enumerate(sorted(chosen.values())[:PICTURED]):
        rows = [(f"{context_fit.TRUE}: {task.stem} of {excerpt.track}", excerpt.stems[task.stem])]
        rows += [
            (name, perform(excerpt, task.given, (task.stem,), seed + k)[task.stem])
            for name, perform in generators.items()
            if name not in (part_figures.NOISE, BORROWED)
        ]
        files[f"parts-{task.stem}-{number}.png"] = draw_spectrograms(rows)
    return files


REPORTS: dict[
    str, Callable[[argparse.Namespace, Model | None, list[Clip], dict[str, Any]], Files]
] = {"1": _arrangements, "3": _total, "context-fit": _fit, "vocoder": _vocoder, "parts": _parts}


def _performers(args: argparse.Namespace, model: Model | None) -> dict[str, StemGenerator]:
    """Return the model and the other systems by name."""
    found: dict[str, StemGenerator] = {}
    if model is not None:
        settings = PartSettings(steps=args.part_steps, guidance=args.guidance, drafts=args.drafts)
        found[model.bundle.name] = bandmate_generator(model, settings)
    for name, folder in args.system.items():
        if name in (*found, NOTHING, BORROWED, COPIED, context_fit.TRUE):
            raise SettingsError(f"--system {name}=...: the name is taken, choose another")
        found[name] = stored(folder)
    return found


def to_json(figures: dict[str, Any]) -> bytes:
    """Return figures as JSON, which has no nan: null stands for what was not measured."""
    return (json.dumps(_plain(figures), indent=1) + "\n").encode()


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value
