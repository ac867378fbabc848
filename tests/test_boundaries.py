"""The arrows between the packages, and that importing does nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {"torch", "onnx", "onnxscript", "bandmate_training", "bandmate_export", "tensorboard"}


def modules(*folders: str) -> list[str]:
    found = []
    for folder in folders:
        base = ROOT / folder
        for path in sorted(base.rglob("*.py")):
            name = ".".join(path.relative_to(base.parent).with_suffix("").parts)
            found.append(name.removesuffix(".__init__"))
    return found


ENGINE_AND_BRIDGE = modules("server/bandmate_server", "plugin_bridge/bandmate_bridge")
ALL = [
    *ENGINE_AND_BRIDGE,
    *modules("training/bandmate_training", "export/bandmate_export"),
]
WATCH = """
import importlib, json, sys, threading, random
names = sys.argv[1].split(",")
before = random.getstate()
for name in names:
    importlib.import_module(name)
print(json.dumps({
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    "threads": [thread.name for thread in threading.enumerate()],
    "reseeded": random.getstate() != before,
}))
"""


def imported(names: list[str]) -> tuple[dict[str, list[str]], str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WATCH, ",".join(names)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT.anchor,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1, f"importing printed {lines[:-1]}"
    return json.loads(lines[0]), done.stderr


def test_engine_and_bridge_load_neither_torch_nor_training() -> None:
    report, errors = imported(ENGINE_AND_BRIDGE)
    assert not FORBIDDEN & set(report["modules"])
    assert errors == ""


def test_importing_the_engine_and_bridge_has_no_side_effects() -> None:
    report, _ = imported(ENGINE_AND_BRIDGE)
    assert report["threads"] == ["MainThread"]
    assert not report["reseeded"]


def test_the_command_line_alone_loads_no_engine() -> None:
    report, _ = imported(["bandmate_bridge.cli"])
    assert not {"numpy", "onnxruntime", "soundfile"} & set(report["modules"])


def test_engine_imports_nothing_above_it() -> None:
    report, _ = imported(modules("server/bandmate_server"))
    assert "bandmate_bridge" not in report["modules"]


@pytest.mark.parametrize(
    ("folder", "above"),
    [
        ("training/bandmate_training", ("bandmate_export", "bandmate_bridge")),
        ("export/bandmate_export", ("bandmate_bridge",)),
    ],
)
def test_training_side_respects_the_arrows(folder: str, above: tuple[str, ...]) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        text = path.read_text("utf-8")
        for package in above:
            assert f"import {package}" not in text, path
            assert f"from {package}" not in text, path


def test_every_package_says_that_it_is_typed() -> None:
    packages = {name for name in ALL if "." not in name}
    assert packages == {
        "bandmate_server",
        "bandmate_bridge",
        "bandmate_training",
        "bandmate_export",
    }
    typed = {path.parent.name for path in ROOT.glob("*/bandmate_*/py.typed")}
    assert typed == packages
