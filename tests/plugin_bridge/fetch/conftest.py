"""A real HTTP server on the loopback that can be as bad as the world's are."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest


@dataclass
class Site:
    """What the server has, how it behaves, and what it was asked.

    files: path -> content.
    moved: path -> where it is.
    cut: bytes of each answer's body after which the connection is closed, one after the other.
    tag: the files' entity tag; "" sends none.
    status: of every answer, if not 0.
    kind: of the content.
    pause: s between pieces of 16 KiB.
    asked: (path, Range header) of each request.
    """

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    cut: list[int] = field(default_factory=list)
    tag: str = '"one"'
    ranges: bool = True
    status: int = 0
    kind: str = "application/octet-stream"
    pause: float = 0.0
    asked: list[tuple[str, str]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    site: ClassVar[Site]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        site = self.site
        wanted = self.headers.get("Range", "")
        site.asked.append((self.path, wanted))
        if site.status:
            self.send_error(site.status)
        elif self.path in site.moved:
            self.send_response(302)
            self.send_header("Location", site.moved[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path not in site.files:
            self.send_error(404)
        else:
            self._send(site.files[self.path], wanted)

    def _send(self, content: bytes, wanted: str) -> None:
        site, start = self.site, 0
        found = re.fullmatch(r"bytes=(\d+)-", wanted)
        if found and site.ranges and self.headers.get("If-Range") == site.tag:
            start = int(found[1])
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            last = len(content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", site.kind)
        self.send_header("Content-Length", str(len(content) - start))
        if site.tag:
            self.send_header("ETag", site.tag)
        self.end_headers()
        end = start + site.cut.pop(0) if site.cut else len(content)
        for at in range(start, min(end, len(content)), 1 << 14):
            self.wfile.write(content[at : min(end, at + (1 << 14))])
            time.sleep(site.pause)
        self.close_connection = end < len(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go: some tests are about that."""


@pytest.fixture
def site() -> Iterator[Site]:
    """Return a site that is served while the test runs."""
    found = Site()
    handler = type("SiteHandler", (Handler,), {"site": found})
    server = Server(("127.0.0.1", 0), handler)
    found.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return where a file is to be fetched to."""
    return tmp_path / "cache" / "weights.th"
