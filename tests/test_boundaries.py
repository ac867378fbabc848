"""The arrows between packages and sub-packages, their sizes, and that importing does nothing."""

import ast
import json
import subprocess
import sys
from collections import defaultdict
from functools import cache
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


# Sub-package (or module) of a package -> what it may import of that package, and everything that
# this may import in turn. A row's order is the order of docs/architecture.md: an arrow goes down.
LAYERS = {
    "bandmate_server": (
        "osc",
        "jobs",
        "separation parts",
        "diffusion results",
        "model",
        "audio",
        "files structured_log",
        "progress settings",
        "options option_kinds option_arguments",
        "spec errors version",
    ),
    "bandmate_bridge": (
        "cli",
        "commands",
        "batch",
        "launch",
        "arguments client daw fetch host sound terminal",
    ),
    "bandmate_training": (
        "__main__",
        "cli",
        "conformance",
        "evaluation",
        "checkpoint",
        "paper",
        "notes",
        "learning",
        "corpus data",
        "networks exit_status",
    ),
}
FLOORS = {"bandmate_server": 8, "bandmate_bridge": 4, "bandmate_training": 7}  # longest chains
FLOORS |= {"bandmate_training.corpus": 9, "bandmate_export": 9}
MOST_FLOORS = 8  # of any other folder
MOST_MODULES = 18  # of a folder
LARGE = {"bandmate_training.corpus"}  # one module per instrument, source and renderer
MOST_LINES = 400  # of a module


@cache
def sources() -> dict[str, Path]:
    """Return every module's name -> its file."""
    found = {}
    for package in sorted(ROOT.glob("*/bandmate_*")):
        for path in package.rglob("*.py"):
            name = ".".join(path.relative_to(package.parent).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


@cache
def arrows() -> list[tuple[str, str]]:
    """Return (module, module that it imports), anywhere in it, by reading and not importing."""
    found = []
    for name, path in sources().items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            targets: list[str] = []
            if isinstance(node, ast.ImportFrom) and node.module:
                wholes = [f"{node.module}.{alias.name}" for alias in node.names]
                targets = [whole if whole in sources() else node.module for whole in wholes]
            elif isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            found += [(name, target) for target in targets if target in sources()]
    return found


def folders() -> list[str]:
    return sorted(name for name, path in sources().items() if path.name == "__init__.py")


def inside(folder: str) -> dict[str, set[str]]:
    """Return which of a folder's modules and sub-folders import which others of them."""
    depth = folder.count(".") + 1
    found: dict[str, set[str]] = defaultdict(set)
    for name in sources():
        if name.startswith(f"{folder}."):
            found[name.split(".")[depth]]
    for user, used in arrows():
        if user.startswith(f"{folder}.") and used.startswith(f"{folder}."):
            above, below = user.split(".")[depth], used.split(".")[depth]
            if above != below:
                found[above].add(below)
    return found


def longest_chain(graph: dict[str, set[str]]) -> list[str]:
    """Return the longest chain of imports; fails with the circle if there is one."""
    known: dict[str, list[str]] = {}

    def below(name: str, above: tuple[str, ...]) -> list[str]:
        assert name not in above, f"circle: {' > '.join([*above, name])}"
        if name not in known:
            chains = [below(other, (*above, name)) for other in sorted(graph[name])]
            known[name] = [name, *max(chains, key=len, default=[])]
        return known[name]

    return max((below(name, ()) for name in sorted(graph)), key=len, default=[])


@pytest.mark.parametrize("folder", folders())
def test_imports_within_a_folder_go_one_way_and_not_far(folder: str) -> None:
    chain = longest_chain(inside(folder))
    assert len(chain) <= FLOORS.get(folder, MOST_FLOORS), " > ".join(chain)


@pytest.mark.parametrize("package", LAYERS)
def test_arrows_between_sub_packages_go_down(package: str) -> None:
    layer = {name: row for row, names in enumerate(LAYERS[package]) for name in names.split()}
    graph = inside(package)
    assert graph.keys() <= layer.keys(), "a new module or sub-package: give it a layer"
    for above, used in graph.items():
        for below in used:
            assert layer[above] <= layer[below], f"{above} imports {below}"


@pytest.mark.parametrize("folder", folders())
def test_folders_can_be_looked_over(folder: str) -> None:
    assert folder in LARGE or len(inside(folder)) <= MOST_MODULES


@pytest.mark.parametrize("name", sources())
def test_modules_are_short(name: str) -> None:
    assert len(sources()[name].read_text("utf-8").splitlines()) <= MOST_LINES


def test_every_folder_says_what_it_holds() -> None:
    for folder in folders():
        assert ast.get_docstring(ast.parse(sources()[folder].read_text("utf-8"))), folder


def test_a_circle_would_be_found() -> None:
    assert longest_chain({"a": {"b"}, "b": {"c"}, "c": set()}) == ["a", "b", "c"]
    with pytest.raises(AssertionError, match="a > b > a"):
        longest_chain({"a": {"b"}, "b": {"a"}})
