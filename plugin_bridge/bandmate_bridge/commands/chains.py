"""`bandmate chains check|show|init`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bandmate_bridge.host import ChainHost
from bandmate_bridge.host.chains import ChainStep, nearest, read_chains
from bandmate_bridge.host.effects import EFFECTS
from bandmate_bridge.host.plugin_process import PluginProcess, require_pedalboard
from bandmate_bridge.terminal.console import print_json, print_result
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_server import open_model
from bandmate_server.errors import ChainError, OutputError
from bandmate_server.model.bundle import read_spec
from bandmate_server.model.library.choice import model_for

EXAMPLE = """\
# Effect chains for `bandmate batch --chains`: a list of steps for each stem, and for the mix.
# `bandmate chains show` lists the effects, `bandmate chains show Reverb` one's parameters,
# and `bandmate chains show PATH` those of a VST3 or AU plug-in.

tail_seconds = 2.0        # how much longer than the song the files are, so that rooms ring out
timeout_seconds = 30.0    # what a plug-in may take to load, or for one block

[[drums]]
effect = "Compressor"
threshold_db = -18
ratio = 3

[[guitar]]
effect = "Distortion"
drive_db = 12

[[guitar]]
effect = "Reverb"
room_size = 0.4
wet_level = 0.2
dry_level = 0.5

# [[guitar]]
# plugin = "~/.vst3/ZamCompX2.vst3"      # relative paths start from this file's folder
# parameters = { threshold_db = -20 }
# preset = "warm.vstpreset"              # or raw_state = "base64 ..."

[[mix]]                   # the sum of all stems, each through its chain
effect = "BrickwallLimiter"
ceiling_db = -1
"""


def run(options: argparse.Namespace, _interrupt: Interrupt) -> int:
    """Do what is asked and return the exit status.

    Raises:
        BandmateError: if the file, an effect or a plug-in is wrong.
    """
    return {"check": _check, "show": _show, "init": _init}[options.action](options)


def _check(options: argparse.Namespace) -> int:
    name = model_for("separate", options.model)
    chains = read_chains(options.file, read_spec(name).stems)
    separates = any(step.separate for _, _, step in chains.all_steps())
    with ChainHost(chains, open_model(name) if separates else None) as host:
        host.check()
    steps = {target: [step.title for step in found] for target, found in chains.steps.items()}
    if options.json:
        print_json(
            {"command": "chains check", "ok": True, "file": str(options.file), "steps": steps}
        )
    elif not options.quiet:
        for target, titles in steps.items():
            print_result(f"{target}: {' -> '.join(titles) or 'dry'}")
    return 0


def _show(options: argparse.Namespace) -> int:
    if options.effect is None:
        found: dict[str, Any] = {name: effect.does for name, effect in EFFECTS.items()}
        lines = [f"{name}: {does}" for name, does in found.items()]
        return _said(options, {"effects": found}, lines)
    if options.effect in EFFECTS:
        facts = _built_in(options.effect)
    elif Path(options.effect).expanduser().exists():
        facts = _plugin(options)
    else:
        hint = nearest(options.effect, EFFECTS)
        raise ChainError(f"{options.effect!r} is neither an effect nor a plug-in's file: {hint}")
    return _said(options, facts, _lines(facts))


def _built_in(name: str) -> dict[str, Any]:
    effect = EFFECTS[name]
    parameters = [
        {"name": key, "range": value.range, "unit": value.unit, "value": value.default}
        for key, value in effect.parameters.items()
    ]
    return {"name": name, "does": effect.does, "parameters": parameters}


def _plugin(options: argparse.Namespace) -> dict[str, Any]:
    require_pedalboard()
    path = Path(options.effect).expanduser().absolute()
    with PluginProcess(options.timeout) as process:
        return process.describe(ChainStep(plugin=str(path), plugin_name=options.plugin_name or ""))


def _lines(facts: dict[str, Any]) -> list[str]:
    lines = [f"{facts['name']}: {facts['does']}"] if "does" in facts else [_maker(facts)]
    for parameter in facts["parameters"]:
        given = "required" if parameter["value"] is None else f"default {parameter['value']}"
        lines.append(f"  {parameter['name']}: {parameter['range']} ({given})")
    return lines


def _maker(facts: dict[str, Any]) -> str:
    kind = "effect" if facts["effect"] else "instrument: not for chains"
    latency = f"latency {facts['latency_samples']} samples, compensated"
    return f"{facts['name']} {facts['version']} by {facts['maker']} ({kind}; {latency})"


def _said(options: argparse.Namespace, facts: dict[str, Any], lines: list[str]) -> int:
    if options.json:
        print_json({"command": "chains show", "ok": True, **facts})
    elif not options.quiet:
        for line in lines:
            print_result(line)
    return 0


def _init(options: argparse.Namespace) -> int:
    try:
        with options.file.open("w" if options.force else "x", encoding="utf-8") as file:
            file.write(EXAMPLE)
    except FileExistsError as error:
        hint = "use --force to replace it"
        raise OutputError(f"{options.file} is there already: {hint}") from error
    if options.json:
        print_json({"command": "chains init", "ok": True, "file": str(options.file)})
    elif not options.quiet:
        print_result(f"wrote {options.file}")
    return 0
