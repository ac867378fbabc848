"""Small files that appear whole or not at all, also to a process that looks at any moment."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from pathlib import Path
from typing import Any

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def write_whole(path: Path, content: str | bytes, mode: int = 0o666) -> None:
    """Write a file by renaming a finished one into place.

    Args:
        path: of the file.
        content: text is written as UTF-8.
        mode: permissions, less what the process' umask takes away.

    This survives a killed process. It does not wait for the disk, as a server that answers
    at once cannot: what a power cut damages is reported when it is read.

    Raises:
        OSError: if it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        if isinstance(content, str):
            content = content.encode("utf-8", "backslashreplace")
        with os.fdopen(os.open(partial, _NEW, mode), "wb") as file:
            file.write(content)
        os.replace(partial, path)  # noqa: PTH105 - one call for both systems
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object as `write_whole` does."""
    write_whole(path, json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


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


def sync_to_disk(path: Path) -> None:
    """Put a file's content, or a folder's entries where the system can, on the disk."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
