"""Published files -> a bundle, whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from bandmate_export.published.job import Job
from bandmate_export.published.kinds import KINDS
from bandmate_export.staging import staged
from bandmate_server.errors import CheckpointError, ExportError
from bandmate_server.files import hash_file

DIGITS = 8  # of the files' hash, for a bundle's version


def convert(
    kind: str,
    files: dict[str, Path],
    out: Path,
    *,
    config: Path | None = None,
    on_progress: Callable[[float, str], None] | None = None,
    licence: str = "unknown",
) -> Path:
    """Convert published files to a bundle, and compare its graphs with torch.

    Nothing in the files is executed. What had to be assumed is logged as a warning. The bundle
    is named after its folder; its version follows from the files.

    Args:
        kind: a name of `KINDS`.
        files: role -> file, all roles of the kind.
        out: the bundle's folder, not there yet.
        config: the file of settings that some kinds have beside the weights.
        on_progress: is called with the share done (0 to 1) and what is being done.
        licence: of the weights.

    Returns:
        The folder.

    Raises:
        CheckpointError: if a file is missing, damaged, would run code or does not fit.
        ExportError: if the kind is unknown, a package is missing, or a graph differs from torch.
        OutputError: if the folder is there already, or cannot be written.
    """
    if kind not in KINDS:
        raise ExportError(f"{kind!r} cannot be converted: expected one of {', '.join(KINDS)}")
    wanted = KINDS[kind]
    if set(files) != set(wanted.roles):
        raise ExportError(f"{kind} is made of {', '.join(wanted.roles)}: got {', '.join(files)}")
    if wanted.config and config is None:
        raise CheckpointError(f"{kind}: the YAML file of its settings is needed as well")
    for path in (*files.values(), *([config] if config else [])):
        if not path.is_file():
            raise CheckpointError(f"{path}: no such file")
    report = on_progress or (lambda fraction, what: None)
    report(0.0, "reading")
    with staged(out, force=False) as folder:
        version = _version([*files.values(), *([config] if config else [])])
        job = Job(kind, files, config, folder, out.name, version, licence, report)
        try:
            wanted.write(job)
        except ImportError as error:
            raise ExportError(
                f"{error.name} is not installed: pip install 'bandmate[export]'"
            ) from error
    report(1.0, "done")
    return out


def _version(files: list[Path]) -> str:
    digest = hashlib.sha256("".join(hash_file(file) for file in files).encode())
    return digest.hexdigest()[:DIGITS]
