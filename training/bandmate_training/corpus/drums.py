"""Drum grooves and fills, from grids of one bar.

A grid is a string over the bar: `x` hit, `X` accent, `g` ghost note, `o` open hi-hat,
`.` nothing. Twelve steps in four beats are triplets; grids are cut to the bar's beats.
"""

from __future__ import annotations

from dataclasses import dataclass

from bandmate_training.corpus.rhythm import velocity
from bandmate_training.corpus.score import Note, Phrase, Rng

KICK, SNARE, RIM = 36, 38, 37
HAT, PEDAL, OPEN, RIDE, BELL, CRASH, CRASH2 = 42, 44, 46, 51, 53, 49, 57
TOMS = (50, 48, 47, 45, 43, 41)  # high to low

KICKS: dict[str, tuple[str, ...]] = {
    "rock": ("x.......x.......", "x.......x.x.....", "x.....x.x.......", "x..x....x.x.....",
             "x.x.....x.x...x.", "x......xx.......", "x.......x..x..x.", "x...x.x.x...x.x."),
    "four": ("x...x...x...x...",) * 2 + ("x...x...x...x..x", "x...x...x..xx..."),
    "funk": ("x..x..x...x.....", "x.x....x..x..x..", "x..x...x.xx.....", "x.....xx..x....x",
             "x.x...x...xx..x."),
    "hiphop": ("x......x..x.....", "x.x.......x..x..", "x..x......xx....", "x.....x...x....."),
    "ballad": ("x.......x.......", "x.......x.....x.", "x.........x.....", "x..............."),
    "half": ("x.......x.......", "x..x......x.....", "x.x...x.........", "x.....x..x......"),
    "metal": ("xxxxxxxxxxxxxxxx", "x.xxx.xxx.xxx.xx", "x..x..x.x..x..x.", "xx..xx..xx..xx..",
              "x.x.x.x.x.x.x.x."),
    "jazz": ("................", "x...............", "........x.....x.", "x.......x......."),
    "bossa": ("x.....x.x.....x.", "x..xx..xx..xx..x"),
    "latin": ("x.....x.....x...", "......x.......x.", "x..x......x..x.."),
    "reggae": ("........x.......", "x...x...x...x...", "........x......."),
    "train": ("x...x...x...x...", "x.......x......."),
    "shuffle": ("x.....x.....", "x.....x.x...", "x..x..x..x..", "x....xx....."),
    "waltz": ("x...........", "x.......x...", "x.........x."),
    "six": ("x...........", "x.......x...", "x.x.......x.", "x.....x....."),
    "breaks": ("x.x.......xx....", "x.x.......x.....", "x..x..x..x......"),
}  # fmt: skip
SNARES: dict[str, tuple[str, ...]] = {
    "rock": ("....X.......X...",) * 3 + ("....X..g....X..g", "....X.......X..x"),
    "funk": ("....X..g.g..X..g", "....X.g..g.gX...", "....X..x.x..X...", ".g..X..g.g.gX.g."),
    "half": ("........X.......",) * 2 + ("........X......g",),
    "jazz": ("................", "......g....g....", "..........g....g", "...g......g....."),
    "rim": ("....x.......x...", "x..x..x...x..x..", "..x..x....x..x.."),
    "double": ("..X...X...X...X.", "....X.......X..."),
    "train": ("ggXgggXgggXgggXg", "g.X.g.Xgg.X.g.Xg"),
    "reggae": ("........X.......", "........x......."),
    "shuffle": ("...X.....X..", "...X.....X.g", "..gX.g..gX.g"),
    "latin": ("...x..x....x..x.", "......x.......x."),
    "waltz": ("....x...x...", "........x...", "....X......."),
    "breaks": ("....X..g.g..X..g", "....X..x.x....X.", "....X..g.x..X..g"),
    "six": ("......X.....",) * 2 + ("......X...g.",),
    "none": ("................",),
}  # fmt: skip
CYMBALS: dict[str, tuple[str, ...]] = {
    "eighths": ("x.x.x.x.x.x.x.x.",) * 2 + ("X.x.X.x.X.x.X.x.", "x.x.x.x.x.x.x.o."),
    "quarters": ("x...x...x...x...",),
    "sixteenths": ("xxxxxxxxxxxxxxxx", "XgxgXgxgXgxgXgxg", "XxxgXxxgXxxgXxog"),
    "offbeats": ("..o...o...o...o.", "..x...x...x...x.", "x.o.x.o.x.o.x.o."),
    "funk": ("x.xxx.x.x.xxx.x.", "x.x.x.xxx.x.xxo.", "xxx.xxx.xxx.xxo."),
    "swing": ("x..x.xx..x.x", "X..x.xX..x.x", "x..x..x..x.x"),
    "shuffle": ("x.xx.xx.xx.x", "X.xX.xX.xX.x"),
    "triplets": ("xxxxxxxxxxxx", "XggXggXggXgg"),
    "waltz": ("x...x.x.x.x.", "x...x...x...", "x.x.x.x.x.x."),
    "six": ("x.x.x.x.x.x.", "X.x.x.X.x.x.", "x.....x....."),
    "trap": ("x.x.xxx.x.x.xxxx", "xxx.x.xxx.xxx.x.", "x.x.x.x.xxxxx.x."),
    "none": ("................",),
}  # fmt: skip
PERCUSSION: tuple[tuple[int, str], ...] = (
    (54, "x.x.x.x.x.x.x.x."), (54, "....X.......X..."), (70, "XxxxXxxxXxxxXxxx"),
    (70, "x.x.x.x.x.x.x.x."), (69, "xgxgxgxgxgxgxgxg"), (56, "x...x...x...x..."),
    (75, "x..x..x...x.x..."), (75, "..x.x...x..x..x."), (63, "..x...xx..x...xx"),
    (64, "......x.......xx"), (62, "x...x.x.x...x.x."), (60, "xgx.xgx.xgx.xgx."),
    (39, "....x.......x..."), (76, "x..x..x.x..x..x."), (67, "x.x..x.xx.x..x.."),
    (44, "....x.......x..."), (37, "...x..x....x..x."),
)  # fmt: skip


