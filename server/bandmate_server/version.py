"""The version that results and replies name."""

from __future__ import annotations

import importlib.metadata


def bandmate_version() -> str:
    """Return the installed distribution's version, or "source" where none is installed."""
    try:
        return importlib.metadata.version("bandmate")
    except importlib.metadata.PackageNotFoundError:
        return "source"
