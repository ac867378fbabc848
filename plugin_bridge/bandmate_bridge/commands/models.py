"""`bandmate models list|verify|add`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bandmate_bridge.terminal.console import print_error, print_json, print_result
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_server.errors import BandmateError, BundleError
from bandmate_server.model import bundle


def run(options: argparse.Namespace, _interrupt: Interrupt) -> int:
    """Do what is asked and return the exit status.

    Raises:
        BandmateError: if a model cannot be added.
    """
    actions = {"list": _list, "verify": _verify, "add": _add}
    return actions[options.action](options)


def describe(path: Path, *, graphs: bool) -> dict[str, Any]:
    """Return a model's facts and its state: `ok`, or what is wrong with it.

    Args:
        path: the bundle's folder.
        graphs: whether to open every graph too, not only compare hashes.
    """
    try:
        found = bundle.verify_bundle(path) if graphs else bundle.load_bundle(path)
    except BandmateError as error:
        return {"name": path.name, "path": str(path), "ok": False, "state": str(error)}
    files = [path / name for name in found.files.values()]
    return {
        "name": found.name,
        "version": found.version,
        "path": str(path),
        "ok": True,
        "state": "hashes and graphs agree" if graphs else "hashes agree",
        "hash": found.hash,
        "megabytes": round(sum(file.stat().st_size for file in files) / 1e6, 1),
        "stems": list(found.spec.stems),
        "licence": found.manifest.get("licence"),
    }


def line(model: dict[str, Any]) -> str:
    """Return one line about a model of `describe`."""
    if not model["ok"]:
        return f"{model['name']}: UNUSABLE: {model['state']}"
    facts = f"{model['megabytes']} MB, {model['state']}, {model['path']}"
    return f"{model['name']} {model['version']}: {facts}"


def _list(options: argparse.Namespace) -> int:
    models = [describe(path, graphs=False) for path in bundle.list_bundles().values()]
    if options.json:
        folders = [str(folder) for folder in bundle.bundle_folders()]
        print_json({"command": "models list", "ok": True, "models": models, "folders": folders})
        return 0
    for model in models:
        print_result(line(model))
    if not models:
        folders = [str(folder) for folder in bundle.bundle_folders()]
        print_result(f"no models in {', '.join(folders)}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    models: list[dict[str, Any]] = []
    for name in options.models or bundle.list_bundles():
        try:
            models.append(describe(bundle.find_bundle(name), graphs=True))
        except BundleError as error:
            models.append({"name": str(name), "ok": False, "state": str(error)})
    bad = [model for model in models if not model["ok"]]
    for model in models:
        if model["ok"] and not (options.json or options.quiet):
            print_result(line(model))
    for model in bad:
        print_error(model["state"])
    if options.json:
        print_json({"command": "models verify", "ok": not bad, "models": models})
    return 1 if bad else 0


def _add(options: argparse.Namespace) -> int:
    path = bundle.add_bundle(options.path, force=options.force)
    model = describe(path, graphs=False)
    if options.json:
        print_json({"command": "models add", "ok": True, "model": model})
    elif not options.quiet:
        print_result(f"added {line(model)}")
    return 0
