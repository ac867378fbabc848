"""A real HTTP server on the loopback that can be as bad as the world's are, with random weights."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bandmate_server.model.library.catalogue import CATALOGUE

DRIVER = Path(__file__).parent / "local_bandmate.py"
ROWS = {row.name: row for row in CATALOGUE}
ONE = ROWS["htdemucs_6s"].files[0].name
WEIGHTS = [ONE, *(file.name for name in ("htdemucs_ft", "htdemucs") for file in ROWS[name].files)]
SMALL = {"channels": 8, "bottom_channels": 32, "t_heads": 2, "t_layers": 2, "segment": Fraction(1)}
SIX = ["drums", "bass", "other", "vocals", "guitar", "piano"]
Run = Callable[..., Any]


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


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


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


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with files as the reference program writes them: one network, and a bag."""
    module = pytest.importorskip("demucs.htdemucs", reason="the reference is not here")
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("weights")
    for seed, name in enumerate(WEIGHTS):
        torch.manual_seed(seed)
        network = module.HTDemucs(SIX if name == ONE else SIX[:4], **SMALL)
        args, kwargs = network._init_args_kwargs
        state = {key: value.half() for key, value in network.state_dict().items()}
        package = {"klass": type(network), "args": args, "kwargs": kwargs, "state": state}
        torch.save(package | {"training_args": {}}, folder / name)
    return folder


@pytest.fixture
def local(
    no_proxy: None, environment: dict[str, str], tmp_path: Path, weights: Path, site: Any
) -> Run:
    """Return `bandmate` whose catalogue points to the site, which has the weights."""
    known = {}
    for path in weights.iterdir():
        site.files[f"/{path.name}"] = path.read_bytes()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        known[path.name] = [f"{site.base}/{path.name}", digest]
    (tmp_path / "known.json").write_text(json.dumps(known))

    def run(*arguments: str | Path, start: bool = False, **more: str) -> Any:
        command = [sys.executable, str(DRIVER), "known.json", *map(str, arguments)]
        options: dict[str, Any] = {"cwd": tmp_path, "env": {**environment, **more}, "text": True}
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # A test runner in the background has its children ignore Ctrl-C.
        process = subprocess.Popen(
            command, **options,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        if start:
            return process
        out, errors = process.communicate(timeout=300)
        return process.returncode, out, errors.splitlines()

    return run


@pytest.fixture
def models(environment: dict[str, str]) -> Path:
    """Return the folder of the user's own models."""
    return Path(environment["HOME"]) / ".local" / "share" / "bandmate" / "models"


@pytest.fixture
def cache(environment: dict[str, str]) -> Path:
    return Path(environment["HOME"]) / ".cache" / "bandmate" / "downloads"


@pytest.fixture(scope="session")
def roformer_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a checkpoint of a small Mel-Band RoFormer by the reference, and its YAML file."""
    module = pytest.importorskip("bs_roformer", reason="the reference is not here")
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("roformer")
    torch.manual_seed(0)
    sizes = {"dim": 16, "depth": 1, "stereo": True, "num_bands": 20, "dim_head": 8, "heads": 2}
    sizes |= {"linear_transformer_depth": 0, "mask_estimator_depth": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what the reference does while it is made
        network = module.MelBandRoformer(**sizes, flash_attn=False)
    torch.save(network.state_dict(), folder / "vocals.ckpt")
    lines = ["audio:", "  chunk_size: 44100", "  sample_rate: 44100", "model:"]
    lines += [f"  {name}: {str(value).lower()}" for name, value in sizes.items()]
    lines += ["training:", "  instruments: [vocals, other]", "  target_instrument: vocals"]
    (folder / "vocals.yaml").write_text("\n".join([*lines, "inference:", "  num_overlap: 2", ""]))
    return folder / "vocals.ckpt", folder / "vocals.yaml"
