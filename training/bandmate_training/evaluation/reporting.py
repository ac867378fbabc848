"""What all evaluation reports share: their folder, their heads, and a bar while they grow."""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bandmate_server.errors import OutputError
from bandmate_server.files import write_whole
from bandmate_server.model.model import Model
from bandmate_server.version import bandmate_version


def prepare(folder: Path) -> None:
    """Make the folder of a report before hours are spent on it.

    Raises:
        OutputError: if it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write to {folder}: permission denied")


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OutputError: if it cannot be written.
    """
    try:
        write_whole(path, content)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def progress_bar(title: str, clips: int) -> Iterator[Callable[[], None]]:
    """Draw a bar of clips with the time left, where stderr is a terminal."""
    tqdm.monitor_interval = 0  # No watching thread for one bar.
    with tqdm(total=clips, desc=title, unit="clip", disable=None, leave=False) as bar:

        def advance() -> None:
            bar.update()

        yield advance


def circumstances(command: str, model: Model | None) -> dict[str, Any]:
    """Return what is needed to understand figures and to measure them again."""
    facts: dict[str, Any] = {
        "command": command,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": bandmate_version(),
        "machine": machine(),
    }
    if model is not None:
        bundle = model.bundle
        facts["model"] = {"name": bundle.name, "version": bundle.version, "hash": bundle.hash}
        facts["provider"], facts["threads"] = model.provider, model.threads
    return facts


def machine() -> str:
    """Describe the processor."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        lines = information.read_text().splitlines()
        name = next((s.split(":", 1)[1].strip() for s in lines if s.startswith("model name")), name)
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"


def head(title: str, facts: dict[str, Any]) -> str:
    """Return a report's title, command, clips, machine, model and date as Markdown."""
    model = facts.get("model")
    lines = [
        f"# {title}",
        "",
        f"    {facts['command']}",
        "",
        f"{facts['clips']} clips of {facts['songs']} songs. {facts['machine']}.",
    ]
    if model is not None:
        lines.append(
            f"Model {model['name']} {model['version']}, hash `{model['hash'][:16]}`,"
            f" {facts['provider']}, {facts['threads']} threads."
        )
    return "\n".join([*lines, f"Measured {facts['created'][:10]}.", "", ""])


def to_json(figures: dict[str, Any]) -> bytes:
    """Return figures as JSON, which has no nan: null stands for what was not measured."""
    return (json.dumps(_plain(figures), indent=1) + "\n").encode()


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value
