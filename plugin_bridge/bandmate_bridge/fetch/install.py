"""Weight files to an installed model: converted, and moved to its place once it is whole."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bandmate_server.errors import BundleError, OutputError
from bandmate_server.files import replace_folder
from bandmate_server.model.bundle import (
    bundle_folders,
    list_bundles,
    user_folder,
    verify_bundle,
)
from bandmate_server.model.library.catalogue import CONFIG
from bandmate_server.progress import Progress
from bandmate_server.results.locks import Locked, lock_file

NEEDED = ("torch", "onnx")  # by the conversion
CONVERSION = "bandmate_export.published"
STAGING = ".staging"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_conversion() -> None:
    """Refuse before anything is fetched if what converts weights is not installed.

    Raises:
        BundleError: in one line that says what to install.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise BundleError(
            f"weights are converted with {' and '.join(missing)}, not installed here:"
            " pip install 'bandmate[export]' (nothing was fetched)"
        )


def check_name(name: str, force: bool) -> None:
    """Refuse a name that is taken, or none for a folder.

    Args:
        name: of the model to be.
        force: replace one of the user's own.

    Raises:
        OutputError: saying what to do.
    """
    if not NAME.fullmatch(name):
        raise OutputError(f"{name!r} is no name for a model: expected letters, digits, . _ and -")
    found = list_bundles().get(name)
    if found is None:
        return
    if found.parent != user_folder():
        raise OutputError(f"{name} is in {found.parent} already, which counts first: choose --name")
    if not force:
        raise OutputError(f"{name} is installed already: use --force to replace it")


def check_place(megabytes: int) -> None:
    """Refuse before anything is fetched if a model cannot be put among the user's own.

    Args:
        megabytes: that it takes there.

    Raises:
        OutputError: saying what is wrong with the folder.
    """
    folder = user_folder()
    with _staging():
        free = shutil.disk_usage(folder).free / 1e6
    if free < megabytes:
        raise OutputError(
            f"the disk is full: the model needs {megabytes} MB in {folder}, {free:.0f} MB are free:"
            " make room there"
        )


def install(
    kind: str, files: dict[str, Path], name: str, licence: str, *, force: bool, progress: Progress
) -> Path:
    """Convert weight files and put the model where it is found by its name.

    Args:
        kind: of the catalogue.
        files: role -> file; CONFIG is what describes the others.
        name: of the model.
        licence: of the weights.
        force: replace one of the user's own.
        progress: called with the stage and the share that is done.

    Returns:
        Its folder.

    Raises:
        BandmateError: if the files are not what they should be, or it cannot be written.
    """
    weights = {role: path for role, path in files.items() if role != CONFIG}
    convert = importlib.import_module(CONVERSION).convert
    with _staging() as folder:
        made: Path = convert(
            kind,
            weights,
            folder / name,
            config=files.get(CONFIG),
            on_progress=lambda share, stage: progress(stage, share),
            licence=licence,
        )
        verify_bundle(made)
        check_name(name, force)  # Another may have come since.
        return _moved(made, user_folder() / name, folder / "old")


def remove(name: str) -> Path:
    """Remove an installed model of the user's own and return where it was.

    Raises:
        BundleError: if there is none.
        OutputError: if it is not the user's own, or cannot be removed.
    """
    found = list_bundles().get(name)
    if found is None:
        raise BundleError(f"no model {name!r} is installed: `bandmate models list` shows them")
    if found.parent != user_folder():
        folders = ", ".join(str(folder) for folder in bundle_folders()[:-1])
        raise OutputError(f"{name} is not one of your own models: it is in {folders}")
    with _staging() as folder:
        try:
            found.replace(folder / name)  # A link goes, and not what it points to.
        except OSError as error:
            raise OutputError(f"cannot remove {found}: {error.strerror}") from error
    return found


@contextmanager
def _staging() -> Iterator[Path]:
    """Give a folder on the disk of the user's models; what is left in it goes at the end.

    One process at a time has one. So what a killed one has left can go at the beginning.
    """
    folder = user_folder() / STAGING
    try:
        user_folder().mkdir(parents=True, exist_ok=True)
        lock = lock_file(user_folder() / f"{STAGING}.lock")
    except Locked as error:
        raise OutputError("another bandmate installs a model: wait until it is done") from error
    except OSError as error:
        raise OutputError(f"cannot write to {user_folder()}: {error.strerror}") from error
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _moved(made: Path, target: Path, old: Path) -> Path:
    """Put a model in its place, with the one that is there moved away first."""
    try:
        replace_folder(made, target, old)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror}") from error
    return target
