"""Freepats through TiMidity++: a part as a MIDI file, rendered dry."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import mido
import numpy as np
import numpy.typing as npt

from bandmate_server.errors import CorpusError
from bandmate_training.corpus.fluid import INSTALL, RATE, Event

TICKS = 1000  # per beat; at 60 bpm one is a millisecond


def find_tool() -> str:
    """Return the path of the timidity program.

    Raises:
        CorpusError: if it is not installed.
    """
    tool = shutil.which("timidity")
    if not tool:
        raise CorpusError(f"timidity is missing: {INSTALL}")
    return tool


def write_midi(path: Path, program: int, drums: bool, events: Sequence[Event]) -> None:
    """Write events (samples at `RATE`) as a one-track MIDI file."""
    channel = 9 if drums else 0
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=1_000_000)])
    track.append(mido.Message("program_change", channel=channel, program=program))
    now = 0
    for sample, kind, value, velocity in events:
        tick = round(sample / RATE * TICKS)
        track.append(_message(channel, kind, value, velocity, tick - now))
        now = tick
    midi = mido.MidiFile(ticks_per_beat=TICKS)
    midi.tracks.append(track)
    midi.save(path)


def _message(channel: int, kind: int, value: int, velocity: int, wait: int) -> mido.Message:
    if kind == 1:
        return mido.Message("pitchwheel", channel=channel, pitch=value - 8192, time=wait)
    name = "note_on" if kind == 2 else "note_off"
    return mido.Message(name, channel=channel, note=value, velocity=velocity, time=wait)


def render(
    config: Path, program: int, drums: bool, events: Sequence[Event], frames: int
) -> npt.NDArray[np.float32]:
    """Render events with a TiMidity configuration.

    Args:
        config: the patch set's configuration file.
        program: General MIDI number, ignored for drums.
        drums: whether to play on the drum channel.
        events: ordered by sample at `RATE`.
        frames: samples wanted at `RATE`.

    Returns:
        mono audio (frames,) at `RATE`.

    Raises:
        CorpusError: if timidity is missing or fails.
    """
    tool = find_tool()
    with tempfile.TemporaryDirectory(prefix="bandmate-") as folder:
        midi = Path(folder) / "part.mid"
        write_midi(midi, program, drums, events)
        options = ["-s", str(RATE), "-Or1slM", "-EFreverb=0", "-EFchorus=0", "-EFdelay=d", "-A50"]
        command = [tool, "-c", str(config), *options, "-idqq", "-o", "-", str(midi)]
        done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise CorpusError(f"timidity failed: {done.stderr.decode(errors='replace').strip()[-300:]}")
    samples = np.frombuffer(done.stdout[: len(done.stdout) // 2 * 2], "<i2")[:frames]
    audio = samples.astype(np.float32) / np.float32(32768)
    return np.pad(audio, (0, frames - len(audio)))
