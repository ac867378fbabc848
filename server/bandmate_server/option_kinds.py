"""Kinds of option values: what is taken, in which range, and how a command line writes it.

Every kind checks a value from Python or JSON and returns it in its own type (`read`), and turns
a word of a command line into a value to check (`parse`). What is wrong is refused in the same
words wherever it came from.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any

from bandmate_server.errors import SettingsError

SHOWN = 80  # characters of a wrong value
CLOCK = re.compile(r"(?:(\d+):)?(\d+):([0-5]?\d(?:\.\d*)?)")


@dataclass(frozen=True)
class Kind:
    """What a value must be; each kind has a `_checked` of its own."""

    @property
    def expected(self) -> str:
        """The values there are, for errors and documents."""
        raise NotImplementedError

    @property
    def metavar(self) -> str:
        """What stands for a value in help texts."""
        return "N"

    def parse(self, text: str) -> Any:
        """Return what a word of a command line stands for, for `read` to check."""
        return text

    def read(self, label: str, value: Any) -> Any:
        """Return a value in the kind's own type.

        Args:
            label: what errors call it.
            value: from Python, JSON or `parse`.

        Raises:
            SettingsError: saying what came and what was expected.
        """
        found = self._checked(value)
        if found is None:
            raise SettingsError(f"{label} is {shown(value)}: expected {self.expected}")
        return found

    def _checked(self, value: Any) -> Any:
        """Return the value, or None if it is not of this kind."""
        raise NotImplementedError


def shown(value: object) -> str:
    """Return a value as an error shows it, on one line."""
    try:
        text = str(value) if isinstance(value, Real) else repr(value)
    except ValueError:  # Python writes no whole numbers of more than 4,300 digits.
        return "a number of thousands of digits"
    return " ".join(text.splitlines())[:SHOWN]


def is_number(value: object) -> bool:
    """Whether a value is a finite real number: numpy's scalars may be, booleans are none."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def number(text: str) -> int | float | str:
    """Return the number that a word is, or the word."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _span(low: float, high: float | None) -> str:
    return f"{low} or more" if high is None else f"{low} to {high}"


@dataclass(frozen=True)
class Whole(Kind):
    """Whole numbers from low to high; also as floats, as some JSON writers have them."""

    low: int
    high: int | None = None
    metavar: str = "N"

    @property
    def expected(self) -> str:
        """The range."""
        return f"{_span(self.low, self.high)}, a whole number"

    def parse(self, text: str) -> int | float | str:
        """Return the number that a word is, or the word."""
        return number(text)

    def _checked(self, value: Any) -> int | None:
        if not is_number(value) or int(value) != value:
            return None
        inside = self.low <= value and (self.high is None or value <= self.high)
        return int(value) if inside else None


@dataclass(frozen=True)
class Number(Kind):
    """Finite numbers from low to high."""

    low: float
    high: float | None = None
    metavar: str = "X"

    @property
    def expected(self) -> str:
        """The range."""
        return f"{_span(self.low, self.high)}, a number"

    def parse(self, text: str) -> int | float | str:
        """Return the number that a word is, or the word."""
        return number(text)

    def _checked(self, value: Any) -> float | None:
        high = math.inf if self.high is None else self.high
        return float(value) if is_number(value) and self.low <= value <= high else None


@dataclass(frozen=True)
class Seconds(Number):
    """Seconds; a command line may also have minutes and hours: 1:04.250, 1:02:03."""

    metavar: str = "S"

    @property
    def expected(self) -> str:
        """The range."""
        return f"{super().expected} of seconds"

    def parse(self, text: str) -> int | float | str:
        """Return the seconds that `12.5`, `1:04.250` or `1:02:03` stands for, or the word."""
        clock = CLOCK.fullmatch(text.strip())
        if clock is None:
            return number(text)
        hours, minutes, rest = clock.groups()
        return int(hours or 0) * 3600.0 + int(minutes) * 60.0 + float(rest)


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few words; one that is a number may come as a number."""

    words: tuple[str, ...]

    @property
    def metavar(self) -> str:
        """All words."""
        return "|".join(self.words)

    @property
    def expected(self) -> str:
        """All words."""
        return f"one of {', '.join(self.words)}"

    def _checked(self, value: Any) -> str | None:
        word = str(int(value)) if is_number(value) and int(value) == value else value
        return word if isinstance(word, str) and word in self.words else None


@dataclass(frozen=True)
class Text(Kind):
    """Text up to a length, in characters."""

    longest: int
    metavar: str = "NAME"

    @property
    def expected(self) -> str:
        """The length."""
        return f"text of up to {self.longest} characters"

    def _checked(self, value: Any) -> str | None:
        return value if isinstance(value, str) and len(value) <= self.longest else None


@dataclass(frozen=True)
class Stems(Kind):
    """Names of stems, as bass,drums or one by one; which there are is the model's to say."""

    metavar: str = "LIST"

    @property
    def expected(self) -> str:
        """Both forms."""
        return "stems as in bass,drums, or a list of them"

    def parse(self, text: str) -> tuple[str, ...]:
        """Return the stems of `drums,bass`, each once."""
        words = (part.strip().lower() for part in text.split(","))
        return tuple(dict.fromkeys(word for word in words if word))

    def _checked(self, value: Any) -> tuple[str, ...] | None:
        parts = [value] if isinstance(value, str) else value
        if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
            return None
        words = (word.strip() for part in parts for word in part.split(","))
        return tuple(word for word in words if word)


LIKE_A_STEM = 0.65  # below, a word is another instrument and no slip of the pen


def known_stem(text: str, known: tuple[str, ...]) -> str:
    """Return the name that a word of a command line is.

    Raises:
        SettingsError: with what was perhaps meant, if there is none.
    """
    name = text.strip().lower()
    if name in known:
        return name
    hint = meant(name, known, LIKE_A_STEM)
    raise SettingsError(f"unknown stem {shown(name)}: {hint}There are {', '.join(known)}")


def meant(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """Return a hint at the most similar known name, of at least a likeness (0 to 1), or ""."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=likeness)
    return f"did you mean {near[0]}? " if near else ""


@dataclass(frozen=True)
class Switch(Kind):
    """On, or not there: it has no value on a command line."""

    @property
    def expected(self) -> str:
        """Both values."""
        return "true or false"

    def _checked(self, value: Any) -> bool | None:
        return value if isinstance(value, bool) else None
