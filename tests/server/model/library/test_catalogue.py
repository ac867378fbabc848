"""The catalogue says what is known and nothing else, and fits what there is."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bandmate_server.errors import BundleError
from bandmate_server.model.bundle import list_bundles, load_bundle
from bandmate_server.model.library.catalogue import CATALOGUE, SPEEDS, UNKNOWN, find_published
from bandmate_server.spec import OTHER

ROWS = {row.name: row for row in CATALOGUE}


def test_names_are_there_once_and_files_have_addresses_and_roles() -> None:
    assert len(ROWS) == len(CATALOGUE)
    for row in CATALOGUE:
        assert len({file.role for file in row.files}) == len(row.files)
        assert OTHER not in row.stems
        assert row.speed in SPEEDS
        for file in row.files:
            assert urlsplit(file.url).scheme == "https"
            assert "/" not in file.name
            assert file.name
            assert re.fullmatch("[0-9a-f]{8,64}|", file.sha256)


def test_files_of_demucs_are_those_of_the_reference_and_end_in_their_checksum() -> None:
    files = importlib.metadata.files("demucs")
    assert files is not None
    listed = next(file for file in files if file.match("remote/files.txt")).read_text()
    demucs = [file for row in CATALOGUE for file in row.files if file.name.endswith(".th")]
    assert len(demucs) == 6
    for file in demucs:
        assert file.name in listed
        assert Path(file.name).stem.partition("-")[2] == file.sha256[:8]


def test_the_bag_has_the_files_of_the_reference_in_its_order() -> None:
    files = importlib.metadata.files("demucs")
    assert files is not None
    bag = next(file for file in files if file.match("remote/htdemucs_ft.yaml")).read_text()
    signatures = re.findall(r"'([0-9a-f]{8})'", bag)
    assert [file.name[:8] for file in ROWS["htdemucs_ft"].files] == signatures


def test_our_own_row_is_what_ships() -> None:
    if "mini" not in list_bundles():
        pytest.skip("the mini bundle is not there")
    bundle, row = load_bundle("mini"), ROWS["mini"]
    assert row.stems == bundle.spec.stems
    size = sum(file.stat().st_size for file in bundle.path.iterdir()) / 1e6
    assert abs(row.disk_mb - size) < 2
    assert row.weights_licence == bundle.manifest["licence"]


def test_licences_are_said_or_said_to_be_unknown() -> None:
    for row in CATALOGUE:
        assert row.weights_licence
        assert row.code_licence in ("MIT", UNKNOWN)
        if row.weights_licence != "MIT":
            assert row.licence_note


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(BundleError, match=r"did you mean htdemucs\? There are htdemucs, "):
        find_published("htdemuks")
    with pytest.raises(BundleError, match="nothing to get"):
        find_published("mini")
