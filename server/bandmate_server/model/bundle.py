"""The model on disk: a folder with bundle.json and its ONNX files; found, checked, added."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bandmate_server.errors import BundleError, OutputError
from bandmate_server.files import data_folder, hash_file
from bandmate_server.model.devices import CPU
from bandmate_server.model.graphs import check_shapes, graph_names, open_session
from bandmate_server.model.onnx_header import read_header
from bandmate_server.spec import AnySpec, spec_from_json

MANIFEST = "bundle.json"
METADATA_KEY = "bandmate"
MAX_ROUNDS = 10  # of consistency
MAX_SPEEDS = 9
SPEED_RANGE = (0.5, 2.0)
OPSETS = range(17, 22)  # of ai.onnx: those that every supported ONNX Runtime runs


@dataclass(frozen=True)
class Bundle:
    """A checked model on disk.

    files: graph name -> ONNX file.
    hash: of spec and weights, hex: two bundles with the same hash give the same samples.
    consistency_rounds: of `griffin_lim_refine` on the vocoder's waves.
    mask_speeds: at which the separator gets every window, see `ensemble_masks`.
    """

    path: Path
    name: str
    version: str
    spec: AnySpec
    files: dict[str, Path]
    manifest: dict[str, Any]
    hash: str
    consistency_rounds: int
    mask_speeds: tuple[float, ...]


def bundle_folders() -> list[Path]:
    """Return the folders that are searched for bundles by name, in order."""
    folders = [Path(__file__).parents[1] / "models"]
    if named := os.environ.get("BANDMATE_MODELS"):
        folders.append(Path(named))
    return [*folders, user_folder()]


def user_folder() -> Path:
    """Return the folder in which the user's own bundles lie."""
    return data_folder() / "models"


def list_bundles() -> dict[str, Path]:
    """Return name -> folder of all bundles found (not checked); the first of a name counts."""
    found: dict[str, Path] = {}
    for folder in bundle_folders():
        for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
            found.setdefault(manifest.parent.name, manifest.parent)
    return found


def find_bundle(name: str | Path) -> Path:
    """Return the folder of a bundle given by name or by path.

    Raises:
        BundleError: if there is none; it says which names there are.
    """
    path = Path(name)
    if (path / MANIFEST).is_file():
        return path
    bundles = list_bundles()
    if isinstance(name, str) and name in bundles:
        return bundles[name]
    if path.is_dir():
        raise BundleError(f"{path} is not a model: it has no {MANIFEST}")
    known = ", ".join(bundles) or "none"
    raise BundleError(f"unknown model {str(name)!r}: not a folder, and installed are: {known}")


def read_spec(name: str | Path) -> AnySpec:
    """Return what a bundle's manifest says of its model, without a look at its files.

    Raises:
        BundleError: if there is no such bundle, or its manifest is damaged.
    """
    path = find_bundle(name) / MANIFEST
    try:
        return spec_from_json(_read_manifest(path)["spec"])
    except (KeyError, ValueError) as error:
        raise BundleError(f"{path} is not a bundle's manifest: {error}") from error


def load_bundle(name: str | Path) -> Bundle:
    """Read a bundle and check it: manifest, files, hashes, and what each file says it is.

    Args:
        name: of an installed bundle, or its folder.

    Raises:
        BundleError: naming the file that is missing, damaged or swapped.
    """
    path = find_bundle(name).absolute()
    manifest = _read_manifest(path / MANIFEST)
    try:
        spec = spec_from_json(manifest["spec"])
        files = {graph: path / manifest["files"][graph] for graph in graph_names(spec)}
        sums = {graph: manifest["sha256"][file.name] for graph, file in files.items()}
        graph_files = {file.name for file in files.values()}
        data = {name: s for name, s in manifest["sha256"].items() if name not in graph_files}
        title, version = str(manifest["name"]), str(manifest["version"])
        rounds = _rounds(manifest.get("consistency_rounds", 0))
        speeds = _speeds(manifest.get("mask_speeds", [1.0]))
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{path / MANIFEST} is not a bundle's manifest: {error}") from error
    for graph, file in files.items():
        _check_file(file, graph, sums[graph], spec)
    for name, expected in data.items():
        _check_hash(path / Path(name).name, expected)
    identity: dict[str, Any] = {"spec": spec.to_json(), "sha256": sums | data}
    if rounds:
        identity["consistency_rounds"] = rounds
    if speeds != (1.0,):
        identity["mask_speeds"] = speeds
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return Bundle(path, title, version, spec, files, manifest, digest, rounds, speeds)


