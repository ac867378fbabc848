"""Where a model's files come from: their authors, a mirror, or a folder of this machine."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from bandmate_bridge.fetch.download import Report, check_hash, download
from bandmate_server.errors import DownloadError
from bandmate_server.files import cache_folder
from bandmate_server.model.library.catalogue import PublishedFile, PublishedModel


def downloads_folder(model: PublishedModel) -> Path:
    """Return where a model's files lie until it is installed."""
    return cache_folder() / "downloads" / model.name


def locate(model: PublishedModel, origin: str | None) -> dict[str, str | Path]:
    """Return where each file of a model is to be had, by role.

    Args:
        model: of the catalogue.
        origin: None for its authors' addresses; else a folder, an address that files' names
            are put after, or, for a model of one file, that file.

    Raises:
        DownloadError: if something is missing, naming it.
    """
    if origin is None:
        return {file.role: file.url for file in model.files}
    scheme = urlsplit(origin).scheme
    if scheme in ("http", "https"):
        return {file.role: _mirrored(model, file, origin) for file in model.files}
    path = Path(url2pathname(urlsplit(origin).path)) if scheme == "file" else Path(origin)
    return {file.role: _local(model, file, path.expanduser()) for file in model.files}


def fetch(file: PublishedFile, place: str | Path, folder: Path, report: Report) -> Path:
    """Return a file of a model, fetched unless it is on this machine, and checked.

    Args:
        file: its row.
        place: from `locate`.
        folder: for what is fetched.
        report: called as it goes on.

    Raises:
        DownloadError: if it cannot be had, or is another file.
    """
    if isinstance(place, Path):
        try:
            check_hash(place, file.sha256, remove=False)
        except OSError as error:
            raise DownloadError(f"cannot read {place}: {error.strerror}") from error
        return place
    target = folder / file.name
    download(place, target, file.sha256, report)
    return target


def _mirrored(model: PublishedModel, file: PublishedFile, origin: str) -> str:
    alone = len(model.files) == 1 and urlsplit(origin).path.endswith(f"/{quote(file.name)}")
    return origin if alone else f"{origin.rstrip('/')}/{quote(file.name)}"


def _local(model: PublishedModel, file: PublishedFile, origin: Path) -> Path:
    if origin.is_file():
        if len(model.files) == 1:
            return origin
        names = ", ".join(one.name for one in model.files)
        raise DownloadError(f"{origin} is one file, {model.name} has these: name a folder: {names}")
    if not origin.is_dir():
        raise DownloadError(f"{origin} is neither a folder, a file nor an address (https://...)")
    path = origin / file.name
    if not path.is_file():
        raise DownloadError(f"{origin} has no {file.name}, from {file.url}")
    return path
