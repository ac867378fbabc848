"""The model on disk: a folder with bundle.json and its ONNX files; found, checked, added."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from bandmate_server.devices import CPU
from bandmate_server.errors import BundleError, OutputError
from bandmate_server.graphs import check_shapes, graph_names, open_session
from bandmate_server.spec import ModelSpec

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
    consistency_rounds: in which the vocoder's waves approach their log-mels, see `approach`.
    mask_speeds: at which the separator hears every window, see `mean_shares`.
    """

    path: Path
    name: str
    version: str
    spec: ModelSpec
    files: dict[str, Path]
    manifest: dict[str, Any]
    hash: str
    consistency_rounds: int
    mask_speeds: tuple[float, ...]


def bundle_folders() -> list[Path]:
    """Return the folders that are searched for bundles by name, in order."""
    folders = [Path(__file__).parent / "models"]
    if named := os.environ.get("BANDMATE_MODELS"):
        folders.append(Path(named))
    return [*folders, user_folder()]


def user_folder() -> Path:
    """Return the folder in which the user's own bundles lie."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "bandmate" / "models"


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
        spec = ModelSpec.from_json(manifest["spec"])
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


def hash_file(path: Path) -> str:
    """Return the sha256 of a file, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


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


def _check_file(file: Path, graph: str, expected_hash: str, spec: ModelSpec) -> None:
    """Raise BundleError unless `file` is the given graph of a model of this spec, unharmed."""
    _check_hash(file, expected_hash)
    try:
        with file.open("rb") as stream:
            opset, metadata = _read_header(stream)
    except (OSError, ValueError) as error:
        raise BundleError(f"{file} cannot be read as ONNX: {error}") from error
    if opset not in OPSETS:
        raise BundleError(f"{file} has opset {opset}: expected {OPSETS.start} to {OPSETS.stop - 1}")
    try:
        stated = json.loads(metadata[METADATA_KEY])
        stated_graph, stated_spec = stated["graph"], ModelSpec.from_json(stated["spec"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{file} is not bandmate's: no {METADATA_KEY!r} metadata") from error
    if stated_graph != graph:
        raise BundleError(f"{file} holds the {stated_graph}: expected the {graph} (swapped?)")
    if stated_spec != spec:
        raise BundleError(f"{file} belongs to another model: its spec differs from {MANIFEST}")


def _read_header(stream: BinaryIO) -> tuple[int, dict[str, str]]:
    """Return the ai.onnx opset and the metadata of an ONNX file without reading its weights.

    Source: onnx.proto, ModelProto: opset_import = 8 (domain = 1, version = 2),
    metadata_props = 14 (key = 1, value = 2).

    Raises:
        ValueError: if the bytes are not a protobuf message.
    """
    opset = 0
    metadata: dict[str, str] = {}
    for field, value in _proto_fields(stream, {8, 14}):
        if field == 8:
            entry = dict(_proto_fields(BytesIO(value), {1, 2}))
            if not entry.get(1):
                opset = int(entry.get(2, 0))
        elif field == 14:
            entry = dict(_proto_fields(BytesIO(value), {1, 2}))
            metadata[bytes(entry.get(1, b"")).decode()] = bytes(entry.get(2, b"")).decode()
    return opset, metadata


def _proto_fields(stream: BinaryIO, wanted: set[int]) -> Iterator[tuple[int, Any]]:
    """Yield (field number, int or bytes) of one protobuf message's wanted fields."""
    while (key := _proto_varint(stream)) is not None:
        field, wire = key >> 3, key & 7
        if wire == 0:
            value: Any = _proto_varint(stream)
        elif wire == 2:
            length = _proto_varint(stream) or 0
            value = stream.read(length) if field in wanted else stream.seek(length, os.SEEK_CUR)
        elif wire in (1, 5):
            value = stream.read(8 if wire == 1 else 4)
        else:
            raise ValueError(f"not a protobuf message (wire type {wire})")
        if field in wanted:
            yield field, value


def _proto_varint(stream: BinaryIO) -> int | None:
    """Return the next base-128 number, or None at the end."""
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("not a protobuf message (number too long)")
