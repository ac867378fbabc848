"""Own harmony: progressions by style in roman numerals, and a walk through the key."""

from __future__ import annotations

from bandmate_training.corpus.harmony import make_chord, parse_roman
from bandmate_training.corpus.score import Chord, Rng

# One chord a bar unless stretched; a bar with two chords joins them by `-`.
PROGRESSIONS: dict[str, tuple[str, ...]] = {
    "pop": (
        "I V vi IV", "vi IV I V", "I vi IV V", "I IV vi V", "IV V iii vi", "I iii IV V",
        "I V/3 vi IV", "IV I V vi", "I IV ii V", "vi V IV V", "Imaj7 iii7 vi7 IVmaj7",
        "I Iadd9 IV iv", "I V/3 vi I/5 IV I/3 ii7 V", "ii7 V7 Imaj7 vi7", "i bVI bIII bVII",
        "i bVII bVI bVII", "i iv bVI V", "i bIII bVII iv", "i v bVI bVII", "I II7 IV I",
        "vi IV ii V", "I bVII IV I", "I V ii IV", "Isus2 V vi7 IVadd9", "i V i bVII bIII bVII i V",
    ),
    "rock": (
        "I5 bVII5 IV5 I5", "i bVI bVII i", "I IV V IV", "i bVII IV i", "I bIII IV I",
        "vi IV I V", "I5 IV5 V5 V5", "i5 bVI5 bIII5 bVII5", "I V IV I", "i iv i bVII", "I I IV V",
        "I bVI bVII I", "i bIII IV bVI", "I7 I7 IV7 I7",
    ),
    "metal": (
        "i5 i5 bVI5 bVII5", "i5 bII5 i5 bVII5", "i5 bIII5 bII5 i5", "i bVI iv V",
        "i5 bVI5 bIII5 bVII5", "i5 bV5 iv5 bIII5", "i5 i5 iv5 bII5", "i bVII bVI V",
    ),
    "jazz": (
        "ii7 V7 Imaj7 Imaj7", "Imaj7 vi7 ii7 V7", "iiø7 V7b9 i i6", "iii7-VI7 ii7-V7 Imaj7 vi7",
        "Imaj7 IV7 iii7 VI7 ii7 V7 I6 V7", "i7 IV7 i7 IV7", "ii7 bII7 Imaj7 Imaj7",
        "Imaj9 bIIImaj7 bVImaj7 bIImaj7", "i i7/b7 vø iv7 V7b9", "Imaj7 #Io7 ii7 V13",
        "IVmaj7 iv6 iii7 VI7 ii9 V13 Imaj9 Imaj9", "i7 i7 bVI7 V7#9", "ii7-V7 i7-IV7 bVIImaj7 III7",
        "Imaj7 II9 ii7 V7", "i9 bVII9 bVImaj7 V7b9",
    ),
    "latin": (
        "i i V7 V7", "i iv V7 i", "I IV V IV", "I vi ii V", "ii7 V7 I I", "i bVII bVI V7",
        "i7 IV7 i7 IV7", "I I V7 V7", "i iv bVII bIII bVI iiø7 V7 i",
    ),
    "funk": (
        "i7 i7 i7 IV7", "I9 I9 I9 I9", "i7 IV9 i7 IV9", "I7 IV7 I7 V7#9", "i9 i9 bVImaj7 V7#9",
        "ii7 V9 ii7 V9", "i7 bVII7 iv7 i7", "i7 iv7 bVII7 bIIImaj7", "vi7 ii7 V7 I7",
    ),
    "soul": (
        "Imaj7 vi7 ii7 V7", "I iii7 IV V", "i9 iv9 i9 V7#9", "IVmaj7 III7 vi7 I9",
        "i7 iv7 bVImaj7 V7",
        "Imaj9 IVmaj9 Imaj9 IVmaj9", "I I7 IV iv", "ii9 iii7 IVmaj7 V9", "bVImaj7 bVII i9 i9",
        "I VI7 ii7 V7", "IVmaj7 iii7 ii7 Imaj7", "I V7/3 vi I7/5 IV iv I V",
    ),
    "blues": (
        "I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7", "I7 IV7 I7 I7 IV7 IV7 I7 VI7 ii7 V7 I7 V7",
        "i7 i7 i7 i7 iv7 iv7 i7 i7 bVI7 V7 i7 V7", "I7 IV7 I7 V7", "I7 I7 IV7 iv I7 V7 I7 I7",
        "I7 V7 IV7 IV7 I7 V7 I7 V7",
    ),
    "folk": (
        "I IV I V", "I V vi IV", "I IV V I", "I I V V IV IV I V", "vi IV I V", "I ii IV I",
        "i bVII i bVII", "i iv bVII i", "I V IV I", "I vi ii V", "i bVI bIII bVII", "I bVII IV I",
        "I I7 IV iv I V I V",
    ),
}  # fmt: skip

