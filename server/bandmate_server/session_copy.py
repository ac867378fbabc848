"""A job's own copy of the sounds that a new part plays to, and its result cut to the region."""

from __future__ import annotations

import json
import math
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import soundfile

from bandmate_server.bench import Bench
from bandmate_server.output import MANIFEST, StemFile
from bandmate_server.requests import REGION, part_settings
from bandmate_server.settings import PartSettings
from bandmate_server.snapshot import OpenSound, Span, copy_sound, plan_span
from bandmate_server.spec import BACKING
from bandmate_server.tasks import Result


@dataclass(frozen=True)
class SessionCopy:
    """Files that all begin at the same moment, and the region in them.

    span: where the copies and the region lie in the session, in frames of its rate.
    """

    given: dict[str, Path]
    backing: Path | None
    settings: PartSettings
    span: Span


def copy_session(bench: Bench) -> SessionCopy:
    """Copy the region of a session with its context.

    The session has the rate of the stem that is worked on, or else of the first sound, and
    the length of the longest.

    Raises:
        AudioError: if a file is not audio.
        RegionError: if the region does not lie inside the session.
        OutputError: if the copy cannot be written.
    """
    arguments = bench.request.arguments
    session, own = arguments["session"], arguments.get("stem")
    roles = sorted((role for role in session if role not in REGION), key=lambda role: role != own)
    region = arguments if "frames" in arguments else session
    with ExitStack() as stack:
        sounds = {
            role: stack.enter_context(
                OpenSound(session[role], bench.files.open, bench.folder, bench.check)
            )
            for role in roles
        }
        for sound in sounds.values():
            bench.notes.extend(sound.notes)
        rate = sounds[roles[0]].rate
        length = max(math.ceil(sound.frames * rate / sound.rate) for sound in sounds.values())
        start, frames = region.get("start", 0), region.get("frames", -1)
        span = plan_span("the session", length, rate, start, frames, bench.model.spec)
        folder = bench.folder / "inputs"
        folder.mkdir(exist_ok=True)
        given = {}
        for role, sound in sounds.items():
            given[role] = folder / f"{role}.wav"
            copy_sound(sound, span, given[role], bench.check)
    begin, end = span.seconds
    settings = replace(part_settings(bench.request.options), start=begin, end=end)
    backing = given.pop(BACKING, None)
    return SessionCopy(given, backing, settings, span)


def crop(result: Result, span: Span) -> Result:
    """Cut a filled stem, which is as long as its copy, to the range that was filled.

    Raises:
        OutputError: if it cannot be written.
    """
    first = span.start - span.first
    for path in result.stems.values():
        whole = path.with_name(f"whole-{path.name}")
        path.rename(whole)
        with soundfile.SoundFile(whole) as file:
            file.seek(first)
            audio = file.read(span.frames, dtype="float32", always_2d=True)
            kind, bits = (
                result.manifest["settings"]["format"],
                result.manifest["settings"]["bit_depth"],
            )
            stem = StemFile(path, file.samplerate, file.channels, span.frames, kind, bits)
        try:
            stem.write(audio)
            stem.close()
        finally:
            stem.abandon()
        whole.unlink()
    manifest = result.manifest | {"frames": span.frames, "cut_to_region": True}
    (result.folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    return replace(result, manifest=manifest)