def verify_bundle(name: str | Path) -> Bundle:
    """Do what `load_bundle` does and open every graph, as a model does when it is used.

    Raises:
        BundleError: naming the file that is missing, damaged, swapped or of other shapes.
    """
    bundle = load_bundle(name)
    for graph, file in bundle.files.items():
        session = open_session(file, (CPU,), threads=1)
        check_shapes(session, file, graph, bundle.spec)
    return bundle


def add_bundle(source: Path, force: bool = False) -> Path:
    """Check a bundle and copy it into the user's folder, whole or not at all.

    Args:
        source: its folder.
        force: replace one of the same name.

    Raises:
        BundleError: if it is damaged.
        OutputError: if the name is taken or the copy cannot be written.
    """
    bundle = verify_bundle(source)
    if Path(bundle.name).name != bundle.name or bundle.name in (".", ".."):
        raise BundleError(f"{source / MANIFEST} has a name that is no folder name: {bundle.name!r}")
    target = user_folder() / bundle.name
    if target.exists() and not force:
        raise OutputError(f"{target} is there already: use --force to replace it")
    copy = target.with_name(f".{bundle.name}.{uuid.uuid4().hex}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, copy)
        if target.exists():
            shutil.rmtree(target)
        copy.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror}") from error
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    return target


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_bytes())
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise BundleError(f"{path} is damaged: not JSON") from error
    if not isinstance(manifest, dict):
        raise BundleError(f"{path} is damaged: expected a JSON object")
    return manifest


def _rounds(value: Any) -> int:
    """Return a number of rounds, 0 to MAX_ROUNDS, or raise ValueError."""
    if not isinstance(value, int) or not 0 <= value <= MAX_ROUNDS:
        raise ValueError(f"consistency_rounds is {value!r}: expected 0 to {MAX_ROUNDS}")
    return value


def _speeds(value: Any) -> tuple[float, ...]:
    """Return speeds in SPEED_RANGE, 1 to MAX_SPEEDS of them, or raise ValueError."""
    low, high = SPEED_RANGE
    numbers = isinstance(value, list) and all(isinstance(one, int | float) for one in value)
    speeds = tuple(map(float, value)) if numbers else ()
    if not 1 <= len(speeds) <= MAX_SPEEDS or not all(low <= speed <= high for speed in speeds):
        raise ValueError(
            f"mask_speeds is {value!r}: expected 1 to {MAX_SPEEDS} numbers of {low} to {high}"
        )
    return speeds


def _check_hash(file: Path, expected: str) -> None:
    """Raise BundleError unless a file is there and unharmed."""
    try:
        found = hash_file(file)
    except FileNotFoundError as error:
        raise BundleError(f"{file} is missing") from error
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {error.strerror}") from error
    if found != expected:
        raise BundleError(
            f"{file} is damaged: its sha256 starts {found[:12]}, expected {expected[:12]}"
        )


def _check_file(file: Path, graph: str, expected_hash: str, spec: AnySpec) -> None:
    """Raise BundleError unless `file` is the given graph of a model of this spec, unharmed."""
    _check_hash(file, expected_hash)
    try:
        with file.open("rb") as stream:
            opset, metadata = read_header(stream)
    except (OSError, ValueError) as error:
        raise BundleError(f"{file} cannot be read as ONNX: {error}") from error
    if opset not in OPSETS:
        raise BundleError(f"{file} has opset {opset}: expected {OPSETS.start} to {OPSETS.stop - 1}")
    try:
        stated = json.loads(metadata[METADATA_KEY])
        stated_graph, stated_spec = stated["graph"], spec_from_json(stated["spec"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{file} is not bandmate's: no {METADATA_KEY!r} metadata") from error
    if stated_graph != graph:
        raise BundleError(f"{file} holds the {stated_graph}: expected the {graph} (swapped?)")
    if stated_spec != spec:
        raise BundleError(f"{file} belongs to another model: its spec differs from {MANIFEST}")
