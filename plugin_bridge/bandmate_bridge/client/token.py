"""The token that servers for other machines want."""

from __future__ import annotations

import os
from pathlib import Path

from bandmate_server.errors import ServerError

TOKEN_VARIABLE = "BANDMATE_TOKEN"


def read_token(path: Path | None) -> str | None:
    """Return the token from a file, or the environment, or None.

    Raises:
        ServerError: if the file cannot be read or is empty.
    """
    if path is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        token = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServerError(f"cannot read the token from {path}: {error}") from error
    if not token:
        raise ServerError(f"{path} is empty: expected a token")
    return token
