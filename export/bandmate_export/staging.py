"""A bundle's folder that appears whole or not at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bandmate_server.errors import OutputError
from bandmate_server.files import replace_folder
from bandmate_server.model.bundle import MANIFEST


def check_target(out: Path, force: bool) -> None:
    """Refuse a folder that must not be replaced.

    Raises:
        OutputError: if it is there and `force` is not given, or it is no bundle.
    """
    if not out.exists():
        return
    if not (out / MANIFEST).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise OutputError(f"{out} is there already and is no bundle: it is left alone")
    if (out / MANIFEST).is_file() and not force:
        raise OutputError(f"{out} is there already: use --force to replace it")


@contextmanager
def staged(out: Path, force: bool) -> Iterator[Path]:
    """Give a new folder to fill; it becomes `out` at the end unless something was raised.

    Raises:
        OutputError: if `out` must not be replaced, or cannot be written.
    """
    check_target(out, force)
    out = out.absolute()
    token = uuid.uuid4().hex
    fresh, old = (out.with_name(f".{out.name}.{token}.{word}") for word in ("new", "old"))
    try:
        fresh.mkdir(parents=True)
        yield fresh
        replace_folder(fresh, out, old)
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
