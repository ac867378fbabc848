"""Files that appear whole or not at all, and where the user's lie."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from bandmate_server.files import data_folder, read_json, write_json, write_whole


@pytest.mark.parametrize("durable", [False, True])
def test_text_bytes_and_what_a_function_writes(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "file"
    for content in ("ä\n", "ä\n".encode(), lambda file: file.write("ä\n".encode())):
        path.write_bytes(b"old")
        write_whole(path, content, durable=durable)
        assert path.read_bytes() == b"\xc3\xa4\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    write_json(path, {"a": "ä"}, indent=2, durable=durable)
    assert read_json(path) == {"a": "ä"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_stops_half_way_leaves_the_old_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def half(file: BinaryIO) -> None:
        file.write(b"half")
        raise error

    with pytest.raises(error):
        write_whole(path, half)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_a_file_can_be_for_the_user_alone(tmp_path: Path) -> None:
    write_whole(tmp_path / "token", "secret", mode=0o600)
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_the_users_data_stay_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "/somewhere/else"):
        monkeypatch.setenv("XDG_DATA_HOME", value)
        base = Path(value) if value else tmp_path / ".local" / "share"
        assert data_folder() == base / "bandmate"
