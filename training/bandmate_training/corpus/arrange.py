"""The band: who plays what in which section, and who rests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bandmate_server.spec import OTHER, STEMS
from bandmate_training.corpus import drums, lead
from bandmate_training.corpus.instruments import INSTRUMENTS
from bandmate_training.corpus.lead import Range
from bandmate_training.corpus.score import Bend, Chord, Note, Part, Phrase, Rng, Section, Skeleton
from bandmate_training.corpus.styles import STYLES, Style

ABSENT = 0.09  # chance that a stem has no part at all
# Sounds that a way of playing asks for, whatever the style.
GUITAR_SOUNDS = {"chug": (28, 29, 30), "power": (29, 30), "travis": (24, 25), "skank": (27, 28),
                 "scratch": (27, 28)}  # fmt: skip
LEAD_SOUNDS = (29, 30, 27, 26, 25)
VOICE_LIKE = (52, 53, 54, 56, 64, 65, 66, 71, 73, 75, 80, 81, 85, 40, 22)
PADS = (48, 49, 50, 51, 52, 88, 89, 90, 91, 94, 95, 16, 17, 18, 19)
BRASS = (61, 62, 63, 56, 57)
Play = Callable[[Phrase, Rng], list[Note]]


def active_sections(rng: Rng, skeleton: Skeleton, stems: Sequence[str]) -> dict[str, set[int]]:
    """Draw the sections in which each stem plays; no section is left to silence."""
    count = len(skeleton.sections)
    present = [s for s in stems if rng.random() > ABSENT] or [str(rng.choice(list(stems)))]
    playing: dict[str, set[int]] = {s: set() for s in stems}
    for index, section in enumerate(skeleton.sections):
        for stem in present:
            low, gain = INSTRUMENTS[stem].eager
            if rng.random() < low + gain * section.energy:
                playing[stem].add(index)
        if not any(index in rows for rows in playing.values()):
            playing[str(rng.choice(present))].add(index)
    for stem in present:
        if not playing[stem]:
            playing[stem].add(int(rng.integers(count)))
    return playing


def phrase_of(section: Section, skeleton: Skeleton, kicks: tuple[float, ...] = ()) -> Phrase:
    """Return a section as its players see it."""
    return Phrase(section.start, section.end, skeleton.bar, section.chords, section.key,
                  section.energy, skeleton.triplet, kicks)  # fmt: skip


def play(
    skeleton: Skeleton, sections: set[int], ways: dict[str, Play], seeds: dict[str, int],
    kicks: tuple[float, ...] = (),
) -> list[Note]:  # fmt: skip
    """Play some sections; sections of one kind repeat the same pattern.

    Args:
        skeleton: the song's form.
        sections: indexes of the sections to play.
        ways: how to play each kind of section.
        seeds: pattern seed of each kind.
        kicks: bass drum hits (beats) of the whole song.
    """
    notes: list[Note] = []
    for index in sorted(sections):
        section = skeleton.sections[index]
        inside = tuple(k for k in kicks if section.start <= k < section.end)
        rng = np.random.default_rng(seeds[section.kind])
        notes += ways[section.kind](phrase_of(section, skeleton, inside), rng)
    return sorted(notes, key=lambda n: (n.start, n.pitch))


def _names(rng: Rng, style: Style, stem: str, kinds: Sequence[str]) -> dict[str, str]:
    """Draw how a stem plays each kind of section; one in eight borrows from another style."""
    donors = [s for s in STYLES if s.bar == style.bar and s.triplet == style.triplet]
    donor = style if rng.random() > 0.12 else donors[int(rng.integers(len(donors)))]
    names = donor.ways.get(stem) or [*INSTRUMENTS[stem].players]
    few = [str(n) for n in rng.choice(names, size=2)]
    return {kind: str(rng.choice(few)) for kind in kinds}


def _seeds(rng: Rng, kinds: Sequence[str]) -> dict[str, int]:
    return {kind: int(rng.integers(2**31)) for kind in kinds}


def drum_part(rng: Rng, skeleton: Skeleton, style: Style, sections: set[int]) -> Part:
    """Write the drums."""
    kinds = [s.kind for s in skeleton.sections]
    soft = {k: rng.random() < 0.15 for k in kinds}
    brushes = 40 if style.kits == (24, 25) else drums.SNARE

    def way(kind: str) -> Play:
        snare = drums.RIM if soft[kind] else brushes
        return lambda phrase, r: drums.groove(phrase, r, style.kit, snare)

    notes = play(skeleton, sections, {k: way(k) for k in kinds}, _seeds(rng, kinds))
    return Part("drums", notes, programs=style.kits, role="kit")


def pitched_part(
    rng: Rng, skeleton: Skeleton, style: Style, stem: str, sections: set[int],
    kicks: tuple[float, ...],
) -> Part:  # fmt: skip
    """Write the bass, the rhythm guitar or the piano."""
    kinds = [s.kind for s in skeleton.sections]
    names = _names(rng, style, stem, kinds)
    ways = {kind: INSTRUMENTS[stem].players[names[kind]] for kind in kinds}
    notes = play(skeleton, sections, ways, _seeds(rng, kinds), kicks)
    sounds = style.programs.get(stem, ())
    if stem == "guitar":
        sounds = GUITAR_SOUNDS.get(names[kinds[-1]], sounds)
    if rng.random() < 0.15:
        sounds = ()
    if stem == "piano" and rng.random() < 0.35:
        notes = pedalled(notes, skeleton.chords)
    bends = slides(notes, rng) if stem == "bass" and rng.random() < 0.25 else []
    role = "+".join(sorted(set(names.values())))
    return Part(stem, notes, bends, sounds, role)


def pedalled(notes: list[Note], chords: Sequence[Chord]) -> list[Note]:
    """Let notes ring until the chord changes, as with the sustain pedal."""
    ends = np.array([c.end for c in chords])
    places = np.searchsorted(ends, [n.start + 0.1 for n in notes])
    stops = [float(ends[min(int(k), len(ends) - 1)]) for k in places]
    return [
        Note(n.start, min(max(n.end, stop - 0.05), n.start + 4), n.pitch, n.velocity)
        for n, stop in zip(notes, stops, strict=True)
    ]


def slides(notes: list[Note], rng: Rng) -> list[Bend]:
    """Slide into some of the longer notes from below."""
    bends: list[Bend] = []
    for note in notes:
        if note.end - note.start > 0.7 and rng.random() < 0.2:
            rise = float(rng.choice([-2, -1]))
            bends += [Bend(note.start + 0.03 * k, rise * (1 - k / 5)) for k in range(6)]
        else:
            bends.append(Bend(note.start, 0.0))
    return bends


def lead_part(
    rng: Rng, skeleton: Skeleton, stem: str, span: Range, sounds: tuple[int, ...]
) -> Part:
    """Write a melody for some sections."""
    kinds = [s.kind for s in skeleton.sections]
    chosen = {i for i in range(len(kinds)) if rng.random() < 0.6} or {len(kinds) - 1}
    ways: dict[str, Play] = {k: lambda p, r: lead.melody(p, r, span) for k in kinds}
    notes = lead.single(play(skeleton, chosen, ways, _seeds(rng, kinds)))
    amount = 0.0 if stem == "piano" else float(rng.uniform(0, 0.4))
    bends = [] if stem == "piano" else lead.expression(notes, rng, amount)
    return Part(stem, notes, bends, sounds, "lead")


def other_part(rng: Rng, skeleton: Skeleton) -> Part:
    """Write an instrument that is none of the four stems."""
    kind = int(rng.integers(5))
    if kind >= 3:
        return lead_part(rng, skeleton, OTHER, Range(58, 82), VOICE_LIKE)
    kinds = [s.kind for s in skeleton.sections]
    chosen = {i for i in range(len(kinds)) if rng.random() < 0.6} or {0}
    way = lead.brass if kind == 2 else lead.strings
    notes = play(skeleton, chosen, {k: way for k in kinds}, _seeds(rng, kinds))
    return Part(OTHER, notes, [], BRASS if kind == 2 else PADS, way.__name__)


def band(
    rng: Rng, skeleton: Skeleton, style: Style, given: Sequence[Part] = (),
    other: float = 0.2,
) -> list[Part]:  # fmt: skip
    """Write all parts of a song.

    Args:
        rng: source of randomness.
        skeleton: time, harmony and form.
        style: what the players draw from.
        given: parts that the source brings; their stems are not written again.
        other: chance of an instrument outside the four stems.
    """
    taken = {p.stem for p in given}
    playing = active_sections(rng, skeleton, STEMS)
    everything = set(range(len(skeleton.sections)))
    kit = drum_part(rng, skeleton, style, everything)
    kicks = drums.kick_beats(kit.notes)
    kit.notes = within(kit.notes, skeleton, playing["drums"])
    parts = [*given, *([] if "drums" in taken else [kit])]
    for stem in STEMS:
        if INSTRUMENTS[stem].players and stem not in taken and playing[stem]:
            parts.append(pitched_part(rng, skeleton, style, stem, playing[stem], kicks))
    parts += _extras(rng, skeleton, style, playing, taken, other, kicks)
    return [p for p in parts if p.notes]


def _extras(
    rng: Rng, skeleton: Skeleton, style: Style, playing: dict[str, set[int]], taken: set[str],
    other: float, kicks: tuple[float, ...],
) -> list[Part]:  # fmt: skip
    """Write second guitars, solos, piano melodies and other instruments."""
    parts = []
    if playing["guitar"] and rng.random() < 0.35:
        parts.append(lead_part(rng, skeleton, "guitar", Range(52, 84), LEAD_SOUNDS))
    if playing["guitar"] and rng.random() < 0.12:
        parts.append(pitched_part(rng, skeleton, style, "guitar", playing["guitar"], kicks))
    if playing["piano"] and "piano" not in taken and rng.random() < 0.2:
        parts.append(lead_part(rng, skeleton, "piano", Range(60, 92), style.pianos))
    if OTHER not in taken and rng.random() < other:
        parts.append(other_part(rng, skeleton))
    return parts


def within(notes: list[Note], skeleton: Skeleton, sections: set[int]) -> list[Note]:
    """Keep the notes that start in some sections."""
    rows = [(skeleton.sections[i].start, skeleton.sections[i].end) for i in sections]
    return [n for n in notes if any(a - 1e-6 <= n.start < b - 1e-6 for a, b in rows)]
