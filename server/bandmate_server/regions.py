"""Which frames a request means, and whether its files have them."""

from __future__ import annotations

import contextlib
import math
from contextlib import ExitStack

from bandmate_server.errors import AudioError
from bandmate_server.requests import REGION, JobRequest
from bandmate_server.snapshot import Open, OpenSound, check_region


def open_session(request: JobRequest, open_file: Open, stack: ExitStack) -> dict[str, OpenSound]:
    """Return a session's sounds, opened: first the stem that is worked on.

    Args:
        request: that names them.
        open_file: opens a file that a peer named.
        stack: closes them.

    Raises:
        AudioError: if a file is not audio.
    """
    session, own = request.arguments["session"], request.arguments.get("stem")
    roles = sorted((role for role in session if role not in REGION), key=lambda role: role != own)
    return {role: stack.enter_context(OpenSound(session[role], open_file)) for role in roles}


def measure_session(sounds: dict[str, OpenSound]) -> tuple[int, int]:
    """Return the rate (Hz) and length (frames) of a session of opened sounds."""
    rate = next(iter(sounds.values())).rate
    return rate, max(math.ceil(sound.frames * rate / sound.rate) for sound in sounds.values())


def region_of(request: JobRequest) -> tuple[int, int]:
    """Return the start and the frames of the region that a request names; -1 is to the end."""
    arguments = request.arguments
    region = arguments if "frames" in arguments else arguments.get("session", {})
    return region.get("start", 0), region.get("frames", -1)


def check_end(request: JobRequest, open_file: Open) -> None:
    """Refuse a region that does not lie inside the audio, before a job is made of it.

    What cannot be opened as audio is left to the job, which says why.

    Raises:
        RegionError: naming the region and how long the audio is.
    """
    start, frames = region_of(request)
    if not request.files or (start, frames) == (0, -1):
        return
    with ExitStack() as stack, contextlib.suppress(AudioError):
        if "wav" in request.arguments:
            sound = stack.enter_context(OpenSound(request.arguments["wav"], open_file))
            name, length = sound.name, sound.frames
        else:
            name, length = (
                "the session",
                measure_session(open_session(request, open_file, stack))[1],
            )
        check_region(name, length, start, frames)
