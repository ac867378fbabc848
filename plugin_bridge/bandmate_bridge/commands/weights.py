"""`bandmate models get` and `import`: weight files of others to an installed model."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bandmate_bridge.fetch import origin
from bandmate_bridge.fetch.install import check_conversion, check_name, check_place, install
from bandmate_bridge.fetch.kinds import kind_of
from bandmate_bridge.terminal.console import print_note, print_warning
from bandmate_bridge.terminal.progress_bar import progress_bar
from bandmate_server.model.library.catalogue import CONFIG, UNKNOWN, PublishedModel, find_published
from bandmate_server.progress import ignore_progress

CONVERTER = "bandmate_export"  # its loggers' name


def get(name: str, place: str | None, *, force: bool, quiet: bool) -> Path:
    """Fetch a published model, convert and install it; return its folder.

    Args:
        name: in the catalogue.
        place: a mirror or folder instead of its authors' addresses.
        force: replace a model of this name.
        quiet: print nothing but warnings.

    Raises:
        BandmateError: if it cannot be had.
    """
    model = find_published(name)
    check_name(name, force)
    check_conversion()
    check_place(model.disk_mb)
    places = origin.locate(model, place)
    if not quiet:
        _introduce(model)
    folder = origin.downloads_folder(model)
    files = {}
    for file in model.files:
        with progress_bar(file.name, quiet=quiet) as bar:
            report = partial(bar or ignore_progress, "download")
            files[file.role] = origin.fetch(file, places[file.role], folder, report)
    path = _installed(model.kind, files, name, model.weights_licence, force=force, quiet=quiet)
    shutil.rmtree(folder, ignore_errors=True)
    return path


def import_files(
    files: list[Path],
    config: Path | None,
    name: str | None,
    kind: str | None,
    *,
    force: bool,
    quiet: bool,
) -> Path:
    """Convert weight files that are there, and install them; return the model's folder.

    Args:
        files: of the weights, in the order of their roles.
        config: what describes them, if the kind has it.
        name: of the model; None takes that of the first file.
        kind: how they are converted; None goes by how they look.
        force: replace a model of this name.
        quiet: print nothing but warnings.

    Raises:
        BandmateError: if they are not what they should be.
    """
    name = name or files[0].stem
    check_name(name, force)
    check_conversion()
    check_place(0)
    chosen, roles = kind_of(files, config, kind)
    if config is not None:
        roles[CONFIG] = config
    print_warning(f"{name}: the licence of these weights is not known here: see their authors")
    return _installed(chosen, roles, name, UNKNOWN, force=force, quiet=quiet)


def _introduce(model: PublishedModel) -> None:
    note = f" ({model.licence_note})" if model.licence_note else ""
    size = f"{model.download_bytes / 1e6:.0f} MB" if model.download_bytes else "of unknown size"
    print_note(
        f"{model.name}: {model.words}; licence of the weights: {model.weights_licence}{note}"
    )
    files = ", ".join(file.name for file in model.files)
    print_note(f"download {size}: {files}; installed {model.disk_mb} MB")


def _installed(
    kind: str, files: dict[str, Path], name: str, licence: str, *, force: bool, quiet: bool
) -> Path:
    with progress_bar(name, quiet=quiet) as bar, _warnings(name):
        progress = bar or ignore_progress
        return install(kind, files, name, licence, force=force, progress=progress)


@contextmanager
def _warnings(name: str) -> Iterator[None]:
    """Print what the conversion had to assume."""

    class Printing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print_warning(f"{name}: {record.getMessage()}")

    logger, handler = logging.getLogger(CONVERTER), Printing(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
