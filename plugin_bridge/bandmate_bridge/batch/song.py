"""One unit of a batch: a song's stems, chains, mixdown, tags and session, whole or not at all."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bandmate_bridge.batch.dawproject import AudioTrack, write_dawproject
from bandmate_bridge.batch.plan import MANIFEST, MIX, SESSION, BatchPlan, Work
from bandmate_bridge.batch.tags import Tags, read_tags, write_tags
from bandmate_bridge.host import ChainHost
from bandmate_bridge.host.chains import Chains
from bandmate_server import add_files, separate_file
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.broadcast import Broadcast
from bandmate_server.audio.sources import FileSource, Source, check_file, read_padded
from bandmate_server.errors import AudioError, BandmateError, Cancelled, OutputError
from bandmate_server.files import hash_file, sync_to_disk
from bandmate_server.model.opening import AnyModel
from bandmate_server.results.claim import claimed
from bandmate_server.results.folder import MANIFEST as FOLDER_MANIFEST
from bandmate_server.results.folder import scratch_folder
from bandmate_server.results.stem_file import StemFile
from bandmate_server.results.writer import clipping_warnings
from bandmate_server.settings import SeparateSettings

PARTIAL = ".bandmate-*.partial"  # folders of work that is not complete
WET = "-wet"  # behind a stem's name: through its chain
SHARE = 0.9  # of a song's time that the separation takes, for the progress bar

Advance = Callable[[float], None]

logger = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What became of a unit of work.

    state: done, skipped (it was complete) or failed.
    error: one line, of a failed one.
    seconds: of audio; took: of time.
    manifest: path from the batch's folder.
    """

    input: str
    take: int
    state: str
    error: str | None = None
    seconds: float = 0.0
    took: float = 0.0
    manifest: str | None = None
    warnings: list[str] = field(default_factory=list)


def run_work(plan: BatchPlan, work: Work, model: AnyModel, advance: Advance) -> Outcome:
    """Do one unit of work, whatever happens.

    Args:
        plan: what to do.
        work: the song.
        model: from `open_model`.
        advance: called with the share done, 0 to 1.
    """
    began = time.perf_counter()
    outcome = Outcome(str(work.song.path), work.take, "failed")
    try:
        with _Song(plan, work, model, advance) as song:
            song.run(outcome)
    except (BandmateError, OSError, MemoryError) as error:
        if isinstance(error, Cancelled):
            raise
        outcome.state, outcome.error = "failed", _said(error, work.song.path)
    outcome.took = round(time.perf_counter() - began, 4)
    return outcome


def remove_partials(out: Path) -> None:
    """Remove what work that was stopped has left; nothing else may be writing there."""
    for folder in out.glob(PARTIAL):
        shutil.rmtree(folder, ignore_errors=True)


def _said(error: Exception, path: Path) -> str:
    if isinstance(error, MemoryError):
        return f"{path}: not enough memory"
    text = str(error)
    return text if str(path) in text else f"{path}: {text}"


