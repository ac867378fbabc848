"""Styles: what each player draws from. One row a style."""

from __future__ import annotations

from dataclasses import dataclass

from bandmate_training.corpus.drums import Kit

ACOUSTIC, CLEAN, DIRTY = (24, 25), (26, 27, 28), (29, 30)
GRAND, ELECTRIC = (0, 1, 2, 3), (4, 5)
ROOM_KITS, ROCK_KITS, JAZZ_KITS, ELECTRO_KITS = (
    (*range(16),), (*range(8, 20),), (*range(32, 37), *range(40, 43)), (24, 25))  # fmt: skip


@dataclass(frozen=True)
class Style:
    """A style of music, as far as the players need to know it."""

    name: str
    tempo: tuple[int, int]  # beats per minute
    harmony: str  # key of progressions.PROGRESSIONS
    kit: Kit
    bass: tuple[str, ...]
    guitar: tuple[str, ...]
    piano: tuple[str, ...]
    basses: tuple[int, ...]  # General MIDI programs
    guitars: tuple[int, ...]
    pianos: tuple[int, ...]
    kits: tuple[int, ...]
    bar: int = 4
    swing: tuple[float, float] = (0.5, 0.5)  # range
    swing_unit: float = 1.0
    triplet: bool = False

    @property
    def ways(self) -> dict[str, tuple[str, ...]]:
        """How stems are played, by the names of their players."""
        return {"bass": self.bass, "guitar": self.guitar, "piano": self.piano}

    @property
    def programs(self) -> dict[str, tuple[int, ...]]:
        """The General MIDI programs of stems."""
        return {"bass": self.basses, "guitar": self.guitars, "piano": self.pianos}


def _kit(kicks: str, snares: str, cymbals: str, ghosts: float = 0.1, extra: float = 0.2) -> Kit:
    return Kit(kicks, snares, tuple(cymbals.split()), ghosts, extra)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


