"""A job's own copy of the sounds that a new part plays to, and its result cut to the region."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from bandmate_server.jobs.context import JobContext
from bandmate_server.jobs.input_copy import CopiedRegion, copy_sound, plan_span
from bandmate_server.jobs.regions import measure_session, open_session, requested_region
from bandmate_server.jobs.request import WAV
from bandmate_server.jobs.store import INPUT, INPUTS
from bandmate_server.model.notes.score import cut_scores
from bandmate_server.results.folder import amended
from bandmate_server.results.result import Result
from bandmate_server.results.stem_file import StemFile
from bandmate_server.spec import BACKING


@dataclass(frozen=True)
class SessionCopy:
    """Files that all begin at the same moment, and the region in them.

    given: a backing is the last.
    span: where the copies and the region lie in the session, in frames of its rate; None where
        nothing is given.
    """

    given: dict[str, Path]
    span: CopiedRegion | None

    @property
    def seconds(self) -> tuple[float | None, float | None]:
        """The region's start and end in the copies."""
        return (None, None) if self.span is None else self.span.seconds

    @property
    def start(self) -> int:
        """Where the region begins in the session."""
        return 0 if self.span is None else self.span.start


def copy_session(context: JobContext) -> SessionCopy:
    """Copy the region of a session with its context.

    The session has the rate of the stem that is worked on, or else of the first sound, and
    the length of the longest.

    Raises:
        AudioError: if a file is not audio.
        RegionError: if the region does not lie inside the session.
        OutputError: if the copy cannot be written.
    """
    if not context.request.sounds:
        return SessionCopy({}, None)
    with ExitStack() as stack:
        sounds = open_session(
            context.request, context.files.open, stack, scratch=context.folder, check=context.check
        )
        for sound in sounds.values():
            context.notes.extend(sound.notes)
        rate, length = measure_session(sounds)
        asked = requested_region(context.request, rate, length)
        span = plan_span(asked, rate, length, context.model.spec)
        folder = context.folder / INPUTS
        folder.mkdir(exist_ok=True)
        given = {}
        for role, sound in sounds.items():
            given[role] = folder / f"{role}.wav" if role != WAV else context.folder / INPUT
            copy_sound(sound, span, given[role], context.check)
    if BACKING in given:
        given[BACKING] = given.pop(BACKING)
    return SessionCopy(given, span)


def crop(result: Result, span: CopiedRegion | None) -> Result:
    """Cut stems that are as long as the copy, as filled ones are, to the region.

    Raises:
        OutputError: if it cannot be written.
    """
    if span is None or result.manifest["frames"] == result.manifest["region"]["frames"]:
        return result
    first, settings = span.start - span.first, result.manifest["settings"]
    for path in result.stems.values():
        whole = path.with_name(f"whole-{path.name}")
        path.rename(whole)
        with soundfile.SoundFile(whole) as file:
            file.seek(first)
            audio = file.read(span.frames, dtype="float32", always_2d=True)
            kind, bits = settings["format"], settings["bit_depth"]
            stem = StemFile(path, file.samplerate, file.channels, span.frames, kind, bits)
        try:
            stem.write(audio)
            stem.close()
        finally:
            stem.abandon()
        whole.unlink()
    changes: dict[str, Any] = {"frames": span.frames, "cut_to_region": True}
    if result.midi:
        begin, seconds = first / span.rate, span.frames / span.rate
        changes["beat"] = cut_scores(result.midi, result.manifest["beat"], begin, seconds)
    return amended(result, changes)
