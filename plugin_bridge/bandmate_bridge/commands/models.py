"""`bandmate models`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bandmate_bridge.commands import weights
from bandmate_bridge.fetch.install import remove
from bandmate_bridge.terminal.console import print_error, print_json, print_result, print_warning
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_server.errors import BandmateError, BundleError
from bandmate_server.model import bundle
from bandmate_server.model.library.catalogue import CATALOGUE, SPEEDS, PublishedModel
from bandmate_server.model.library.preferences import read_preferences


def run(options: argparse.Namespace, _interrupt: Interrupt) -> int:
    """Do what is asked and return the exit status.

    Raises:
        BandmateError: if a model cannot be had, added or removed.
    """
    actions = {
        "list": _list,
        "get": _get,
        "import": _import,
        "verify": _verify,
        "add": _add,
        "remove": _remove,
    }
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
    found = bundle.list_bundles()
    models = [describe(path, graphs=False) for path in found.values()]
    more = [row for row in CATALOGUE if row.files and row.name not in found] if options.all else []
    if options.json:
        folders = [str(folder) for folder in bundle.bundle_folders()]
        report = {"command": "models list", "ok": True, "models": models, "folders": folders}
        available = {"available": [_offer(row) for row in more]} if options.all else {}
        print_json(report | available)
        return 0
    for model in models:
        print_result(line(model))
    if not models:
        folders = [str(folder) for folder in bundle.bundle_folders()]
        print_result(f"no models in {', '.join(folders)}")
    for text in _offers(more):
        print_result(text)
    return 0


def _offer(row: PublishedModel) -> dict[str, Any]:
    facts = asdict(row)
    files = [{"name": file.name, **asdict(file)} for file in row.files]
    return facts | {"files": files, "download_bytes": row.download_bytes}


def _offers(rows: list[PublishedModel]) -> list[str]:
    """Return lines about models that can be had."""
    if not rows:
        return []
    lines = ["", "to be had by `bandmate models get NAME`:"]
    for row in rows:
        size = f"{row.download_bytes / 1e6:.0f} MB" if row.download_bytes else "of unknown size"
        note = f" ({row.licence_note})" if row.licence_note else ""
        lines += [
            f"  {row.name}: {row.words}",
            f"      stems {', '.join(row.stems)} and other; for {', '.join(row.tasks)}",
            f"      download {size}, installed {row.disk_mb} MB; {row.speed}: {SPEEDS[row.speed]}",
            f"      licence of the weights: {row.weights_licence}{note}; code: {row.code_licence}",
        ]
    return lines


def _get(options: argparse.Namespace) -> int:
    path = weights.get(options.model, options.origin, force=options.force, quiet=options.quiet)
    return _tell_of_new(path, options)


def _import(options: argparse.Namespace) -> int:
    path = weights.import_files(
        options.files,
        options.config,
        options.name,
        options.kind,
        force=options.force,
        quiet=options.quiet,
    )
    return _tell_of_new(path, options)


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
    return _tell_of_new(bundle.add_bundle(options.path, force=options.force), options)


def _remove(options: argparse.Namespace) -> int:
    path = remove(options.model)
    for key, value in read_preferences().items():
        if value == options.model:
            print_warning(f"{key} is {value}: choose another, or `bandmate config unset {key}`")
    if options.json:
        print_json({"command": "models remove", "ok": True, "path": str(path)})
    elif not options.quiet:
        print_result(f"removed {path}")
    return 0


def _tell_of_new(path: Path, options: argparse.Namespace) -> int:
    """Say which model was added to the user's own."""
    model = describe(path, graphs=False)
    first = bundle.list_bundles().get(path.name)
    if first != path:
        print_warning(f"{path.name} means the model in {first}, which counts first")
    if options.json:
        print_json({"command": f"models {options.action}", "ok": True, "model": model})
    elif not options.quiet:
        print_result(f"added {line(model)}")
    return 0
