"""Results on disk: stems and manifest appear whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from bandmate_server.errors import OutputError
from bandmate_server.files import sync_to_disk, write_json
from bandmate_server.results.claim import claimed
from bandmate_server.results.result import Result

MANIFEST = "manifest.json"


class ResultFolder:
    """A folder of results, written beside its place, or in it, and moved there once complete.

    Use as a context manager; leave it without `commit` and nothing stays.

    Args:
        folder: where the results shall be.
        names: files that will be written; the manifest comes on top.
        force: replace files of these names.
        needed: bytes that the files will take at least.

    Raises:
        OutputError: if results are there already, another run is writing there, or the place
            cannot be written.
    """

    def __init__(self, folder: Path, names: list[str], force: bool, needed: int):
        self.place, self.folder = folder, folder.absolute()  # "." has no name of its own.
        self._partial = self.folder
        self._names, self._force, self._needed = names, force, needed
        self._stack = ExitStack()

    def __enter__(self) -> ResultFolder:
        """Claim the place, and make the hidden folder."""
        with ExitStack() as stack:
            stack.enter_context(claimed(self.folder))
            self.refuse_existing()
            there = self.folder.is_dir()
            self._partial = self._hidden(self.folder if there else self.folder.parent)
            stack.callback(shutil.rmtree, self._partial, ignore_errors=True)
            try:
                self._partial.mkdir()
                free = shutil.disk_usage(self._partial).free
            except OSError as error:
                where = self.folder.parent
                raise OutputError(f"cannot write to {where}: {error.strerror}") from error
            if free < self._needed:
                sizes = f"{self._needed / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free"
                raise OutputError(f"cannot write {self.folder}: the disk is full: {sizes}")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was not committed, and give the place free."""
        self._stack.close()

    def path(self, name: str) -> Path:
        """Return where to write a file for now."""
        return self._partial / name

    def commit(self, manifest: dict[str, Any]) -> None:
        """Write the manifest and move everything to its place.

        Raises:
            OutputError: if that fails.
        """
        try:
            write_json(self._partial / MANIFEST, manifest, indent=2, durable=True)
            if self.folder.exists():
                self.refuse_existing()  # Somebody else may have written since.
                self._replace_files()
            else:
                self._partial.rename(self.folder)
            sync_to_disk(self.folder.parent)
        except OSError as error:
            raise OutputError(f"cannot write {self.folder}: {error.strerror}") from error

    def refuse_existing(self) -> None:
        """Raise OutputError if results are there already and are not to be replaced."""
        for path in [self.folder, *(self.folder / name for name in [*self._names, MANIFEST])]:
            wrong_kind = path == self.folder and path.exists() and not path.is_dir()
            if wrong_kind or (path != self.folder and path.exists() and not self._force):
                hint = "it is not a folder" if wrong_kind else "use --force to replace it"
                raise OutputError(f"{path} is there already: {hint}")

    def _replace_files(self) -> None:
        """Move every file over the old one; a manifest is never there with files of another."""
        old = _listed_files(self.folder / MANIFEST)
        (self.folder / MANIFEST).unlink(missing_ok=True)
        for name in old - set(self._names):
            (self.folder / name).unlink(missing_ok=True)
        for name in [*self._names, MANIFEST]:
            (self._partial / name).replace(self.folder / name)
        sync_to_disk(self.folder)

    @staticmethod
    def _hidden(folder: Path) -> Path:
        return folder / f".bandmate-{uuid.uuid4().hex}.partial"


def scratch_folder(out: Path) -> Path | None:
    """Return where decoded audio can lie while results are made: on the disk that they go to.

    TMPDIR takes precedence; None is the system's own place.
    """
    if os.environ.get("TMPDIR"):
        return None
    for folder in (out.absolute(), *out.absolute().parents):
        if folder.is_dir():
            return folder if os.access(folder, os.W_OK) else None
    return None


def amended(result: Result, changes: dict[str, Any]) -> Result:
    """Change entries of a finished result's manifest, in its folder too.

    Raises:
        OSError: if it cannot be written.
    """
    manifest = result.manifest | changes
    write_json(result.folder / MANIFEST, manifest, indent=2)
    return replace(result, manifest=manifest)


def _listed_files(manifest: Path) -> set[str]:
    """Return the plain file names that an earlier manifest claims as its outputs."""
    try:
        outputs = json.loads(manifest.read_bytes())["outputs"]
        names = {str(e[key]) for e in outputs.values() for key in ("file", "midi") if key in e}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()
    return {name for name in names if Path(name).name == name}
