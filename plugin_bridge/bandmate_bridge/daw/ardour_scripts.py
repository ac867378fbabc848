"""Ardour's `ui_scripts` file: the Lua actions in its menu, and its hooks.

It is XML around base64 around Lua assignments, as Ardour 7.3 writes it: `scripts[2]["n"] = "name"`
with `n` the name, `s` the source, `f` the function (bytecode, or source as here) and `a` arguments.
Everything in it that is not ours is kept byte for byte.
"""

from __future__ import annotations

import base64
import binascii
import re
from xml.etree import ElementTree

OURS = "bandmate: "  # every script of ours has a name that begins so
SLOTS = 32  # actions that Ardour 7 has room for
SIGNALS = 49  # that a hook can listen to, in Ardour 7.3
TIMER = 47  # LuaTimerDS among them: ten times a second

_STRING = r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\''
_STATEMENT = re.compile(
    rf"\s*scripts(?:\[(\d+)\]((?:\.\w+|\[(?:\d+|{_STRING})\])*))?"
    rf"\s*=\s*(\{{\}}|{_STRING}|true|false|nil|-?[\d.]+)".encode(),
    re.DOTALL,
)
_NAME = re.compile(r'^\s*name\s*=\s*"([^"]*)"', re.MULTILINE)
_EMPTY = '<?xml version="1.0" encoding="UTF-8"?>\n<UIScripts/>'


class ScriptsError(Exception):
    """A ui_scripts file that is not as Ardour 7 writes it."""


def with_scripts(text: str | None, actions: list[str], hooks: list[str]) -> str:
    """Return the file with our scripts in it, in the place of earlier versions of them.

    Args:
        text: what the file holds now, or None if there is none.
        actions: Lua sources of actions; one that was there keeps its slot, and so its shortcut.
        hooks: Lua sources of hooks on the fast timer.

    Raises:
        ScriptsError: if the file cannot be read, or all slots are taken.
    """
    root, slots = _read(text)
    kept = {slot: value for slot, value in slots.items() if not _is_ours(value)}
    before = {_name_in(value): slot for slot, value in slots.items() if _is_ours(value)}
    for source in actions:
        free = (slot for slot in range(1, SLOTS + 1) if slot not in {*kept, *before.values()})
        slot = before.get(script_name(source)) or next(free, None)
        if slot is None:
            raise ScriptsError(f"all {SLOTS} action slots of Ardour's Script Manager are taken")
        kept[slot] = _fields(f"scripts[{slot}]", source)
    return _written(root, kept, hooks)


def without_scripts(text: str) -> str:
    """Return the file without our scripts.

    Raises:
        ScriptsError: if it cannot be read.
    """
    root, slots = _read(text)
    return _written(root, {k: v for k, v in slots.items() if not _is_ours(v)}, [])


def script_name(source: str) -> str:
    """Return the name that a script gives itself.

    Raises:
        ScriptsError: if it has none.
    """
    match = _NAME.search(source)
    if match is None:
        raise ScriptsError("the script has no line `name = ...`")
    return match.group(1)


def action_slots(text: str) -> dict[str, int]:
    """Return the slot of every action in the file, by name: LuaAction/script-<slot>.

    Raises:
        ScriptsError: if the file cannot be read.
    """
    return {_name_in(value): slot for slot, value in _read(text)[1].items()}


def _read(text: str | None) -> tuple[ElementTree.Element, dict[int, bytes]]:
    try:
        root = ElementTree.fromstring(text or _EMPTY)
        element = root.find("ActionScript")
        state = base64.b64decode((element.text or "") if element is not None else "", validate=True)
    except (ElementTree.ParseError, binascii.Error) as error:
        raise ScriptsError(f"Ardour's ui_scripts file cannot be read: {error}") from error
    slots: dict[int, bytes] = {}
    at = 0
    while state[at:].strip():
        statement = _STATEMENT.match(state, at)
        if statement is None:
            raise ScriptsError("Ardour's ui_scripts file is not as Ardour 7 writes it")
        if statement.group(1):
            slot = int(statement.group(1))
            slots[slot] = slots.get(slot, b"") + statement.group(0).strip() + b" "
        at = statement.end()
    return root, slots


def _written(root: ElementTree.Element, slots: dict[int, bytes], hooks: list[str]) -> str:
    element = root.find("ActionScript")
    if element is None:
        element = ElementTree.Element("ActionScript", {"lua": "Lua 5.3"})
        root.insert(0, element)
    state = b"scripts = {} " + b"".join(slots[slot] for slot in sorted(slots))
    element.text = base64.b64encode(state).decode()
    callbacks = root.find("ActionHooks")
    if callbacks is None:
        callbacks = ElementTree.SubElement(root, "ActionHooks")
    for callback in list(callbacks):
        if callback.get("name", "").startswith(OURS):
            callbacks.remove(callback)
    for source in hooks:
        callbacks.append(_callback(source, callbacks))
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _callback(source: str, others: ElementTree.Element) -> ElementTree.Element:
    taken = [int(other.get("id", "0")) for other in others]
    attributes = {
        "lua": "Lua 5.3",
        "id": str(max([9000, *taken]) + 1),
        "name": script_name(source),
        "signals": "".join("1" if bit == TIMER else "0" for bit in reversed(range(SIGNALS))),
    }
    element = ElementTree.Element("LuaCallback", attributes)
    element.text = base64.b64encode(_fields("s", source)).decode()
    return element


def _fields(target: str, source: str) -> bytes:
    # Ardour loads `f` with load(), which takes source as well as bytecode.
    function = (
        "local ardour = function () end local factory, icon, signals\n"
        f"{source}\nreturn factory (...)\n"
    )
    name = script_name(source)
    return (
        f"{target} = {{}} {target}.n = {_quoted(name)} {target}.s = {_quoted(source)} "
        f"{target}.f = {_quoted(function)} {target}.a = {{}} "
    ).encode()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "").replace("\n", "\\n")
    return f'"{escaped}"'


def _name_in(fields: bytes) -> str:
    pattern = rf'scripts\[\d+\](?:\.n|\["n"\])\s*=\s*({_STRING})'.encode()
    match = re.search(pattern, fields, re.DOTALL)
    return match.group(1)[1:-1].decode("utf-8", "replace") if match else ""


def _is_ours(fields: bytes) -> bool:
    return _name_in(fields).startswith(OURS)
