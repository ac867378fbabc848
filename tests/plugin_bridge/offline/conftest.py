"""Real VST3 plug-ins: our own, well and ill behaved, and Debian's."""

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "vst3"
DPF = Path("/usr/share/dpf/distrho/DistrhoPluginMain.cpp")
VARIANTS = {
    "Bench": "",
    "CrashesAtLoad": "-DCRASH_AT_LOAD",
    "Crashes": "-DCRASH_IN_RUN",
    "Hangs": "-DHANG_IN_RUN",
    "EmitsNaN": "-DNAN_IN_RUN",
    "Synth": "-DSYNTH",
}
DEBIAN = ("ZamCompX2", "ZaMaximX2", "ZamEQ2")


def _cached(request: pytest.FixtureRequest, name: str) -> Path:
    """Return a folder that lives as long as the sources do not change."""
    if not DPF.is_file():
        pytest.skip("no DPF to build VST3 plug-ins with: apt-get install dpf-source g++ dpkg-dev")
    sources = b"".join(path.read_bytes() for path in sorted(HERE.iterdir()))
    key = hashlib.sha256(sources).hexdigest()[:12]
    return Path(request.config.cache.mkdir(f"{name}-{key}"))


def _run(script: str, *arguments: str | Path) -> None:
    done = subprocess.run(
        ["bash", HERE / script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="session")
def vst3(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """Return a function that gives the path of a plug-in of VARIANTS, building it if need be."""
    folder = _cached(request, "vst3")

    def path(name: str) -> Path:
        found = folder / f"{name}.vst3"
        if not list(found.rglob("*.so")):
            _run("build.sh", folder, name, VARIANTS[name])
        return found

    return path


@pytest.fixture(scope="session")
def debian_vst3(request: pytest.FixtureRequest) -> Path:
    """Return a folder of VST3 plug-ins built from Debian's sources."""
    work = _cached(request, "debian")
    if len(list(work.rglob("out/**/*.so"))) < len(DEBIAN):
        _run("build_debian.sh", work, *DEBIAN)
    return work / "out"
