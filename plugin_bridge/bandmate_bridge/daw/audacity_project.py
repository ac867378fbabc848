"""What is selected in Audacity, as files; and files as new tracks at their place.

Audacity's commands say times with six digits only. So a short Nyquist script writes the
selection's times to a file, and the selection is set to whole samples before anything is exported.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bandmate_bridge.daw.audacity_pipe import AudacityPipe
from bandmate_server.errors import DawError

FLOAT_WAV = "/FileFormats/ExportFormat_SF1_Type/WAV_10000"  # Audacity's setting: kind of samples
FLOAT = "6"  # libsndfile's SF_FORMAT_FLOAT
WORK_SECONDS = 600.0  # that an export or import may take

_TIMES = """\
;nyquist plug-in
;version 4
;type tool
(setq *float-format* "%.17g")
(setf file (open "{path}" :direction :output))
(format file "~a ~a ~a" (get '*selection* 'start) (get '*selection* 'end) (get '*project* 'rate))
(close file)
\"\""""


@dataclass(frozen=True)
class Track:
    """A selected track; `index` counts all tracks from the top, `start` and `end` are seconds."""

    index: int
    name: str
    channels: int
    start: float
    end: float

    @classmethod
    def of(cls, index: int, facts: dict[str, Any]) -> Track:
        """Return the track that Audacity describes; one that is panned has two channels."""
        channels = 2 if facts["pan"] else int(facts["channels"])
        return cls(index, facts["name"], channels, facts["start"], facts["end"])


@dataclass(frozen=True)
class Selection:
    """Selected tracks, and the range in samples of the project."""

    tracks: tuple[Track, ...]
    rate: int
    first: int
    last: int

    def around(self, seconds: float) -> tuple[int, int]:
        """Return the range with so much of what the tracks hold on either side."""
        begin = round(min(track.start for track in self.tracks) * self.rate)
        end = round(max(track.end for track in self.tracks) * self.rate)
        more = round(seconds * self.rate)
        first = max(self.first - more, min(self.first, max(begin, 0)))
        return first, min(self.last + more, max(self.last, end))


def read_selection(audacity: AudacityPipe, folder: Path) -> Selection:
    """Return what is selected; whole tracks where no range is.

    Args:
        audacity: running.
        folder: for a short file.

    Raises:
        DawError: if no audio is selected, or none that sounds.
    """
    facts = audacity.facts("Tracks")
    waves = [(index, one) for index, one in enumerate(facts) if one["kind"] == "wave"]
    chosen = [(index, one) for index, one in waves if one["selected"]]
    if not chosen:
        raise DawError(
            "nothing is selected in Audacity: drag over a part of a track, or click on its panel"
        )
    soloed = any(one["solo"] for _, one in waves)
    for _, one in chosen:
        if one["mute"] or (soloed and not one["solo"]):
            raise DawError(f"{one['name']} is silent: unmute it, and switch solo off")
    tracks = tuple(Track.of(index, one) for index, one in chosen)
    found = _range(audacity, tracks, folder / "times")
    if found.last == found.first:
        audacity.ask("SelTrackStartToEnd")
        found = _range(audacity, tracks, folder / "times")
    if found.last <= found.first:
        raise DawError("the selected tracks are empty")
    return found


def export(
    audacity: AudacityPipe,
    selection: Selection,
    tracks: Sequence[Track],
    span: tuple[int, int],
    path: Path,
) -> None:
    """Write what tracks sound like, mixed, as 32-bit float at the project's rate.

    Args:
        audacity: running.
        selection: is there again afterwards.
        tracks: some of the selected ones.
        span: samples of the project, from and to.
        path: of the new WAV file.

    Raises:
        DawError: if Audacity does not write it.
    """
    channels = max(track.channels for track in tracks)
    before = None
    with contextlib.suppress(DawError):  # Nobody has chosen another kind yet.
        before = audacity.ask("GetPreference", Name=FLOAT_WAV)
    try:
        audacity.ask("SetPreference", Name=FLOAT_WAV, Value=FLOAT)
        select(audacity, selection, [track.index for track in tracks], span)
        audacity.ask("Export2", WORK_SECONDS, Filename=path.as_posix(), NumChannels=channels)
    finally:
        audacity.ask("SetPreference", Name=FLOAT_WAV, Value=before or "2")  # its default: 16 bits
        select(audacity, selection)
    if not path.is_file():
        raise DawError("Audacity exported nothing")


def select(
    audacity: AudacityPipe,
    selection: Selection,
    indices: Sequence[int] | None = None,
    span: tuple[int, int] | None = None,
) -> None:
    """Select tracks and a range, by default those of a selection."""
    first, last = span or (selection.first, selection.last)
    mode = "Set"
    for index in indices or [track.index for track in selection.tracks]:
        audacity.ask("SelectTracks", Track=index, TrackCount=1, Mode=mode)
        mode = "Add"
    audacity.ask("SelectTime", Start=first / selection.rate, End=last / selection.rate)


def add_tracks(
    audacity: AudacityPipe,
    selection: Selection,
    stems: Sequence[tuple[str, Path]],
    mute: bool,
    report: Callable[[float], None],
) -> None:
    """Import files as tracks below the others, at the selection's start; all of them or none.

    Each is a step of Audacity's Undo; muting belongs to the first.

    Args:
        audacity: running.
        selection: where they go; is there again afterwards.
        stems: name of the track and file.
        mute: mute the selected tracks too.
        report: called with the fraction done before each; raises to stop.

    Raises:
        DawError: if Audacity does not import them.
    """
    imported = 0
    try:
        for name, path in stems:
            report(imported / len(stems))
            audacity.ask("Import2", WORK_SECONDS, Filename=path.as_posix())  # It is selected now.
            imported += 1
            audacity.ask("SetTrack", Name=name)
            audacity.ask("SetClip", At=0, Start=selection.first / selection.rate)
            if mute and imported == 1:
                select(audacity, selection)
                audacity.ask("SetTrack", Mute=1)
            # What scripts change belongs to no step of Undo; this takes it into the import's.
            audacity.ask("SelTrackStartToEnd")
        names = [one["name"] for one in audacity.facts("Tracks")]
        if names[-len(stems) :] != [name for name, _ in stems]:
            raise DawError(f"Audacity did not take all tracks: it has {', '.join(names)}")
    except BaseException:
        for _ in range(imported):
            audacity.ask("Undo")
        raise
    finally:
        select(audacity, selection)


def _range(audacity: AudacityPipe, tracks: tuple[Track, ...], path: Path) -> Selection:
    """Return the range that is selected on tracks; a mere cursor is an empty one.

    Args:
        audacity: running.
        tracks: that are selected.
        path: of a short file.

    Raises:
        DawError: if it cannot be told.
    """
    # The script does not run on an empty range, so that it is made a second longer before.
    audacity.ask("SelectTime", Start=0, End=1, RelativeTo="Selection")
    audacity.ask("NyquistPrompt", Command=_TIMES.format(path=path.as_posix()), Version=4)
    try:
        start, end, rate = map(float, path.read_text("utf-8").split())
    except (OSError, ValueError) as error:
        raise DawError(f"Audacity does not say what is selected: {error}") from error
    first, frames = round(start * rate), round((end - start - 1) * rate)
    found = Selection(tracks, round(rate), max(first, 0), max(first + frames, 0))
    select(audacity, found)
    return found
