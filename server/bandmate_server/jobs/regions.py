"""Which frames a request means, and whether its files have them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import soundfile

from bandmate_server.audio.windows import Region, find_region
from bandmate_server.errors import AudioError, RegionError
from bandmate_server.jobs.input_copy import Open, SummedSource
from bandmate_server.jobs.request import ALL, JobRequest
from bandmate_server.options import END, START


def open_session(
    request: JobRequest,
    open_file: Open,
    stack: ExitStack,
    scratch: Path,
    check: Callable[[], None],
) -> dict[str, SummedSource]:
    """Return a request's sounds, opened: first the stem that is worked on.

    Args:
        request: that names them.
        open_file: opens a file that a peer named.
        stack: closes them.
        scratch: folder for audio that has to be decoded first.
        check: called while that happens; raises to stop.

    Raises:
        AudioError: if a file is not audio.
    """
    own, sounds = request.arguments.get("stem"), request.sounds
    return {
        role: stack.enter_context(SummedSource(sounds[role], open_file, scratch, check))
        for role in sorted(sounds, key=lambda role: role != own)
    }


def measure_session(sounds: dict[str, SummedSource]) -> tuple[int, int]:
    """Return the rate (Hz) and length (frames) of a session of opened sounds."""
    rate = next(iter(sounds.values())).rate
    return rate, max(math.ceil(sound.frames * rate / sound.rate) for sound in sounds.values())


def requested_region(request: JobRequest, rate: int, length: int) -> Region:
    """Return the region that a request names, in samples or in seconds.

    Args:
        request: with start and frames among its arguments or in its session, or with the
            options start and end.
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
            f"the region is frames {start} to {start + frames} of {request.default_track}:"
            f" expected 1 or more frames within its {length}"
        )
    return Region(start, frames)


def check_end(request: JobRequest, open_file: Open, scratch: Path) -> bool:
    """Check at once that a region lies inside the audio, before a job is made of it.

    What cannot be opened as audio is left to the job, and so are audio that has to be decoded
    to know how long it is, and a region that lies inside the length that such audio states.

    Args:
        request: for a job.
        open_file: opens a file that a peer named.
        scratch: a folder, where nothing is written.

    Returns:
        Whether that is settled; else `check_decoded_end` settles it.

    Raises:
        RegionError: naming the region and how long the audio is.
    """
    if not request.files or not _has_region(request):
        return True
    try:
        _check_end(request, open_file, scratch, _stop)
    except _MustDecodeError:
        with contextlib.suppress(RegionError):
            with contextlib.suppress(AudioError, soundfile.LibsndfileError):
                requested_region(request, *_stated_length(request, open_file))
            return True
        return False
    return True


def check_decoded_end(request: JobRequest, open_file: Open, scratch: Path) -> bool:
    """Check that a region lies inside the audio, decoding it if need be; true if so.

    Args:
        request: for a job.
        open_file: opens a file that a peer named.
        scratch: folder for decoded audio, which does not stay.

    Raises:
        RegionError: naming the region and how long the audio is.
    """
    _check_end(request, open_file, scratch, lambda: None)
    return True


class _MustDecodeError(Exception):
    """The length of audio is not known before it is decoded."""


def _stop() -> None:
    raise _MustDecodeError


def _check_end(
    request: JobRequest, open_file: Open, scratch: Path, check: Callable[[], None]
) -> None:
    with ExitStack() as stack, contextlib.suppress(AudioError):
        sounds = open_session(request, open_file, stack, scratch, check)
        requested_region(request, *measure_session(sounds))


def _stated_length(request: JobRequest, open_file: Open) -> tuple[int, int]:
    """Return the rate (Hz) and length (frames) that the headers of a request's files state."""
    own, stated = request.sounds.get(request.arguments.get("stem", "")), []
    for file in [file for part in own or [] for file in part] + request.files:
        with open_file(file) as (_, opened), soundfile.SoundFile(opened) as audio:
            stated.append((audio.samplerate, audio.frames))
    rate = stated[0][0]
    return rate, max(math.ceil(frames * rate / own) for own, frames in stated)


def _region_of(request: JobRequest) -> tuple[int, int]:
    """Return the start and the frames that a request names, or those of everything."""
    arguments = request.arguments
    region = arguments if "frames" in arguments else arguments.get("session", {})
    return region.get("start", 0), region.get("frames", ALL)


def _has_region(request: JobRequest) -> bool:
    """Whether a request names less than everything."""
    seconds = (request.options.get(option.name) for option in (START, END))
    return _region_of(request) != (0, ALL) or any(value is not None for value in seconds)
