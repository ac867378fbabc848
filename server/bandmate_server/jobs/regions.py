"""Which frames a request means, and whether its files have them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bandmate_server.audio.windows import Region, find_region
from bandmate_server.errors import AudioError, RegionError
from bandmate_server.jobs.input_copy import Open, SummedSource
from bandmate_server.jobs.request import ALL, REGION, JobRequest
from bandmate_server.options import END, START


def open_session(
    request: JobRequest,
    open_file: Open,
    stack: ExitStack,
    scratch: Path,
    check: Callable[[], None],
) -> dict[str, SummedSource]:
    """Return a session's sounds, opened: first the stem that is worked on.

    Args:
        request: that names them.
        open_file: opens a file that a peer named.
        stack: closes them.
        scratch: folder for audio that has to be decoded first.
        check: called while that happens; raises to stop.

    Raises:
        AudioError: if a file is not audio.
    """
    session, own = request.arguments["session"], request.arguments.get("stem")
    roles = sorted((role for role in session if role not in REGION), key=lambda role: role != own)
    return {
        role: stack.enter_context(SummedSource(session[role], open_file, scratch, check))
        for role in roles
    }


def measure_session(sounds: dict[str, SummedSource]) -> tuple[int, int]:
    """Return the rate (Hz) and length (frames) of a session of opened sounds."""
    rate = next(iter(sounds.values())).rate
    return rate, max(math.ceil(sound.frames * rate / sound.rate) for sound in sounds.values())


def requested_region(request: JobRequest, name: str, rate: int, length: int) -> Region:
    """Return the region that a request names, in samples or in seconds.

    Args:
        request: with start and frames among its arguments or in its session, or with the
            options start and end.
        name: of the sound, for errors.
        rate: of the sound, Hz.
        length: of the sound, frames.

    Raises:
        RegionError: if the region does not lie inside the sound.
    """
    begin, end = request.options.get(START.name), request.options.get(END.name)
    if begin is not None or end is not None:
        return find_region(begin, end, rate, length)
    start, frames = _region_of(request)
    if frames == ALL:
        frames = max(length - start, 0)
    if start < 0 or frames < 1 or start + frames > length:
        raise RegionError(
            f"the region is frames {start} to {start + frames} of {name}:"
            f" expected 1 or more frames within its {length}"
        )
    return Region(start, frames)


def check_end(request: JobRequest, open_file: Open, scratch: Path) -> None:
    """Refuse a region that does not lie inside the audio, before a job is made of it.

    What cannot be opened as audio, or must be decoded to know how long it is, is left to the job.

    Args:
        request: for a job.
        open_file: opens a file that a peer named.
        scratch: a folder, where nothing is written.

    Raises:
        RegionError: naming the region and how long the audio is.
    """
    if not request.files or not _has_region(request):
        return
    with ExitStack() as stack, contextlib.suppress(AudioError):
        if "wav" in request.arguments:
            wav = request.arguments["wav"]
            sound = stack.enter_context(SummedSource(wav, open_file, scratch, _takes_long))
            requested_region(request, sound.name, sound.rate, sound.frames)
        else:
            sounds = open_session(request, open_file, stack, scratch, _takes_long)
            rate, length = measure_session(sounds)
            requested_region(request, "the session", rate, length)


def _takes_long() -> None:
    raise AudioError("its length is not known before it is decoded")


def _region_of(request: JobRequest) -> tuple[int, int]:
    """Return the start and the frames that a request names, or those of everything."""
    arguments = request.arguments
    region = arguments if "frames" in arguments else arguments.get("session", {})
    return region.get("start", 0), region.get("frames", ALL)


def _has_region(request: JobRequest) -> bool:
    """Whether a request names less than everything."""
    seconds = (request.options.get(option.name) for option in (START, END))
    return _region_of(request) != (0, ALL) or any(value is not None for value in seconds)
