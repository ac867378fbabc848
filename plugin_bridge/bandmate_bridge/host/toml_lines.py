"""On which line of a TOML text each key stands; `tomllib` keeps no lines.

The text must be valid: `tomllib` has read it before.
"""

from __future__ import annotations

import re

Path = tuple[str | int, ...]  # keys, and positions in arrays: ("guitar", 0, "drive_db")

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""' + r"|'''.*?'''" + r'|"(?:\\.|[^"\\\n])*"' + r"|'[^'\n]*'", re.DOTALL
)
_PLAIN = re.compile(r"[^,\]\}\n#]+")  # numbers, booleans and dates


def key_lines(text: str) -> dict[Path, int]:
    """Return the line, from 1, of every key, table and array element of a TOML text."""
    return _Reader(text).read()


class _Reader:
    """Walks over a valid text once."""

    def __init__(self, text: str):
        self._text, self._at = text, 0
        self._lines: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}  # arrays of tables and how many they have

    def read(self) -> dict[Path, int]:
        here: Path = ()
        while True:
            self._skip()
            if self._at >= len(self._text):
                return self._lines
            here = self._header() if self._text[self._at] == "[" else self._pair(here)

    def _header(self) -> Path:
        """Read `[a.b]` or `[[a.b]]` and return the path of the table."""
        double = self._text.startswith("[[", self._at)
        start = self._at
        self._at += 2 if double else 1
        keys = self._keys()
        self._skip()
        self._at += 2 if double else 1
        path: Path = ()
        for key in keys[:-1]:
            path = (*path, key)
            if path in self._tables:
                path = (*path, self._tables[path] - 1)
        path = (*path, keys[-1])
        if double:
            self._note(path, start)
            count = self._tables.get(path, 0)
            self._tables[path] = count + 1
            path = (*path, count)
        self._note(path, start)
        return path

    def _pair(self, here: Path) -> Path:
        """Read `key = value` inside a table and return the table's path."""
        start = self._at
        path = (*here, *self._keys())
        for length in range(len(here) + 1, len(path) + 1):
            self._note(path[:length], start)
        self._skip()
        self._at += 1  # =
        self._value(path)
        return here

    def _keys(self) -> list[str]:
        """Read a dotted key."""
        keys = []
        while True:
            self._skip()
            found = _BARE.match(self._text, self._at) or _STRING.match(self._text, self._at)
            assert found is not None, "tomllib has read this text"
            keys.append(found[0].strip("\"'"))
            self._at = found.end()
            self._skip()
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _value(self, path: Path) -> None:
        self._skip()
        char = self._text[self._at]
        if char == "[":
            self._list("]", path)
        elif char == "{":
            self._list("}", path)
        else:
            found = _STRING.match(self._text, self._at) or _PLAIN.match(self._text, self._at)
            assert found is not None, "tomllib has read this text"
            self._at = found.end()

    def _list(self, end: str, path: Path) -> None:
        """Read an array or an inline table from its opening bracket to its closing one."""
        self._at += 1
        count = 0
        while True:
            self._skip()
            if self._text[self._at] == end:
                self._at += 1
                return
            if self._text[self._at] == ",":
                self._at += 1
            elif end == "}":
                self._pair(path)
            else:
                self._note((*path, count), self._at)
                self._value((*path, count))
                count += 1

    def _note(self, path: Path, at: int) -> None:
        self._lines.setdefault(path, self._text.count("\n", 0, at) + 1)

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        assert found is not None
        self._at = found.end()
