"""What weight files are that somebody has: by their number, names and settings."""

from __future__ import annotations

import re
from pathlib import Path

from bandmate_server.errors import BundleError

WEIGHTS = "weights"
BAND_SPLITS = {"bs-roformer": "freqs_per_bands", "mel-band-roformer": "num_bands"}
DEMUCS_FILES = {1: "htdemucs", 4: "htdemucs_ft"}


def kind_of(
    files: list[Path], config: Path | None, kind: str | None
) -> tuple[str, dict[str, Path]]:
    """Return how weight files are converted, and role -> file.

    Args:
        files: of the weights, in order.
        config: a RoFormer's settings (YAML).
        kind: named by the user, or None.

    Raises:
        BundleError: if they cannot be told, or do not fit the kind.
    """
    for path in [*files, *([config] if config else [])]:
        if not path.is_file():
            raise BundleError(f"{path} is not a file")
    chosen = kind or (_roformer(config) if config else _demucs(files))
    if chosen in BAND_SPLITS:
        if config is None:
            raise BundleError(f"{files[0]}: a {chosen} needs its settings: --config FILE.yaml")
        if len(files) > 1:
            raise BundleError(f"a {chosen} is one file of weights: {len(files)} are named")
        return chosen, {WEIGHTS: files[0]}
    return chosen, {str(index): path for index, path in enumerate(files)}


def _roformer(config: Path) -> str:
    """Return which RoFormer a file of settings describes, by how it splits the spectrum."""
    try:
        text = config.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot read {config}: {error}") from error
    found = [
        kind
        for kind, key in BAND_SPLITS.items()
        if re.search(rf"^\s+{key}\s*:", text, re.MULTILINE)
    ]
    if len(found) != 1:
        keys = " or ".join(f"{key} ({kind})" for kind, key in BAND_SPLITS.items())
        raise BundleError(
            f"{config} describes no network that is known here: expected {keys} in it, or --kind"
        )
    return found[0]


def _demucs(files: list[Path]) -> str:
    if all(path.suffix == ".th" for path in files) and len(files) in DEMUCS_FILES:
        return DEMUCS_FILES[len(files)]
    raise BundleError(
        f"{files[0]}: what is it? A RoFormer needs --config FILE.yaml; an HTDemucs is one .th file,"
        " or four; else name --kind"
    )
