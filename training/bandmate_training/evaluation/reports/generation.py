"""`evaluate --table 1|3|context-fit|parts|vocoder`: what the generation reports are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from bandmate_server.errors import CorpusError, SettingsError
from bandmate_server.model.bundle import read_spec
from bandmate_server.model.opening import open_latent_model
from bandmate_server.settings import PartSettings
from bandmate_server.spec import STEMS, ModelSpec
from bandmate_training.evaluation import paper_figures
from bandmate_training.evaluation.evaluation import Evaluation, Files
from bandmate_training.evaluation.measures.embedding import Embedding, open_embedding
from bandmate_training.evaluation.measures.transcription import BasicPitch, find_network
from bandmate_training.evaluation.reporting import head, progress_bar, to_json
from bandmate_training.evaluation.scores import arrangements, context_fit, vocoder_quality
from bandmate_training.evaluation.songs.excerpts import Excerpt
from bandmate_training.evaluation.spectrograms import draw_spectrograms
from bandmate_training.evaluation.systems.engine_generators import bandmate_generator, vae_roundtrip
from bandmate_training.evaluation.systems.generators import (
    StemGenerator,
    arrangement,
    nothing,
    other_song,
    place_of,
    stored,
)
from bandmate_training.evaluation.tables import generation_tables, part_figures

NOTHING, BORROWED = "nothing added", "another song's"
COPIED = "true stem through VAE and vocoder"
Generators = dict[str, StemGenerator]
PICTURED = 3  # songs of which every added part is drawn


def _arrangements(run: Evaluation) -> Files:
    paper = {
        name: {letters: pair[index] for letters, pair in paper_figures.ARRANGEMENTS.items()}
        for index, name in enumerate(("MSDM", "MSG-LD"))
    }
    extra = {NOTHING: nothing, BORROWED: other_song(run.excerpts)}
    chosen = run.options.arrangements or arrangements.ARRANGEMENTS
    title = "Table I: arrangements"
    return _distances(run, "table-1", title, chosen, extra | _systems(run), paper)


def _total(run: Evaluation) -> Files:
    paper = {name: {arrangements.TOTAL: value} for name, value in paper_figures.TOTAL.items()}
    generators = _systems(run)
    if not generators:
        raise SettingsError("--table 3 needs a model or --system NAME=DIR")
    title = "Table III: total generation"
    return _distances(run, "table-3", title, (arrangements.TOTAL,), generators, paper)


def _distances(
    run: Evaluation,
    name: str,
    title: str,
    chosen: tuple[str, ...],
    generators: Generators,
    paper: dict[str, dict[str, float]],
) -> Files:
    embedding = open_embedding(run.options.vggish)
    found: list[arrangements.Distance] = []
    with progress_bar(name, len(run.excerpts) * len(chosen)) as advance:
        for letters in chosen:
            offered = _offered(run, generators, letters)
            found += arrangements.measure(
                run.excerpts, arrangement(letters), offered, embedding, run.options.seed, advance
            )
    if not found:
        raise CorpusError(f"no system has {', '.join(chosen)}, or nothing sounds to add them to")
    facts = run.facts | _ears(run, embedding)
    notes = generation_tables.DISTANCE_NOTES.format(**facts, paper=generation_tables.PAPER)
    text = head(title, facts) + generation_tables.distance_table(found, paper, NOTHING)
    rows = [asdict(row) | {"ratio": row.ratio} for row in found]
    return _files(name, f"{text}\n{notes}", facts | {"rows": rows, "paper": _paper(paper)})


def _fit(run: Evaluation) -> Files:
    generators = {BORROWED: other_song(run.excerpts)} | _copies(run) | _systems(run)
    found: list[context_fit.FitResult] = []
    for task in context_fit.TASKS:
        offered = _offered(run, generators, place_of(task.given, (task.stem,)))
        with progress_bar(task.name, sum(map(task.fits, run.excerpts))) as advance:
            found += context_fit.measure(
                run.excerpts, task, offered, run.options.takes, run.options.seed, advance
            )
    text = head("Context fit", run.facts) + generation_tables.fit_table(found)
    text += f"\n{generation_tables.FIT_NOTES}\n## Drums on the beat\n\n"
    text += f"{generation_tables.grid_table(found)}\n{generation_tables.GRID_NOTES}"
    return _files("context-fit", text, run.facts | {"rows": [_row(row) for row in found]})


def _vocoder(run: Evaluation) -> Files:
    if run.model is None:
        raise SettingsError("--table vocoder needs a model, not none")
    embedding = open_embedding(run.options.vggish)
    with progress_bar("vocoder", len(run.clips)) as advance:
        found = vocoder_quality.measure(run.excerpts, run.model, embedding, advance)
    facts = run.facts | _ears(run, embedding)
    text = head("Vocoder", facts) + generation_tables.copy_table(found)
    text += "\n" + generation_tables.COPY_NOTES.format(**facts)
    return _files("vocoder", text, facts | {"rows": [asdict(row) for row in found]})


def _parts(run: Evaluation) -> Files:
    embedding = open_embedding(run.options.vggish)
    transcriber = BasicPitch() if find_network() else None
    generators = {part_figures.NOISE: part_figures.noise, BORROWED: other_song(run.excerpts)}
    generators |= _copies(run) | _systems(run)
    found: list[part_figures.PartFigures] = []
    pictures: Files = {}
    for task in context_fit.TASKS[: len(STEMS)]:
        offered = _offered(run, generators, place_of(task.given, (task.stem,)))
        shown = [excerpt for excerpt in run.excerpts if task.fits(excerpt)]
        with progress_bar(task.name, len(shown)) as advance:
            found += part_figures.measure(
                run.excerpts, task, offered, embedding, transcriber, run.options.seed, advance
            )
        pictures |= _pictures(task, shown, offered, run.options.seed)
    facts = run.facts | _ears(run, embedding)
    text = head("Parts", facts) + generation_tables.part_table(found)
    text += "\n" + generation_tables.PART_NOTES.format(**facts)
    return _files("parts", text, facts | {"rows": [_row(row) for row in found]}) | pictures


REPORTS: dict[str, Callable[[Evaluation], Files]] = {
    "1": _arrangements, "3": _total, "context-fit": _fit, "vocoder": _vocoder, "parts": _parts,
}  # fmt: skip


def _pictures(
    task: context_fit.FitCase,
    excerpts: list[Excerpt],
    generators: Generators,
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


def _systems(run: Evaluation) -> Generators:
    """Return the model and the other systems by name."""
    options = run.options
    settings = PartSettings(
        steps=options.part_steps, guidance=options.guidance, drafts=options.drafts
    )
    found: Generators = {}
    if run.model is not None:
        found[run.model.bundle.name] = bandmate_generator(run.model, settings)
    taken = {*found, NOTHING, BORROWED, COPIED, context_fit.TRUE} & {
        *options.folders,
        *options.bundles,
    }
    if taken:
        raise SettingsError(f"--system {min(taken)}=...: the name is taken, choose another")
    for name, bundle in options.bundles.items():
        if read_spec(bundle).kind == ModelSpec.kind:  # the others make no parts
            other = open_latent_model(bundle, options.device, options.threads)
            found[name] = bandmate_generator(other, settings)
    return found | {name: stored(folder) for name, folder in options.folders.items()}


def _copies(run: Evaluation) -> Generators:
    """Return what the model's VAE and vocoder make of true stems: the best that it can be."""
    return {} if run.model is None else {COPIED: vae_roundtrip(run.model)}


def _offered(run: Evaluation, generators: Generators, place: str) -> Generators:
    """Return those that have stems in a place; what is no folder makes anything."""
    folders = run.options.folders
    return {
        k: v for k, v in generators.items() if k not in folders or (folders[k] / place).is_dir()
    }


def _ears(run: Evaluation, embedding: Embedding) -> dict[str, str]:
    return {"embedding": embedding.name, "data": run.options.data}


def _paper(figures: dict[str, dict[str, float]]) -> dict[str, Any]:
    about = {"embedding": paper_figures.EMBEDDING, "data": paper_figures.DATA}
    return about | {"figures": figures}


def _row(figures: context_fit.FitResult | part_figures.PartFigures) -> dict[str, Any]:
    """Return a row of the JSON, where who made the parts has been called performer always."""
    row = asdict(figures)
    return {"performer": row.pop("generator")} | row


def _files(name: str, text: str, figures: dict[str, Any]) -> Files:
    return {f"{name}.md": text.encode(), f"{name}.json": to_json(figures)}
