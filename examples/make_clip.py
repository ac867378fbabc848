"""Write, render and store the demo's clip: "Late Bus", eight bars and an ending.

    python examples/make_clip.py [FOLDER]

Needs fluidsynth with the FluidR3 font (Debian: fluidsynth, fluid-soundfont-gm) and mido.
The song is our own and is in no training corpus. The clip is exactly the sum of its stems.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import soundfile

RATE = 44_100  # Hz
FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
TEMPO = 98.0  # quarter notes a minute
TICKS = 480  # a quarter note
SECONDS = 22.5
PROGRAMS = {"bass": 33, "drums": 0, "guitar": 27, "piano": 0}
PANS = {"bass": 64, "drums": 64, "guitar": 38, "piano": 84}  # 64 is the middle
GAINS = {"bass": 0.62, "drums": 0.80, "guitar": 0.62, "piano": 0.66}

KICK, SNARE, HAT, OPEN_HAT, RIDE, CRASH = 36, 38, 42, 46, 51, 49
TOMS = (48, 45, 43)

# Two bars of ii-V-I-vi, then a way round through the third degree, and home.
BASS_NOTES = ((33, 40), (38, 42), (43, 38), (40, 47), (33, 36), (38, 37), (35, 40), (33, 38))
PIANO_CHORDS = (
    ((60, 64, 67, 71), (60, 64, 67, 71)),  # Am9
    ((60, 64, 66, 69), (60, 64, 66, 69)),  # D13
    ((59, 62, 66, 69), (59, 62, 66, 69)),  # Gmaj9
    ((59, 62, 66, 67), (59, 62, 64, 67)),  # Em9
    ((60, 64, 67, 71), (60, 64, 67, 69)),  # Am9
    ((60, 64, 66, 69), (60, 63, 66, 69)),  # D13, D7b9
    ((57, 62, 66, 69), (56, 62, 65, 71)),  # Bm7, E7b9
    ((60, 64, 67, 71), (60, 64, 66, 69)),  # Am9, D13
)
GUITAR_CHORDS = (
    (64, 67, 72, 76),
    (66, 69, 72, 76),
    (62, 66, 71, 74),
    (62, 67, 71, 76),
    (64, 67, 71, 76),
    (66, 69, 72, 76),
    (62, 66, 69, 74),
    (64, 67, 72, 76),
)
# The piano's answer over bars 5 to 8: (bar, quarter note, pitch, length in quarter notes).
MELODY = (
    (4, 0.5, 76, 0.5),
    (4, 1.0, 79, 0.5),
    (4, 1.5, 83, 1.25),
    (4, 3.0, 81, 0.5),
    (4, 3.5, 79, 0.5),
    (5, 0.0, 78, 1.5),
    (5, 2.0, 75, 0.5),
    (5, 2.5, 76, 1.0),
    (6, 0.5, 74, 0.5),
    (6, 1.0, 78, 0.5),
    (6, 1.5, 81, 0.5),
    (6, 2.0, 80, 1.0),
    (6, 3.0, 77, 0.5),
    (6, 3.5, 74, 0.5),
    (7, 0.0, 76, 1.5),
    (7, 2.0, 74, 0.5),
    (7, 2.5, 72, 0.5),
    (7, 3.0, 69, 0.75),
)


@dataclass(frozen=True)
class Note:
    """One note: start and length in quarter notes, MIDI pitch and velocity."""

    start: float
    length: float
    pitch: int
    velocity: int


def bass_part() -> list[Note]:
    """Return roots on one, a push before three, and a step into the next bar."""
    notes = []
    for bar, (root, turn) in enumerate(BASS_NOTES):
        at = 4.0 * bar
        following = BASS_NOTES[(bar + 1) % len(BASS_NOTES)][0]
        approach = following + (1 if bar % 2 else -1)
        notes += [
            Note(at, 0.95, root, 104),
            Note(at + 1.5, 0.22, root + 12, 78),
            Note(at + 1.75, 0.7, root, 92),
            Note(at + 2.5, 0.7, turn, 98),
            Note(at + 3.25, 0.2, turn, 74),
            Note(at + 3.5, 0.45, approach, 90),
        ]
    return [*notes, Note(32.0, 3.2, 31, 106)]


def drum_part() -> list[Note]:
    """Return a backbeat with ghost notes, a ride from bar five, and a fill into the end."""
    notes = [Note(0.0, 0.5, CRASH, 96)]
    for bar in range(8):
        at = 4.0 * bar
        fill = bar == 7
        kicks = (0.0, 1.75, 2.5) if bar % 2 == 0 else (0.0, 0.75, 2.5, 3.5)
        notes += [Note(at + beat, 0.2, KICK, 112 if beat == 0 else 96) for beat in kicks]
        notes += [Note(at + beat, 0.2, SNARE, 108) for beat in ((1.0,) if fill else (1.0, 3.0))]
        notes += [Note(at + beat, 0.1, SNARE, 34) for beat in (1.75, 2.25) if not fill]
        cymbal = RIDE if bar >= 4 else HAT
        for eighth in range(4 if fill else 8):
            opened = cymbal == HAT and bar % 2 == 1 and eighth == 7
            loud = 84 if eighth % 2 == 0 else 62
            notes.append(Note(at + eighth / 2, 0.2, OPEN_HAT if opened else cymbal, loud))
        if not fill and bar % 2 == 0:
            notes.append(Note(at + 3.75, 0.1, HAT, 56))
    strokes = (SNARE, SNARE, TOMS[0], TOMS[0], TOMS[1], TOMS[1], TOMS[2], TOMS[2])
    notes += [Note(30.0 + k / 4, 0.2, drum, 84 + 4 * k) for k, drum in enumerate(strokes)]
    return [*notes, Note(32.0, 1.0, KICK, 116), Note(32.0, 1.0, CRASH, 108)]


def guitar_part() -> list[Note]:
    """Return two bars of rest, two of off-beat chops, four of picking, and a last strum."""
    notes = []
    for bar, chord in enumerate(GUITAR_CHORDS):
        at = 4.0 * bar
        if 2 <= bar < 4:
            for chop in (0.5, 1.5, 1.75, 2.5, 3.5):
                notes += [
                    Note(at + chop + 0.012 * k, 0.18, pitch, 84 - 3 * k)
                    for k, pitch in enumerate(chord)
                ]
        elif bar >= 4:
            order = (0, 1, 2, 3, 2, 1, 2, 3)
            notes += [
                Note(at + k / 2, 0.9, chord[string] - (12 if k == 0 else 0), 92 - 2 * (k % 4))
                for k, string in enumerate(order)
            ]
    strum = (55, 62, 66, 71, 74)
    return [*notes, *(Note(32.0 + 0.05 * k, 3.2, pitch, 86) for k, pitch in enumerate(strum))]


def piano_part() -> list[Note]:
    """Return comping chords, the tune of bars five to eight, and a last chord."""
    notes = []
    for bar, (first, second) in enumerate(PIANO_CHORDS):
        at = 4.0 * bar
        for beat, length, chord, loud in ((0.0, 1.3, first, 76), (2.5, 1.2, second, 68)):
            notes += [Note(at + beat, length, pitch, loud) for pitch in chord]
        notes += [Note(at + 1.75, 0.3, pitch, 56) for pitch in first[1:]]
    notes += [Note(4.0 * bar + beat, length, pitch, 94) for bar, beat, pitch, length in MELODY]
    return [*notes, *(Note(32.0, 3.2, pitch, 80) for pitch in (43, 59, 62, 66, 69, 74))]


def humanised(notes: list[Note], rng: np.random.Generator) -> list[Note]:
    """Return the notes with swung sixteenths, a little timing and a little force."""
    played = []
    for note in notes:
        sixteenth = note.start * 4
        swing = 0.045 if round(sixteenth) % 2 == 1 else 0.0
        start = max(0.0, note.start + swing + float(rng.normal(0.0, 0.008)))
        velocity = int(np.clip(note.velocity + rng.normal(0.0, 4.0), 1, 127))
        played.append(Note(start, note.length, note.pitch, velocity))
    return played


def write_midi(path: Path, stem: str, notes: list[Note]) -> None:
    """Write one stem as a MIDI file of one track."""
    channel = 9 if stem == "drums" else 0
    events: list[tuple[int, int, mido.Message]] = []
    for note in notes:
        common = {"channel": channel, "note": note.pitch}
        on = mido.Message("note_on", velocity=note.velocity, **common)
        off = mido.Message("note_off", velocity=0, **common)
        events.append((round(note.start * TICKS), 1, on))
        events.append((round((note.start + note.length) * TICKS), 0, off))
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(TEMPO)))
    track.append(mido.Message("program_change", channel=channel, program=PROGRAMS[stem]))
    pan = PANS[stem]
    track.append(mido.Message("control_change", channel=channel, control=10, value=pan))
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    midi = mido.MidiFile(ticks_per_beat=TICKS)
    midi.tracks.append(track)
    midi.save(path)


def rendered(midi: Path) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the stem's sound (samples, 2), cut to the clip's length and faded out."""
    wav = midi.with_suffix(".wav")
    options = ["-ni", "-q", "-r", str(RATE), "-g", "0.5", "-R", "1", "-C", "0", "-O", "float"]
    room = ["-o", "synth.reverb.room-size=0.35", "-o", "synth.reverb.level=0.35"]
    loading = ["-o", "synth.dynamic-sample-loading=1"]
    files = ["-T", "wav", "-F", str(wav), str(FONT), str(midi)]
    subprocess.run(
        ["fluidsynth", *options, *room, *loading, *files], check=True, capture_output=True
    )
    sound, _ = soundfile.read(wav, always_2d=True)
    frames = round(SECONDS * RATE)
    sound = np.pad(sound, ((0, max(0, frames - len(sound))), (0, 0)))[:frames]
    fade = round(0.6 * RATE)
    sound[-fade:] *= np.linspace(1.0, 0.0, fade)[:, None] ** 2
    return np.asarray(sound)


def main() -> None:
    """Render the four stems, level them, and store them with their sum."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    parts = {
        "bass": bass_part(),
        "drums": drum_part(),
        "guitar": guitar_part(),
        "piano": piano_part(),
    }
    rng = np.random.default_rng(98)
    with tempfile.TemporaryDirectory() as scratch:
        stems = {}
        for stem, notes in parts.items():
            midi = Path(scratch) / f"{stem}.mid"
            write_midi(midi, stem, humanised(notes, rng))
            stems[stem] = rendered(midi) * GAINS[stem]
    peak = np.abs(np.sum(list(stems.values()), axis=0)).max()
    whole = {stem: np.round(sound * 0.89 / peak * 32768) for stem, sound in stems.items()}
    (folder / "late-bus-stems").mkdir(parents=True, exist_ok=True)
    for stem, sound in whole.items():
        soundfile.write(folder / "late-bus-stems" / f"{stem}.flac", sound.astype(np.int16), RATE)
    mix = np.sum(list(whole.values()), axis=0)
    soundfile.write(folder / "late-bus.flac", mix.astype(np.int16), RATE)


if __name__ == "__main__":
    main()