class _Song:
    """The results of one song while they are made, in a hidden folder."""

    def __init__(self, plan: BatchPlan, work: Work, model: AnyModel, advance: Advance):
        self._plan, self._work, self._model, self._advance = plan, work, model, advance
        self._partial = plan.out / f".bandmate-{uuid.uuid4().hex}.partial"
        self._made: dict[str, Path] = {}  # label -> file in the hidden folder
        self._facts: dict[str, dict[str, Any]] = {}  # label -> the manifest's entry

    def __enter__(self) -> _Song:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)

    def run(self, outcome: Outcome) -> None:
        """Do all that the plan asks, and say in the outcome what became of it."""
        plan, work = self._plan, self._work
        path = work.song.path
        outcome.manifest = plan.manifest(work).relative_to(plan.out).as_posix()
        key = plan.key(work, _hash(path), self._model.bundle.hash)
        if plan.resume and _complete(plan.manifest(work), key):
            outcome.state = "skipped"
            outcome.seconds = _seconds(json.loads(plan.manifest(work).read_bytes()))
            return
        with claimed(self._claim()):
            self._refuse_existing()
            self._make(outcome, key)

    def _claim(self) -> Path:
        """Return what the results claim: their folder, or where many share one the manifest."""
        manifest = self._plan.manifest(self._work)
        return manifest.parent if manifest.name == FOLDER_MANIFEST else manifest

    def _make(self, outcome: Outcome, key: str) -> None:
        """Make all that the plan asks, and put it in its place."""
        plan, path = self._plan, self._work.song.path
        self._partial.mkdir(parents=True)
        manifest = self._dry(path)
        outcome.seconds = _seconds(manifest)
        tags = read_tags(path)
        self._chained(manifest)
        self._tagged(tags, manifest)
        if plan.dawproject is not None:
            try:
                self._session(manifest, tags)
            except Exception as error:  # the stems are worth more
                logger.debug("no session for %s", path, exc_info=True)
                words = f"{type(error).__name__}: {error}"
                manifest["warnings"].append(f"the DAWproject session is left out: {words}")
        self._commit(manifest | {"key": key})
        outcome.warnings = manifest["warnings"]
        outcome.state = "done"

    def _place(self, label: str) -> Path:
        """Return where a result goes in the end."""
        ending = "dawproject" if label == SESSION else None
        return self._plan.out / self._plan.place(self._work, label, ending)

    def _refuse_existing(self) -> None:
        plan, manifest = self._plan, self._plan.manifest(self._work)
        if not (plan.resume or plan.force) and manifest.exists():
            hint = "--resume keeps what is complete, --force replaces it"
            raise OutputError(f"{manifest} is there already: {hint}")

    def _dry(self, path: Path) -> dict[str, Any]:
        """Write the stems and return their manifest."""
        seed, settings = self._plan.seed(self._work), self._plan.settings

        def progress(_: str, fraction: float) -> None:
            self._advance(SHARE * fraction)

        if isinstance(settings, SeparateSettings):
            chosen = replace(settings, seed=seed)
            result = separate_file(
                self._model, path, self._partial, settings=chosen, progress=progress
            )
        else:
            (result,) = add_files(
                self._model,
                self._plan.added,
                {},
                self._partial / "added",
                settings=replace(settings, seed=seed),
                backing=path,
                progress=progress,
            )
        for stem, file in result.stems.items():
            self._made[stem] = file
            self._facts[stem] = result.manifest["outputs"][stem]
        return result.manifest

    def _chained(self, manifest: dict[str, Any]) -> None:
        """Write the stems that have a chain once more, through it, and the mixdown."""
        plan, heard = self._plan, [stem for stem in self._made if stem not in self._plan.minus]
        if plan.chains is None and not plan.mixdown:
            return
        with ExitStack() as stack:
            chains = plan.chains or Chains({})
            host = stack.enter_context(ChainHost(chains, self._model))
            for stem in chains.stems:
                dry = stack.enter_context(self._source(self._made[stem]))
                frames = host.frames(dry)
                self._write(f"{stem}{WET}", dry, host.render(stem, dry), frames, manifest)
            if plan.mixdown:
                files = [self._made.get(f"{stem}{WET}", self._made[stem]) for stem in heard]
                sources: list[Source] = [stack.enter_context(self._source(file)) for file in files]
                if plan.added:
                    song = stack.enter_context(self._source(self._work.song.path))
                    sources.append(_Region(song, manifest["region"]))
                mix = _Sum(sources)
                frames = manifest["frames"] + chains.tail_frames(mix.rate)
                self._write(MIX, mix, host.render(MIX, mix, frames), frames, manifest)
            manifest["chains"] = {
                target: [step.title for step in steps] for target, steps in chains.steps.items()
            }

    def _source(self, path: Path) -> FileSource:
        return FileSource(path, scratch=scratch_folder(self._partial))

    def _write(
        self,
        label: str,
        source: _Sum | FileSource,
        blocks: Iterator[FloatArray],
        frames: int,
        manifest: dict[str, Any],
    ) -> None:
        """Write blocks to a file of the source's kind."""
        settings, bits = self._plan.settings, self._plan.settings.stored_bit_depth
        path = self._partial / f"{label}.{settings.format}"
        file = StemFile(
            path, source.rate, source.channels, frames, settings.format, bits, source.broadcast
        )
        with ExitStack() as stack:
            stack.callback(file.abandon)
            for block in blocks:
                file.write(block)
            file.close()
        self._made[label] = path
        self._facts[label] = {"file": path.name, "peak": round(file.peak, 6), "frames": frames}
        manifest["warnings"] += clipping_warnings({label: file})

    def _tagged(self, tags: Tags, manifest: dict[str, Any]) -> None:
        title = (tags.get("title") or [self._work.song.path.stem])[0]
        left: set[str] = set()
        for label, file in self._made.items():
            if tags:
                left.update(write_tags(file, tags | {"title": [f"{title} ({label})"]}))
        if left:
            names = ", ".join(sorted(left))
            manifest["warnings"].append(f"tags that the stems cannot hold are left out: {names}")

    def _session(self, manifest: dict[str, Any], tags: Tags) -> None:
        """Write a DAWproject of what is heard; dry stems under a chain are muted tracks."""
        here = self._place(SESSION).parent
        tracks = []
        for label, file in self._made.items():
            if label == MIX:
                continue
            tracks.append(
                AudioTrack(
                    label,
                    file,
                    Path(os.path.relpath(self._place(label), here)).as_posix(),
                    manifest["rate"],
                    manifest["channels"],
                    self._facts[label].get("frames", manifest["frames"]),
                    muted=f"{label}{WET}" in self._made or label in self._plan.minus,
                )
            )
        with self._source(next(iter(self._made.values()))) as first:
            stamp = first.broadcast
        start = manifest["region"]["start"] if stamp is None else stamp.time_reference
        path = self._partial / f"{SESSION}.dawproject"
        write_dawproject(path, tracks, start, tags, self._plan.dawproject == "inside")
        self._made[SESSION] = path
        self._facts[SESSION] = {"file": path.name, "audio": self._plan.dawproject}

    def _commit(self, manifest: dict[str, Any]) -> None:
        """Move everything to its place, the manifest last; what a former run left goes."""
        target = self._plan.manifest(self._work)
        places = {label: self._place(label) for label in self._made}
        for label, place in places.items():
            relative = Path(os.path.relpath(place, target.parent)).as_posix()
            size = self._made[label].stat().st_size
            self._facts[label] |= {"file": relative, "bytes": size}
        manifest["outputs"] = self._facts
        stale = _outputs(target)
        target.unlink(missing_ok=True)
        for old in set(stale) - set(places.values()):
            old.unlink(missing_ok=True)
        folders = set()
        for label, place in places.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            sync_to_disk(self._made[label])
            self._made[label].replace(place)
            folders.add(place.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = self._partial / f"{MANIFEST}.json"
        draft.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8")
        for path in (draft, *folders):
            sync_to_disk(path)
        draft.replace(target)
        sync_to_disk(target.parent)


class _Region:
    """The part of a song that stems were added to."""

    def __init__(self, song: FileSource, region: dict[str, Any]):
        self._song, self._start, self.frames = song, region["start"], region["frames"]
        self.name, self.rate, self.channels = song.name, song.rate, song.channels

    def read(self, start: int, count: int) -> FloatArray:
        """Return frames start .. start + count of the region."""
        return self._song.read(self._start + start, count)


class _Sum:
    """Several sources of one rate added up; silence where one has ended."""

    name = "the mixdown"

    def __init__(self, sources: list[Source]):
        first = sources[0]
        self.rate, self.channels = first.rate, first.channels
        self.broadcast: Broadcast | None = getattr(first, "broadcast", None)
        self.frames = max(source.frames for source in sources)
        self._sources = sources

    def read(self, start: int, count: int) -> FloatArray:
        """Return frames start .. start + count."""
        total = read_padded(self._sources[0], start, count).copy()
        for source in self._sources[1:]:
            total += read_padded(source, start, count)
        return total


def _hash(path: Path) -> str:
    """Return a song's sha256.

    Raises:
        AudioError: if it is missing, or cannot be read.
    """
    check_file(path)
    try:
        return hash_file(path)
    except OSError as error:
        raise AudioError(f"cannot read {path}: {error.strerror}") from error


def _seconds(manifest: dict[str, Any]) -> float:
    """Return how long the song is."""
    source = manifest["inputs"][0]
    return round(float(source["frames"] / source["rate"]), 3)


def _complete(manifest: Path, key: str) -> bool:
    """Whether a former run has finished the same work, and all of it is still there."""
    try:
        said = json.loads(manifest.read_bytes())
        if said.get("key") != key:
            return False
        sizes = [(entry["file"], entry["bytes"]) for entry in said["outputs"].values()]
        return all((manifest.parent / file).stat().st_size == size for file, size in sizes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _outputs(manifest: Path) -> list[Path]:
    """Return the files that a former manifest names."""
    try:
        entries = json.loads(manifest.read_bytes())["outputs"].values()
        return [Path(os.path.normpath(manifest.parent / str(entry["file"]))) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
