"""Kinds of option values: what is taken, in which range, and how a command line writes it.

Every kind has `read`, which checks a value from Python or JSON and returns it in its own type,
and `parse`, which turns a word of a command line into a value for `read`. Their errors say
what came and what was expected, in the same words wherever the value came from.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from numbers import Real
from typing import Any, Protocol

from bandmate_server.errors import SettingsError
from bandmate_server.spec import OTHER, STEMS

SHOWN = 80  # characters of a wrong value
CLOCK = re.compile(r"(?:(\d+):)?(\d+):([0-5]?\d(?:\.\d*)?)")


class Kind(Protocol):
    """What a value must be."""

    @property
    def metavar(self) -> str:
        """What stands for a value in help texts."""

    @property
    def expected(self) -> str:
        """What values there are, for errors and documents."""

    def read(self, label: str, value: Any) -> Any:
        """Return a checked value.

        Raises:
            SettingsError: naming the label, what came and what was expected.
        """

    def parse(self, text: str) -> Any:
        """Return what a word of a command line stands for, for `read` to check."""


def shown(value: object) -> str:
    """Return a value as an error shows it."""
    try:
        text = str(value) if isinstance(value, Real) else repr(value)
    except ValueError:  # Python writes no whole numbers of more than 4,300 digits
        return "a number of thousands of digits"
    return text[:SHOWN]


def is_number(value: object) -> bool:
    """Whether a value is a real number: numpy's scalars are, booleans are not."""
    return isinstance(value, Real) and not isinstance(value, bool)


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
class Whole:
    """Whole numbers from low to high; also as floats, as some JSON writers have them."""

    low: int
    high: int | None = None
    metavar: str = "N"

    @property
    def expected(self) -> str:
        """What values there are."""
        return f"{_span(self.low, self.high)}, a whole number"

    def read(self, label: str, value: Any) -> int:
        """Return a whole number.

        Raises:
            SettingsError: if it is none, or out of range.
        """
        if is_number(value) and math.isfinite(value):
            whole = int(value)
            if whole == value and self.low <= whole and (self.high is None or whole <= self.high):
                return whole
        raise SettingsError(f"{label} is {shown(value)}: expected {self.expected}")

    def parse(self, text: str) -> int | float | str:
        """Return the number that a word is, or the word."""
        return number(text)


@dataclass(frozen=True)
class Number:
    """Finite numbers from low to high."""

    low: float
    high: float | None = None
    metavar: str = "X"

    @property
    def expected(self) -> str:
        """What values there are."""
        return f"{_span(self.low, self.high)}, a number"

    def read(self, label: str, value: Any) -> float:
        """Return a number.

        Raises:
            SettingsError: if it is none, not finite, or out of range.
        """
        if is_number(value):
            try:
                found = float(value)
            except OverflowError:
                found = math.inf
            high = math.inf if self.high is None else self.high
            if math.isfinite(found) and self.low <= found <= high:
                return found
        raise SettingsError(f"{label} is {shown(value)}: expected {self.expected}")

    def parse(self, text: str) -> int | float | str:
        """Return the number that a word is, or the word."""
        return number(text)


@dataclass(frozen=True)
class Seconds(Number):
    """Seconds; a command line may also have minutes and hours: 1:04.250, 1:02:03."""

    metavar: str = "S"

    @property
    def expected(self) -> str:
        """What values there are."""
        return f"{_span(self.low, self.high)}, a number of seconds"

    def parse(self, text: str) -> int | float | str:
        """Return the seconds that `12.5`, `1:04.250` or `1:02:03` stands for, or the word."""
        clock = CLOCK.fullmatch(text.strip())
        if clock is None:
            return number(text)
        hours, minutes, rest = clock.groups()
        return int(hours or 0) * 3600.0 + int(minutes) * 60.0 + float(rest)


@dataclass(frozen=True)
class Choice:
    """One of a few words; one that is a number may come as a number."""

    words: tuple[str, ...]

    @property
    def metavar(self) -> str:
        """All words."""
        return "|".join(self.words)

    @property
    def expected(self) -> str:
        """What values there are."""
        return f"one of {', '.join(self.words)}"

    def read(self, label: str, value: Any) -> str:
        """Return the word.

        Raises:
            SettingsError: if there is no such word.
        """
        whole = is_number(value) and math.isfinite(value) and int(value) == value
        word = str(int(value)) if whole else value
        if not isinstance(word, str) or word not in self.words:
            raise SettingsError(f"unknown {label} {shown(value)}: expected {self.expected}")
        return word

    def parse(self, text: str) -> str:
        """Return the word."""
        return text


@dataclass(frozen=True)
class Text:
    """Text up to a length, in characters."""

    longest: int
    metavar: str = "NAME"

    @property
    def expected(self) -> str:
        """What values there are."""
        return f"text of up to {self.longest} characters"

    def read(self, label: str, value: Any) -> str:
        """Return the text.

        Raises:
            SettingsError: if it is none, or too long.
        """
        if not isinstance(value, str) or len(value) > self.longest:
            raise SettingsError(f"{label} is {shown(value)}: expected {self.expected}")
        return value

    def parse(self, text: str) -> str:
        """Return the text."""
        return text


@dataclass(frozen=True)
class Stems:
    """Names of stems, as bass,drums or one by one; which there are is the model's to say."""

    metavar: str = "LIST"

    @property
    def expected(self) -> str:
        """What values there are."""
        return "stems as in bass,drums, or a list of them"

    def read(self, label: str, value: Any) -> tuple[str, ...]:
        """Return the names.

        Raises:
            SettingsError: if they are no names.
        """
        if isinstance(value, str):
            value = [word.strip() for word in value.split(",") if word.strip()]
        if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
            raise SettingsError(f"{label} is {shown(value)}: expected {self.expected}")
        return tuple(value)

    def parse(self, text: str) -> tuple[str, ...]:
        """Return the stems of `drums,bass` in the usual order, each once.

        Raises:
            SettingsError: if a name is unknown, or none but `other` is given.
        """
        known = (*STEMS, OTHER)
        names = {known_stem(part, known) for part in text.split(",") if part.strip()}
        if not names & set(STEMS):
            raise SettingsError(
                f"name at least one of {', '.join(STEMS)} ({OTHER} is all the rest)"
            )
        return tuple(name for name in known if name in names)


def known_stem(text: str, known: tuple[str, ...]) -> str:
    """Return the name that a word of a command line is.

    Raises:
        SettingsError: with what was perhaps meant, if there is none.
    """
    name = text.strip().lower()
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    raise SettingsError(f"unknown stem {name!r}: {hint}There are {', '.join(known)}")


@dataclass(frozen=True)
class Switch:
    """On, or not there."""

    metavar: str = ""

    @property
    def expected(self) -> str:
        """What values there are."""
        return "true or false"

    def read(self, label: str, value: Any) -> bool:
        """Return whether it is on.

        Raises:
            SettingsError: if it is neither on nor off.
        """
        if not isinstance(value, bool):
            raise SettingsError(f"{label} is {shown(value)}: expected {self.expected}")
        return value

    def parse(self, text: str) -> str:
        """Return the word, which `read` refuses: a switch has no value on a command line."""
        return text
