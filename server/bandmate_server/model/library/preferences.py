"""What a user has chosen once and for all: a small TOML file in the system's place for such.

    [model]
    separate = "htdemucs_6s"

`bandmate config` writes it; a hand may, too. The file is read anew each time, so that a server that
runs takes what was chosen since.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import platformdirs

from bandmate_server.errors import OutputError, SettingsError
from bandmate_server.files import write_whole
from bandmate_server.option_kinds import meant, shown
from bandmate_server.options import TASKS

HEADER = "# Written by `bandmate config set`; comments are not kept.\n"
# Every key with what it says. A key is a table's name and a name in it.
KEYS = {f"model.{task}": f"the model that `{task}` uses where none is named" for task in TASKS}


def preferences_file() -> Path:
    """Return where the file is, or would be; on Linux ~/.config/bandmate/config.toml."""
    return platformdirs.user_config_path("bandmate", appauthor=False) / "config.toml"


def read_preferences() -> dict[str, str]:
    """Return key -> value of all that was chosen.

    Raises:
        SettingsError: if the file is damaged, or has something that is not known.
    """
    path = preferences_file()
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be used: {error}") from error
    found: dict[str, str] = {}
    for table, values in tables.items():
        if not isinstance(values, dict):
            raise SettingsError(f"{path}: {table} is {shown(values)}: expected a table, [{table}]")
        for name, value in values.items():
            try:
                found[check_key(f"{table}.{name}")] = _checked(f"{table}.{name}", value)
            except SettingsError as error:
                raise SettingsError(f"{path}: {error}") from error
    return found


def write_preference(key: str, value: str | None) -> None:
    """Write down a choice, or forget one.

    Args:
        key: one of KEYS.
        value: None forgets it.

    Raises:
        SettingsError: if the key is unknown, the value no text, or the file damaged.
        OutputError: if it cannot be written.
    """
    found = read_preferences()
    found.pop(check_key(key), None)
    if value is not None:
        found[key] = _checked(key, value)
    tables: dict[str, list[str]] = {}
    for one in sorted(found):
        table, name = one.split(".")
        tables.setdefault(table, []).append(
            f"{name} = {json.dumps(found[one], ensure_ascii=False)}"
        )
    text = HEADER + "".join(
        f"\n[{name}]\n" + "\n".join(rows) + "\n" for name, rows in tables.items()
    )
    path = preferences_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


def check_key(key: str) -> str:
    """Return a key.

    Raises:
        SettingsError: if there is none of this name.
    """
    if key in KEYS:
        return key
    raise SettingsError(f"unknown key {shown(key)}: {meant(key, KEYS)}There are {', '.join(KEYS)}")


def _checked(key: str, value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise SettingsError(f"{key} is {shown(value)}: expected the name or folder of a model")
    return value