@dataclass(frozen=True)
class Kit:
    """What the drummer of a style draws from: keys of the tables above."""

    kicks: str
    snares: str
    cymbals: tuple[str, ...]
    ghosts: float = 0.1  # chance of a phrase with added ghost notes
    percussion: float = 0.2  # chance of a percussion layer


def _grid(rng: Rng, table: tuple[str, ...]) -> str:
    return table[int(rng.integers(len(table)))]


def _lay(phrase: Phrase, rng: Rng, grid: str, pitch: int, level: float) -> list[Note]:
    """Repeat a grid over the phrase's bars."""
    beats = 3 if len(grid) == 12 and not phrase.triplet else 4
    step = beats / len(grid)
    notes = []
    for bar in phrase.bars():
        for k in range(int(phrase.bar / step + 0.5)):
            sign = grid[k % len(grid)]
            if sign != ".":
                notes.append(_hit(bar + k * step, sign, pitch, level, rng))
    return notes


def _hit(beat: float, sign: str, pitch: int, level: float, rng: Rng) -> Note:
    loud = {"X": 12.0, "x": 0.0, "o": 2.0, "g": -38.0}[sign]
    tone = OPEN if sign == "o" and pitch == HAT else pitch
    length = 1.5 if tone in (OPEN, RIDE, BELL, CRASH, CRASH2) else 0.2
    return Note(beat, beat + length, tone, velocity(rng, level + loud, beat % 1 == 0))


def _pick_cymbal(rng: Rng, energy: float) -> int:
    if energy > 0.75:
        return int(
            rng.choice([RIDE, HAT, OPEN, CRASH, BELL, HAT], p=[0.3, 0.3, 0.2, 0.08, 0.02, 0.1])
        )
    return int(rng.choice([HAT, RIDE, PEDAL, 70], p=[0.78, 0.16, 0.03, 0.03]))


