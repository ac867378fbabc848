"""YAML files that describe a network, as the training program for RoFormers writes them.

Only values are read: lists, texts, numbers, and lists that are marked as Python's tuples.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bandmate_server.errors import CheckpointError

LARGEST = 1 << 20  # bytes
TUPLE = "tag:yaml.org,2002:python/tuple"
PYTHON = "tag:yaml.org,2002:python/"


class _Loader(yaml.SafeLoader):
    """Knows tuples as well, and nothing else of Python's."""


def _tuple(loader: _Loader, node: yaml.SequenceNode) -> tuple[Any, ...]:
    return tuple(loader.construct_sequence(node))


_Loader.add_constructor(TUPLE, _tuple)


def read_settings(path: Path) -> dict[str, dict[str, Any]]:
    """Return the sections of a file; those that are no mappings are left out.

    Raises:
        CheckpointError: if it is missing or damaged, or reading it would run code.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise CheckpointError(f"{path}: over {LARGEST} bytes, no file of settings")
        content = yaml.load(path.read_text("utf-8"), _Loader)
    except yaml.constructor.ConstructorError as error:
        tag = str(error.problem).rpartition("tag ")[2].strip("'").replace(PYTHON, "!!python/")
        raise CheckpointError(
            f"{path}: refused, as only values are read: it asks for {tag}"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(f"{path}: not readable as YAML: {reason}") from error
    sections = content if isinstance(content, dict) else {}
    return {str(name): part for name, part in sections.items() if isinstance(part, dict)}
