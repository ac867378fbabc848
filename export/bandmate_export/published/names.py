"""Names of sources in published files -> names of stems."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from bandmate_server.errors import CheckpointError
from bandmate_server.spec import STEM_PATTERN


def stem_names(names: Iterable[object], path: Path) -> tuple[str, ...]:
    """Return names as stems are called: small letters, no spaces.

    Raises:
        CheckpointError: if one cannot be a stem's name, or two are the same.
    """
    found = tuple(re.sub(r"[\s.]+", "_", str(name).strip().lower()) for name in names)
    for name in found:
        if not re.fullmatch(STEM_PATTERN, name):
            raise CheckpointError(f"{path}: {name!r} cannot be a stem's name")
    if len(set(found)) < len(found) or not found:
        raise CheckpointError(f"{path}: sources are {', '.join(found)}: expected each once")
    return found
