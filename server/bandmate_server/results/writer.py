"""Writing a job's results: stems and a manifest in a folder, the same for all tasks."""

from __future__ import annotations

import contextlib
import datetime
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bandmate_server.audio.broadcast import Broadcast
from bandmate_server.audio.sources import FileSource
from bandmate_server.audio.windows import Region
from bandmate_server.errors import OutputError
from bandmate_server.files import hash_file
from bandmate_server.model.opened_bundle import OpenedBundle
from bandmate_server.progress import Monitor
from bandmate_server.results.folder import ResultFolder
from bandmate_server.results.result import Result
from bandmate_server.results.stem_file import BYTES, StemFile
from bandmate_server.settings import PartSettings, SeparateSettings
from bandmate_server.version import bandmate_version


class Job(Protocol):
    """What is written down of a separation or a new part, all of it decided."""

    monitor: Monitor
    stem_names: tuple[str, ...]
    region: Region  # that was asked for, in frames of the session
    written: Region  # what the files hold of the session
    rate: int  # Hz
    channels: int

    @property
    def model(self) -> OpenedBundle:
        """What makes it."""

    @property
    def settings(self) -> SeparateSettings | PartSettings:
        """As they were asked for."""


@dataclass(frozen=True)
class ResultWriter:
    """Writes a job's results, take by take; `inputs` is the manifest's entries of what is given."""

    task: str
    job: Job
    inputs: list[dict[str, Any]]
    midi: bool = False  # whether each stem has a MIDI file, too

    @property
    def names(self) -> dict[str, str]:
        """Return stem -> the name of its file."""
        return {stem: f"{stem}.{self.job.settings.format}" for stem in self.job.stem_names}

    @property
    def midi_names(self) -> dict[str, str]:
        """Return stem -> the name of its MIDI file, if there are any."""
        return {stem: f"{stem}.mid" for stem in self.job.stem_names if self.midi}

    def folder(self, place: Path, force: bool) -> ResultFolder:
        """Return the folder for one take.

        Raises:
            OutputError: if an input would be overwritten.
        """
        names = [*self.names.values(), *self.midi_names.values()]
        for file in names:
            for given in self.inputs:
                if (place / file).resolve() == Path(given["path"]).resolve():
                    raise OutputError(
                        f"{given['path']} would be overwritten by the new {file}: change --out"
                    )
        frame = self.job.channels * BYTES[self.job.settings.stored_bit_depth]
        least = len(self.names) * self.job.written.frames * frame
        if self.job.settings.format == "flac":
            least = 0  # It might need almost nothing.
        return ResultFolder(place, names, force, least)

    @contextlib.contextmanager
    def files(
        self, folder: ResultFolder, broadcast: Broadcast | None = None
    ) -> Iterator[dict[str, StemFile]]:
        """Open a file for every stem; in the end they are whole, or abandoned after an error."""
        job, settings = self.job, self.job.settings
        shape = (job.rate, job.channels, job.written.frames)
        kind = (settings.format, settings.stored_bit_depth, broadcast)
        with contextlib.ExitStack() as stack:
            opened: dict[str, StemFile] = {}
            for stem, name in self.names.items():
                opened[stem] = StemFile(folder.path(name), *shape, *kind)
                stack.callback(opened[stem].abandon)
            yield opened
            for file in opened.values():
                job.monitor.check()
                file.close()

    def finish(
        self,
        folder: ResultFolder,
        files: Mapping[str, StemFile],
        began: float,
        timings: Mapping[str, float],
        settings: Mapping[str, Any],
        facts: Mapping[str, Any],
        warnings: Sequence[str],
    ) -> Result:
        """Put a take in its place, with a manifest that says how to make it again.

        Args:
            folder: with the files.
            files: that are whole.
            began: when the work on them did, by `time.perf_counter`.
            timings: seconds that stages took.
            settings: as they were used, where that is not as they were asked for.
            facts: what the manifest has of this task alone.
            warnings: what the user should know, beside the model's and the files'.
        """
        job, chosen = self.job, self.job.settings
        seconds = time.perf_counter() - began
        manifest = {
            **describe_job(self.task),
            "inputs": self.inputs,
            "region": {
                "start": job.region.start,
                "frames": job.region.frames,
                "seconds": job.region.frames / job.rate,
            },
            "rate": job.rate,
            "channels": job.channels,
            "frames": job.written.frames,
            **describe_model(job.model),
            "settings": {
                "start": None,
                "end": None,
                **{name: value for name, value in vars(chosen).items() if value is not None},
                "stems": list(job.stem_names),
                "bit_depth": chosen.stored_bit_depth,
                **settings,
            },
            **facts,
            "outputs": {
                stem: describe_file(file, self.midi_names.get(stem)) for stem, file in files.items()
            },
            "timings": {n: round(took, 4) for n, took in {**timings, "total": seconds}.items()},
            "realtime_factor": round(seconds * job.rate / job.region.frames, 5),
            "warnings": [*job.model.warnings, *warnings, *clipping_warnings(files)],
        }
        job.monitor.check()
        folder.commit(manifest)
        written = {stem: folder.place / name for stem, name in self.names.items()}
        midi = {stem: folder.place / name for stem, name in self.midi_names.items()}
        return Result(folder.place, written, manifest, midi)


def describe_job(task: str) -> dict[str, Any]:
    """Return what is being done, by what, and when."""
    return {
        "task": task,
        "version": bandmate_version(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def describe_model(model: OpenedBundle) -> dict[str, Any]:
    """Return the model's entry, and what it ran on."""
    bundle = model.bundle
    return {
        "model": {
            "name": bundle.name,
            "version": bundle.version,
            "hash": bundle.hash,
            "path": str(bundle.path.absolute()),
        },
        "provider": model.provider,
        "device": model.device,
        "threads": model.threads,
    }


def describe_input(source: FileSource, path: Path) -> dict[str, Any]:
    """Return an input's entry; reads the whole file for its hash."""
    return {
        "path": str(path.absolute()),
        "sha256": hash_file(path),
        "rate": source.rate,
        "channels": source.channels,
        "frames": source.frames,
        "format": source.format,
        "subtype": source.subtype,
    }


def describe_file(file: StemFile, midi: str | None = None) -> dict[str, Any]:
    """Return a stem's entry: file, peak, RMS in dBFS (null for silence), and its MIDI file."""
    loudness = round(20.0 * math.log10(file.rms), 2) if file.rms > 0.0 else None
    notes = {} if midi is None else {"midi": midi}
    return {"file": file.path.name, "peak": round(file.peak, 6), "rms_db": loudness, **notes}


def clipping_warnings(files: Mapping[str, StemFile]) -> list[str]:
    """Return a warning for every file whose integer format could not hold the peaks."""
    found = []
    for name, file in files.items():
        if file.clipped:
            peak = f"{file.clipped} samples, peak {20.0 * math.log10(file.peak):+.1f} dBFS"
            found.append(f"{name} was clipped to the integer format: {peak}; 32f keeps it whole")
    return found