def groove(phrase: Phrase, rng: Rng, kit: Kit, snare: int) -> list[Note]:
    """Play a phrase: bass drum, snare, a cymbal, perhaps percussion; a fill closes it.

    Args:
        phrase: where to play.
        rng: source of randomness; the same state gives the same groove.
        kit: the style's grids.
        snare: the pitch that plays the backbeat.
    """
    level = 80 + 28 * phrase.energy
    kick, back = _grid(rng, KICKS[kit.kicks]), _grid(rng, SNARES[kit.snares])
    cymbal = str(rng.choice(list(kit.cymbals)))
    pattern = _grid(rng, CYMBALS[cymbal])
    tone = RIDE if cymbal == "swing" and rng.random() < 0.8 else _pick_cymbal(rng, phrase.energy)
    notes = _lay(phrase, rng, kick, KICK, level + 4) + _lay(phrase, rng, back, snare, level)
    notes += _lay(phrase, rng, pattern, tone, level - float(rng.uniform(8, 24)))
    if rng.random() < kit.ghosts and len(back) == 16:
        notes += _lay(phrase, rng, "..g..g.g..g..g.g", SNARE, level)
    for _ in range(2):
        if rng.random() < kit.percussion:
            pitch, grid = PERCUSSION[int(rng.integers(len(PERCUSSION)))]
            notes += _lay(phrase, rng, grid, pitch, level - float(rng.uniform(5, 20)))
    return _vary(_finish(phrase, notes, rng, level), rng, phrase)


def _vary(notes: list[Note], rng: Rng, phrase: Phrase) -> list[Note]:
    """Drop a few weak hits and add a few bass drum pick-ups, so that bars differ."""
    kept = [n for n in notes if n.start % 1 == 0 or rng.random() > 0.04]
    for bar in phrase.bars():
        if rng.random() < 0.1:
            beat = bar + phrase.bar - float(rng.choice([0.5, 0.25, 1.5]))
            kept.append(Note(beat, beat + 0.2, KICK, velocity(rng, 80, False)))
    return kept


def _finish(phrase: Phrase, notes: list[Note], rng: Rng, level: float) -> list[Note]:
    """End the phrase with a fill, and open it with a crash."""
    if rng.random() < 0.35 + 0.5 * phrase.energy and phrase.end - phrase.start >= 4:
        pitch = CRASH if rng.random() < 0.7 else CRASH2
        notes.append(Note(phrase.start, phrase.start + 3, pitch, velocity(rng, level, True)))
    if rng.random() < 0.25:
        return notes
    length = float(rng.choice([1, 1, 2, 2, phrase.bar]))
    start = phrase.end - length
    return [n for n in notes if n.start < start - 1e-6] + fill(start, phrase, rng, level)


def fill(start: float, phrase: Phrase, rng: Rng, level: float) -> list[Note]:
    """Play a fill from `start` (beats) to the phrase's end: toms, snare rolls, or both."""
    step = 1 / 3 if phrase.triplet else float(rng.choice([0.25, 0.25, 0.5]))
    count = round((phrase.end - start) / step)
    kind, density = int(rng.integers(4)), float(rng.uniform(0.6, 1.0))
    notes = [Note(start, start + 0.2, KICK, velocity(rng, level, True))]
    for k in range(count):
        if k and rng.random() > density:
            continue
        beat, rise = start + k * step, 14 * k / max(count, 1) - 8
        tone = _fill_tone(kind, k / max(count, 1), rng)
        notes.append(Note(beat, beat + 0.3, tone, velocity(rng, level + rise, k % 2 == 0)))
        if rng.random() < 0.12:
            notes.append(Note(beat, beat + 0.2, KICK, velocity(rng, level, False)))
    return notes


def _fill_tone(kind: int, place: float, rng: Rng) -> int:
    if kind == 0:
        return SNARE
    if kind == 1:
        return TOMS[min(int(place * 6), 5)]
    if kind == 2:
        return SNARE if place < 0.5 else TOMS[min(int(place * 6), 5)]
    return int(rng.choice([SNARE, *TOMS]))


def kick_beats(notes: list[Note]) -> tuple[float, ...]:
    """Return the beats of the bass drum."""
    return tuple(sorted({n.start for n in notes if n.pitch in (35, KICK)}))