STYLES: tuple[Style, ...] = (
    Style("pop", (84, 132), "pop", _kit("rock", "rock", "eighths sixteenths", 0.1, 0.4),
          _words("roots kick groove whole octave"), _words("strum pick ring scratch"),
          _words("block arpeggio ballad ostinato"), (33, 34, 37), (*ACOUSTIC, *CLEAN),
          (*GRAND, *ELECTRIC), ROOM_KITS),
    Style("rock", (96, 160), "rock", _kit("rock", "rock", "eighths quarters"),
          _words("roots kick pedal groove"), _words("power chug strum riff"),
          _words("block stabs ostinato"), (33, 34), (*DIRTY, *DIRTY, 27), GRAND, ROCK_KITS),
    Style("punk", (150, 180), "rock", _kit("rock", "double", "eighths quarters"),
          _words("roots pedal"), _words("power chug"), _words("block ostinato"),
          (34,), DIRTY, GRAND, ROCK_KITS),
    Style("metal", (90, 175), "metal", _kit("metal", "rock", "eighths quarters", 0.0, 0.0),
          _words("pedal kick roots"), _words("chug riff power"), _words("arpeggio ostinato"),
          (33, 34), (30, 30, 29), GRAND, ROCK_KITS),
    Style("ballad", (60, 86), "pop", _kit("ballad", "rock", "eighths quarters", 0.05, 0.2),
          _words("whole root_fifth kick arpeggio"), _words("pick ring travis strum"),
          _words("ballad arpeggio block pad"), (32, 33, 35), (24, 25, 26, 27),
          (*GRAND, *ELECTRIC), ROOM_KITS),
    Style("twelve-eight", (60, 80), "soul", _kit("shuffle", "shuffle", "triplets"),
          _words("whole roots root_fifth"), _words("pick ring"), _words("block arpeggio"),
          (32, 33, 35), (25, 26, 27), GRAND, ROOM_KITS, triplet=True),
    Style("swing", (100, 180), "jazz", _kit("jazz", "jazz", "swing", 0.2, 0.0),
          _words("walk walk walk root_fifth"), _words("comp comp"), _words("comp comp stride"),
          (32, 32, 35), (26, 26, 27), (0, 1, 4), JAZZ_KITS, triplet=True, swing=(0.6, 0.67)),
    Style("jazz-waltz", (100, 170), "jazz", _kit("waltz", "none", "waltz", 0.0, 0.0),
          _words("walk whole"), _words("comp pick"), _words("comp block"), (32, 35), (24, 26),
          (0, 1, 4), JAZZ_KITS, bar=3, swing=(0.58, 0.66)),
    Style("bossa", (110, 160), "jazz", _kit("bossa", "rim", "eighths", 0.0, 0.5),
          _words("bossa"), _words("comp pick"), _words("comp pad"), (32, 33), (24, 24, 26),
          (0, 4, 5), (*ROOM_KITS, *JAZZ_KITS)),
    Style("latin", (84, 120), "latin", _kit("latin", "latin", "eighths quarters", 0.0, 0.95),
          _words("tumbao"), _words("pick strum skank"), _words("montuno"), (32, 33, 37),
          (24, 25), (0, 1), ROOM_KITS),
    Style("funk", (88, 118), "funk", _kit("funk", "funk", "funk sixteenths eighths", 0.5, 0.3),
          _words("groove slap kick octave"), _words("scratch riff skank"),
          _words("clav stabs comp"),
          (33, 36, 37), (27, 28), (7, 7, 4, 5, 2), ROOM_KITS, swing=(0.5, 0.57), swing_unit=0.5),
    Style("soul", (70, 110), "soul", _kit("hiphop", "rock", "eighths sixteenths", 0.3, 0.4),
          _words("groove kick sparse walk"), _words("scratch pick skank comp"),
          _words("pad block comp"), (33, 35, 37), (26, 27), (4, 5, 4, 0), ROOM_KITS,
          swing=(0.5, 0.6), swing_unit=0.5),
    Style("blues", (70, 132), "blues", _kit("shuffle", "shuffle", "shuffle swing"),
          _words("boogie walk roots"), _words("strum riff comp"), _words("comp stride block"),
          (32, 33), (25, 27, 29), (0, 1, 3), (*ROOM_KITS, *JAZZ_KITS), triplet=True,
          swing=(0.62, 0.67)),
    Style("boogie", (120, 170), "blues", _kit("rock", "rock", "eighths quarters"),
          _words("boogie walk"), _words("power strum riff"), _words("block stride"), (33, 34, 32),
          (27, 29), (0, 1, 3), ROOM_KITS, swing=(0.5, 0.67)),
    Style("reggae", (64, 92), "pop", _kit("reggae", "reggae", "eighths offbeats", 0.0, 0.3),
          _words("sparse groove"), _words("skank"), _words("stabs pad"), (33, 37, 38), (27, 28),
          (0, 4, 5), ROOM_KITS, swing=(0.5, 0.62), swing_unit=0.5),
    Style("ska", (130, 170), "pop", _kit("rock", "rock", "offbeats eighths"),
          _words("walk roots arpeggio"), _words("skank"), _words("stabs stride"), (33, 34),
          (27, 28, 25), GRAND, ROOM_KITS),
    Style("country", (90, 150), "folk", _kit("train", "train", "eighths none"),
          _words("root_fifth walk"), _words("travis strum pick"), _words("stride block"),
          (32, 33, 34), (25, 25, 27), (0, 1, 3), ROOM_KITS),
    Style("disco", (112, 130), "funk", _kit("four", "rock", "offbeats sixteenths", 0.1, 0.5),
          _words("octave groove offbeat"), _words("scratch riff"), _words("stabs block ostinato"),
          (33, 34, 37, 38), (27, 28), (0, 2, 4, 5), (*ROOM_KITS, 24)),
    Style("folk", (76, 126), "folk", _kit("ballad", "rim", "none eighths", 0.0, 0.6),
          _words("root_fifth whole arpeggio"), _words("travis pick strum strum"),
          _words("ballad arpeggio"), (32, 33), ACOUSTIC, (0, 0, 1), ROOM_KITS),
    Style("house", (118, 132), "pop", _kit("four", "rock", "offbeats sixteenths", 0.0, 0.6),
          _words("offbeat octave groove"), _words("scratch pick"), _words("stabs ostinato block"),
          (38, 39), (27, 28), (0, 1, 2, 5), ELECTRO_KITS),
    Style("hiphop", (70, 100), "soul", _kit("hiphop", "rock", "eighths trap sixteenths", 0.2, 0.3),
          _words("sparse kick groove whole"), _words("pick ring riff"),
          _words("pad ostinato block"),
          (33, 38, 39, 35), (24, 26, 27), (0, 2, 4, 5), (*ELECTRO_KITS, *ROOM_KITS),
          swing=(0.5, 0.62), swing_unit=0.5),
    Style("breakbeat", (100, 170), "soul", _kit("breaks", "breaks", "eighths funk", 0.4, 0.2),
          _words("sparse groove whole kick"), _words("scratch ring riff"),
          _words("stabs pad ostinato"),
          (38, 39, 33), (27, 29), (0, 4, 5), (*ELECTRO_KITS, *ROOM_KITS)),
    Style("half-time", (120, 160), "rock", _kit("half", "half", "eighths quarters sixteenths"),
          _words("kick whole sparse"), _words("power ring riff chug"), _words("arpeggio pad block"),
          (33, 34, 38), (*DIRTY, 27), (*GRAND, 4), ROCK_KITS),
    Style("waltz", (84, 160), "folk", _kit("waltz", "waltz", "waltz none"),
          _words("root_fifth whole arpeggio"), _words("pick strum ring"),
          _words("stride block arpeggio"),
          (32, 33), (24, 25, 27), GRAND, ROOM_KITS, bar=3),
    Style("six-eight", (84, 150), "pop", _kit("six", "six", "six", 0.0, 0.0),
          _words("whole root_fifth kick arpeggio"), _words("pick ring strum power"),
          _words("arpeggio block ostinato pad"), (32, 33, 35), (24, 25, 27, 29), (*GRAND, 4),
          ROOM_KITS, bar=3),
)  # fmt: skip