# Diatonic walk: where each degree likes to go.
_MAJOR = {"I": "IV V vi ii iii", "ii": "V V IV vi", "iii": "vi IV ii", "IV": "V I ii iv",
          "V": "I vi IV I", "vi": "IV ii V iii II7",
          "iv": "I V", "II7": "V V7", "V7": "I vi"}  # fmt: skip
_MINOR = {"i": "iv bVI bVII v bIII", "iv": "V bVII i bVI", "bVI": "bVII bIII iv V",
          "bVII": "i bIII bVI",
          "bIII": "bVII bVI iv", "v": "i bVI", "V": "i bVI", "bII": "V i"}  # fmt: skip


def minor(numerals: str) -> bool:
    """Tell whether a progression is in minor."""
    words = numerals.replace("-", " ").split()
    tonics = [w for w in words if parse_roman(w)[0] == 0]
    if tonics:
        return parse_roman(tonics[0])[1].startswith(("min", "5")) and tonics[0][0] == "i"
    return any(w.startswith(("bVI", "iiø")) for w in words)


def draw(rng: Rng, family: str, in_minor: bool | None) -> str:
    """Draw a progression of a family; `in_minor` None takes any.

    Now and then, the chords come from a walk through the key instead.
    """
    if rng.random() < 0.2 and family not in ("blues", "funk"):
        return walk(rng, bool(rng.random() < 0.4) if in_minor is None else in_minor)
    rows = [p for p in PROGRESSIONS[family] if in_minor is None or minor(p) == in_minor]
    return str(rng.choice(rows or list(PROGRESSIONS[family])))


def walk(rng: Rng, in_minor: bool) -> str:
    """Walk through the key for four or eight chords."""
    table = _MINOR if in_minor else _MAJOR
    chord = str(rng.choice(["i", "i", "bVI"] if in_minor else ["I", "I", "vi", "IV"]))
    row = [chord]
    for _ in range(int(rng.choice([3, 3, 7]))):
        chord = str(rng.choice(table[chord].split()))
        row.append(chord)
    return " ".join(row)


def lay(
    numerals: str, tonic: int, start: float, bars: int, bar: int, stretch: float
) -> list[Chord]:
    """Lay a progression over bars, repeating it as needed.

    Args:
        numerals: chords in roman numerals.
        tonic: pitch class of the key.
        start: first beat.
        bars: how many bars to fill.
        bar: beats in a bar.
        stretch: bars per word of the progression (0.5 only for an even bar).
    """
    words, chords, index = numerals.split(), list[Chord](), 0
    beat, end = start, start + bars * bar
    while beat < end - 1e-6:
        names = words[index % len(words)].split("-")
        length = stretch * bar / len(names)
        for name in names:
            root, quality, low = parse_roman(name)
            stop = min(beat + length, end)
            if stop > beat:
                chords.append(make_chord(beat, stop, tonic + root, quality, low))
            beat = stop
        index += 1
    return chords
