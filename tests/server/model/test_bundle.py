"""Bundles on disk: found by name or path, refused when anything disagrees."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper

from bandmate_server.errors import BundleError, OutputError
from bandmate_server.files import hash_file
from bandmate_server.model.bundle import (
    add_bundle,
    find_bundle,
    list_bundles,
    load_bundle,
    verify_bundle,
)
from bandmate_server.spec import MINI

Edit = Callable[[onnx.ModelProto], None]


@pytest.fixture
def copy(fake_bundle: Path, tmp_path: Path) -> Path:
    """A bundle that a test may break."""
    return Path(shutil.copytree(fake_bundle, tmp_path / "copy"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user folder, and one that $BANDMATE_MODELS names."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("BANDMATE_MODELS", str(tmp_path / "named"))
    return tmp_path


def edit_manifest(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    manifest = json.loads((folder / "bundle.json").read_text())
    edit(manifest)
    (folder / "bundle.json").write_text(json.dumps(manifest))


def edit_graph(folder: Path, graph: str, edit: Edit) -> None:
    """Change an ONNX file and let the manifest agree with its new hash."""
    file = folder / f"{graph}.onnx"
    model = onnx.load(file)
    edit(model)
    onnx.save(model, file)
    edit_manifest(folder, lambda manifest: manifest["sha256"].update({file.name: hash_file(file)}))


def test_bundle_is_loaded_with_its_spec(fake_bundle: Path) -> None:
    bundle = verify_bundle(fake_bundle)
    assert (bundle.name, bundle.version) == ("fake", "1")
    assert bundle.spec == replace(MINI, name="fake")
    assert set(bundle.files) == {"encoder", "denoiser", "decoder", "vocoder", "separator"}


def test_hash_of_a_bundle_follows_its_weights_not_its_place(fake_bundle: Path, copy: Path) -> None:
    before = load_bundle(copy).hash
    assert before == load_bundle(fake_bundle).hash
    edit_graph(copy, "vocoder", lambda model: setattr(model, "doc_string", "changed"))
    assert load_bundle(copy).hash != before


def test_rounds_of_consistency_are_read_and_belong_to_the_hash(copy: Path) -> None:
    before = load_bundle(copy)
    edit_manifest(copy, lambda manifest: manifest.update(consistency_rounds=2))
    after = load_bundle(copy)
    assert (before.consistency_rounds, after.consistency_rounds) == (0, 2)
    assert before.hash != after.hash


@pytest.mark.parametrize("rounds", [-1, "two", None, 99])
def test_rounds_of_consistency_that_make_no_sense_are_named(copy: Path, rounds: object) -> None:
    edit_manifest(copy, lambda manifest: manifest.update(consistency_rounds=rounds))
    with pytest.raises(BundleError, match=r"bundle\.json.*consistency_rounds"):
        load_bundle(copy)


def test_speeds_of_the_separator_are_read_and_belong_to_the_hash(copy: Path) -> None:
    before = load_bundle(copy)
    edit_manifest(copy, lambda manifest: manifest.update(mask_speeds=[1, 0.9]))
    after = load_bundle(copy)
    assert (before.mask_speeds, after.mask_speeds) == ((1.0,), (1.0, 0.9))
    assert before.hash != after.hash


@pytest.mark.parametrize("speeds", [[], 1.0, [0.0], [1, "fast"], [float("nan")], [1.0] * 10, None])
def test_speeds_that_make_no_sense_are_named(copy: Path, speeds: object) -> None:
    edit_manifest(copy, lambda manifest: manifest.update(mask_speeds=speeds))
    with pytest.raises(BundleError, match=r"bundle\.json.*mask_speeds"):
        load_bundle(copy)


def test_bundle_is_found_by_name_in_every_folder(fake_bundle: Path, home: Path) -> None:
    shutil.copytree(fake_bundle, home / "named" / "first")
    shutil.copytree(fake_bundle, home / "data" / "bandmate" / "models" / "second")
    assert find_bundle("first") == home / "named" / "first"
    assert find_bundle("second").name == "second"
    assert {"first", "second"} <= set(list_bundles())


def test_unknown_name_lists_what_is_there(fake_bundle: Path, home: Path) -> None:
    shutil.copytree(fake_bundle, home / "named" / "mine")
    with pytest.raises(BundleError, match=r"unknown model 'yours'.*mine"):
        find_bundle("yours")


def test_folder_without_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"has no bundle\.json"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"spec": 3}', '{"spec": {"mel": {}}}'])
def test_damaged_manifest_is_named(copy: Path, content: str) -> None:
    (copy / "bundle.json").write_text(content)
    with pytest.raises(BundleError, match=r"bundle\.json"):
        load_bundle(copy)


def test_a_model_of_another_version_is_refused_by_what_is_new_in_it(copy: Path) -> None:
    manifest = json.loads((copy / "bundle.json").read_bytes())
    manifest["spec"] |= {"tempo": 120, "key": "C"}
    (copy / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"its spec has key, tempo, which .* a newer one\?"):
        load_bundle(copy)
    manifest["spec"] = {"kind": "notes", "name": "later"}
    (copy / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"of kind 'notes': expected one of latent, waveform"):
        load_bundle(copy)


@pytest.mark.parametrize("graph", ["encoder", "denoiser", "decoder", "vocoder"])
def test_missing_file_is_named(copy: Path, graph: str) -> None:
    (copy / f"{graph}.onnx").unlink()
    with pytest.raises(BundleError, match=rf"{graph}\.onnx is missing"):
        load_bundle(copy)


@pytest.mark.parametrize("graph", ["encoder", "denoiser", "decoder", "vocoder"])
def test_one_changed_byte_is_noticed(copy: Path, graph: str) -> None:
    content = bytearray((copy / f"{graph}.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / f"{graph}.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=rf"{graph}\.onnx.*(damaged|cannot be read)"):
        load_bundle(copy)


@pytest.mark.parametrize("content", [b"", b"not onnx at all", b"\xff" * 100])
def test_file_that_is_no_onnx_is_named(copy: Path, content: bytes) -> None:
    (copy / "decoder.onnx").write_bytes(content)
    sums = {"decoder.onnx": hashlib.sha256(content).hexdigest()}
    edit_manifest(copy, lambda manifest: manifest["sha256"].update(sums))
    with pytest.raises(BundleError, match=r"decoder\.onnx"):
        load_bundle(copy)


def test_swapped_files_are_noticed_even_with_agreeing_hashes(copy: Path) -> None:
    shutil.copy(copy / "encoder.onnx", copy / "decoder.onnx")
    sums = {"decoder.onnx": hash_file(copy / "decoder.onnx")}
    edit_manifest(copy, lambda manifest: manifest["sha256"].update(sums))
    with pytest.raises(BundleError, match=r"decoder\.onnx holds the encoder: expected the decoder"):
        load_bundle(copy)


def _without_metadata(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


def _of_another_model(model: onnx.ModelProto) -> None:
    other = replace(MINI, name="other").to_json()
    helper.set_model_props(model, {"bandmate": json.dumps({"graph": "decoder", "spec": other})})


def _with_opset_12(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 12


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (_without_metadata, "is not bandmate's"),
        (_of_another_model, "belongs to another model"),
        (_with_opset_12, "has opset 12"),
    ],
)
def test_file_that_disagrees_with_the_bundle_is_named(copy: Path, edit: Edit, words: str) -> None:
    edit_graph(copy, "decoder", edit)
    with pytest.raises(BundleError, match=rf"decoder\.onnx {words}"):
        load_bundle(copy)


def _renamed(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = model.graph.node[-1].output[0] = "mel"


def _reshaped(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 80


def _broken(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "NoSuchOperator"


@pytest.mark.parametrize(
    ("graph", "edit", "words"),
    [
        ("decoder", _renamed, "has no output 'log_mel'"),
        ("vocoder", _reshaped, "input 'log_mel' is"),
        ("denoiser", _broken, "cannot be opened"),
    ],
)
def test_graph_of_another_shape_is_named(copy: Path, graph: str, edit: Edit, words: str) -> None:
    edit_graph(copy, graph, edit)
    with pytest.raises(BundleError, match=rf"{graph}\.onnx:? {words}"):
        verify_bundle(copy)


def test_added_bundle_is_found_by_its_name(fake_bundle: Path, home: Path) -> None:
    target = add_bundle(fake_bundle)
    assert find_bundle("fake") == target
    assert load_bundle("fake").hash == load_bundle(fake_bundle).hash
    assert [path.name for path in target.parent.iterdir()] == ["fake"]


def test_name_that_is_taken_needs_force(fake_bundle: Path, home: Path) -> None:
    add_bundle(fake_bundle)
    with pytest.raises(OutputError, match="is there already"):
        add_bundle(fake_bundle)
    assert add_bundle(fake_bundle, force=True).is_dir()


def test_damaged_bundle_is_not_added(copy: Path, home: Path) -> None:
    (copy / "vocoder.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match=r"vocoder\.onnx"):
        add_bundle(copy)
    assert not (home / "data").exists()
