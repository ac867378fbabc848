"""Files from a real server: whole, cut, resumed, moved, wrong, missing, without room."""

from __future__ import annotations

import hashlib
import http.client
import io
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from bandmate_bridge.fetch import download as module
from bandmate_bridge.fetch.download import download
from bandmate_bridge.fetch.http import KeepsHttps
from bandmate_server.errors import DownloadError

CONTENT = np.random.default_rng(0).bytes(300_000)
SUM = hashlib.sha256(CONTENT).hexdigest()
NAME = "/weights.th"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.01)


def ignore(_share: float) -> None:
    pass


def left(place: Path) -> set[str]:
    return {path.name for path in place.parent.iterdir() if path.suffix != ".lock"}


def test_a_whole_file_arrives_with_progress(site: Any, place: Path) -> None:
    site.files[NAME] = CONTENT
    shares: list[float] = []
    download(site.base + NAME, place, SUM[:8], shares.append)
    assert place.read_bytes() == CONTENT
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert left(place) == {"weights.th"}
    download(site.base + NAME, place, SUM, ignore)
    assert len(site.asked) == 1  # What is there is not fetched again.


def test_a_cut_connection_is_taken_up_where_it_was(site: Any, place: Path) -> None:
    site.files[NAME], site.cut = CONTENT, [100_000, 0, 50_000]
    download(site.base + NAME, place, SUM, ignore)
    assert place.read_bytes() == CONTENT
    ranges = [wanted for _, wanted in site.asked]
    assert ranges == ["", "bytes=100000-", "bytes=100000-", "bytes=150000-"]


def test_a_connection_that_stays_cut_is_said_and_resumed_later(site: Any, place: Path) -> None:
    site.files[NAME], site.cut = CONTENT, [120_000, 0, 0, 0]
    with pytest.raises(DownloadError, match=r"was cut .* after 0.1 MB: the same command goes on"):
        download(site.base + NAME, place, SUM, ignore)
    assert left(place) == {"weights.th.part", "weights.th.part.json"}
    download(site.base + NAME, place, SUM, ignore)
    assert site.asked[-1][1] == "bytes=120000-"
    assert place.read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_fetched_anew(site: Any, place: Path) -> None:
    site.files[NAME], site.cut = bytes(300_000), [120_000, 0, 0, 0]
    with pytest.raises(DownloadError, match="was cut"):
        download(site.base + NAME, place, "", ignore)
    site.files[NAME], site.tag = CONTENT, '"two"'
    download(site.base + NAME, place, "", ignore)
    assert place.read_bytes() == CONTENT


@pytest.mark.parametrize(("tag", "ranges"), [("", True), ('W/"weak"', True), ('"one"', False)])
def test_servers_without_ranges_or_tags_are_asked_for_the_whole(
    site: Any, place: Path, tag: str, ranges: bool
) -> None:
    site.files[NAME], site.cut, site.tag, site.ranges = CONTENT, [100_000], tag, ranges
    download(site.base + NAME, place, SUM, ignore)
    assert place.read_bytes() == CONTENT


def test_a_whole_part_is_not_fetched_again(site: Any, place: Path) -> None:
    site.files[NAME] = CONTENT
    with pytest.raises(DownloadError, match="not the published file"):
        download(site.base + NAME, place, "0" * 64, ignore)
    assert left(place) <= {"weights.th.part.json"}
    download(site.base + NAME, place, SUM, ignore)
    place.rename(place.with_name("weights.th.part"))
    note = f'{{"url": "{site.base + NAME}", "validator": "", "total": {len(CONTENT)}}}'
    place.with_name("weights.th.part.json").write_text(note)
    before = len(site.asked)
    download(site.base + NAME, place, SUM, ignore)
    assert len(site.asked) == before
    assert place.read_bytes() == CONTENT


def test_a_part_that_is_longer_than_the_file_is_dropped(site: Any, place: Path) -> None:
    site.files[NAME] = CONTENT
    place.parent.mkdir()
    place.with_name("weights.th.part").write_bytes(bytes(400_000))
    note = f'{{"url": "{site.base + NAME}", "validator": "\\"one\\"", "total": 500000}}'
    place.with_name("weights.th.part.json").write_text(note)
    download(site.base + NAME, place, SUM, ignore)
    assert place.read_bytes() == CONTENT


def test_redirects_are_followed_with_the_range(site: Any, place: Path) -> None:
    site.files["/there"], site.moved[NAME], site.cut = CONTENT, site.base + "/there", [100_000]
    download(site.base + NAME, place, SUM, ignore)
    assert place.read_bytes() == CONTENT
    assert ("/there", "bytes=100000-") in site.asked


