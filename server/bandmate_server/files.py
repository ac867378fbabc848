"""Small files that appear whole or not at all, also to a process that looks at any moment."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import platformdirs

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def data_folder() -> Path:
    """Return the folder of the user's models and jobs; on Linux ~/.local/share/bandmate.

    $XDG_DATA_HOME is respected; macOS and Windows have places of their own.
    """
    return platformdirs.user_data_path("bandmate", appauthor=False)


def cache_folder() -> Path:
    """Return the folder of what can be fetched again; on Linux ~/.cache/bandmate."""
    return platformdirs.user_cache_path("bandmate", appauthor=False)


def write_whole(
    path: Path,
    content: str | bytes | Callable[[BinaryIO], object],
    *,
    mode: int = 0o666,
    durable: bool = False,
) -> None:
    """Write a file by renaming a finished one into place; a killed process leaves no half.

    Args:
        path: of the file.
        content: text is written as UTF-8; a function is called with the open file.
        mode: permissions, less what the process' umask takes away.
        durable: whether to wait until it is on the disk. A server that answers at once cannot:
            what a power cut damages is reported when it is read.

    Raises:
        OSError: if it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    if isinstance(content, str):
        content = content.encode("utf-8", "backslashreplace")
    try:
        with os.fdopen(os.open(partial, _NEW, mode), "wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)  # noqa: PTH105 - one call for both systems
        if durable:
            sync_to_disk(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_json(
    path: Path, value: dict[str, Any], *, indent: int | None = None, durable: bool = False
) -> None:
    """Write a JSON object as `write_whole` does."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    write_whole(path, text + "\n", durable=durable)


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no JSON object.
    """
    value = json.loads(path.read_bytes())
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no JSON object")
    return value


def hash_file(path: Path) -> str:
    """Return the sha256 of a file, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def replace_folder(made: Path, place: Path, aside: Path) -> None:
    """Put a folder in its place; what is there goes aside first, and back if that fails.

    Raises:
        OSError: if it cannot be moved.
    """
    try:
        if place.exists():
            place.replace(aside)
        made.replace(place)
    except OSError:
        if aside.exists() and not place.exists():
            aside.replace(place)
        raise


def sync_to_disk(path: Path) -> None:
    """Put a file's content, or a folder's entries where the system can, on the disk."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
