"""`bandmate config set|get|list|unset`."""

from __future__ import annotations

import argparse
from typing import cast

from bandmate_bridge.terminal.console import print_json, print_result
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_server.model.library.choice import chosen_model, model_for
from bandmate_server.model.library.preferences import (
    KEYS,
    check_key,
    preferences_file,
    read_preferences,
    write_preference,
)
from bandmate_server.options import Task


def run(options: argparse.Namespace, _interrupt: Interrupt) -> int:
    """Do what is asked and return the exit status.

    Raises:
        BandmateError: if a key or value makes no sense, or the file cannot be used.
    """
    if options.action == "list":
        return _list(options)
    key = check_key(options.key)
    if options.action == "set":
        write_preference(key, chosen_model(_task(key), options.value))
    elif options.action == "unset":
        write_preference(key, None)
    value, chosen = model_for(_task(key)), key in read_preferences()
    if options.json:
        print_json({"command": "config", "ok": True, "key": key, "value": value, "chosen": chosen})
    elif options.action == "get":
        print_result(value)
    elif not options.quiet:
        print_result(f"{key} = {value}{'' if chosen else ' (the usual one)'}")
    return 0


def _list(options: argparse.Namespace) -> int:
    chosen = read_preferences()
    values = {key: model_for(_task(key)) for key in KEYS}
    if options.json:
        report = {"file": str(preferences_file()), "values": values, "chosen": chosen}
        print_json({"command": "config list", "ok": True, **report})
        return 0
    for key, words in KEYS.items():
        print_result(f"{key} = {values[key]}{'' if key in chosen else ' (the usual one)'}: {words}")
    print_result(f"in {preferences_file()}")
    return 0


def _task(key: str) -> Task:
    return cast(Task, key.partition(".")[2])