def test_a_circle_of_redirects_ends(site: Any, place: Path) -> None:
    site.moved[NAME] = site.base + NAME
    with pytest.raises(DownloadError, match=r"weights.th was refused"):
        download(site.base + NAME, place, SUM, ignore)


def test_a_redirect_to_a_file_of_this_machine_is_refused(site: Any, place: Path) -> None:
    site.moved[NAME] = "file:///etc/hostname"
    with pytest.raises(DownloadError, match=r"weights.th was refused"):
        download(site.base + NAME, place, SUM, ignore)


def test_a_redirect_away_from_encryption_is_refused() -> None:
    asked = urllib.request.Request("https://example.org/weights.th")
    headers = http.client.HTTPMessage()
    with pytest.raises(DownloadError, match="which is not encrypted"):
        KeepsHttps().redirect_request(
            asked, io.BytesIO(), 302, "Found", headers, "http://example.org/weights.th"
        )


def test_another_file_is_removed(site: Any, place: Path) -> None:
    site.files[NAME] = CONTENT[:-1] + b"x"
    with pytest.raises(DownloadError, match=r"not the published file.*it was removed"):
        download(site.base + NAME, place, SUM, ignore)
    assert not place.exists()
    assert not place.with_name("weights.th.part").exists()


class Refusal(NamedTuple):
    status: int
    words: str


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(404, "is not there (HTTP 404)"),
        Refusal(403, "by a browser"),
        Refusal(503, "try again later"),
        Refusal(429, "try again later"),
        Refusal(418, "was refused (HTTP 418"),
    ],
)
def test_refusals_say_what_to_do(site: Any, place: Path, refusal: Refusal) -> None:
    site.status = refusal.status
    with pytest.raises(DownloadError) as caught:
        download(site.base + NAME, place, SUM, ignore)
    assert refusal.words in str(caught.value)
    assert "--from" in str(caught.value)
    assert site.base in str(caught.value)


def test_the_page_of_a_network_that_wants_a_login_is_no_file(site: Any, place: Path) -> None:
    site.files[NAME], site.kind = b"<html>", "text/html"
    with pytest.raises(DownloadError, match="gives a web page"):
        download(site.base + NAME, place, "", ignore)
    assert left(place) == set()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "https://no.such.host.invalid/x"])
def test_without_a_network_the_address_and_the_way_out_are_named(url: str, place: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        download(url, place, SUM, ignore)
    assert url in str(caught.value)
    assert "--from" in str(caught.value)


def test_a_server_that_says_nothing_is_given_up(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bandmate_bridge.fetch.http.TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(DownloadError, match=r"was cut \(.*timed out\) after 0.0 MB"):
            download(url, place, SUM, ignore)


def test_a_disk_without_room_is_seen_before(
    site: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.files[NAME] = CONTENT
    room = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: room)
    with pytest.raises(DownloadError, match=r"the disk is full: weights.th needs 0.3 MB"):
        download(site.base + NAME, place, SUM, ignore)
    assert not place.exists()


def test_a_disk_that_fills_up_meanwhile_keeps_what_came(site: Any, place: Path) -> None:
    """A child may write no file of more than 100,000 bytes."""
    site.files[NAME] = CONTENT
    code = (
        "import sys; from pathlib import Path\n"
        "from bandmate_bridge.fetch import download as m\n"
        "m.BLOCK = 10_000\n"
        "try: m.download(sys.argv[1], Path(sys.argv[2]), '', lambda share: None)\n"
        "except m.DownloadError as error: print(error)\n"
    )

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [sys.executable, "-c", code, site.base + NAME, str(place)],
        capture_output=True, text=True, check=True, preexec_fn=limit,
    )  # fmt: skip
    assert "the disk is full: weights.th cannot be written" in done.stdout
    assert not place.exists()
    assert place.with_name("weights.th.part").stat().st_size == 100_000
    download(site.base + NAME, place, SUM, ignore)
    assert place.read_bytes() == CONTENT


def test_a_folder_that_cannot_be_written_is_named(site: Any, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DownloadError, match="cannot write to"):
        download(site.base + NAME, tmp_path / "cache" / "weights.th", SUM, ignore)


def test_two_at_once_are_one_too_many(site: Any, place: Path) -> None:
    site.files[NAME], site.pause = CONTENT, 0.1
    code = (
        "import sys; from pathlib import Path\n"
        "from bandmate_bridge.fetch.download import download\n"
        "download(sys.argv[1], Path(sys.argv[2]), '', lambda share: None)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, site.base + NAME, str(place)]) as other:
        while not site.asked:
            time.sleep(0.01)
        with pytest.raises(DownloadError, match=r"another bandmate fetches weights.th"):
            download(site.base + NAME, place, SUM, ignore)
        assert other.wait() == 0
    assert place.read_bytes() == CONTENT
