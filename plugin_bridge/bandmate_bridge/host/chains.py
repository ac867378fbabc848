"""Effect chains: one TOML file with a list of steps per stem and for the mix, checked strictly.

tail_seconds = 2.0          # how long the stems ring on after the song's end

[[guitar]]
effect = "Distortion"
drive_db = 12

[[mix]]
plugin = "~/.vst3/ZamCompX2.vst3"
parameters = { threshold_db = -20 }
"""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
import json
import math
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bandmate_bridge.host.effects import EFFECTS, Parameter, Value
from bandmate_server.errors import ChainError
from bandmate_server.spec import OTHER, STEMS

MIX = "mix"
Place = tuple[str | int, ...]  # of a value: ("guitar", 0, "drive_db")
KINDS = ("effect", "plugin", "separate")
PLUGIN_KEYS = ("plugin", "plugin_name", "parameters", "preset", "raw_state")
FEW = 12  # names that an error lists although it has found the nearest
SETTINGS = {
    "tail_seconds": Parameter(0.0, 0.0, 600.0, "s"),
    "timeout_seconds": Parameter(30.0, 0.1, 86_400.0, "s"),
}


@dataclass(frozen=True)
class ChainStep:
    """One step of a chain: exactly one of effect, plugin and separate is not "".

    effect: a name of `effects.EFFECTS`, with all its parameters.
    plugin: path of a VST3 or AU, with those parameters that the file sets.
    separate: a stem that the model takes out of what comes in.
    plugin_name: which of the plug-ins that a file holds.
    preset: path of a .vstpreset; raw_state: the plug-in's own bytes, base64.
    """

    effect: str = ""
    plugin: str = ""
    separate: str = ""
    parameters: dict[str, Value] = field(default_factory=dict)
    plugin_name: str = ""
    preset: str = ""
    raw_state: str = ""

    @property
    def title(self) -> str:
        """What messages call it."""
        if self.plugin:
            return self.plugin_name or Path(self.plugin).name
        return self.effect or f"separate {self.separate}"


@dataclass(frozen=True)
class Chains:
    """All that a chains file says.

    steps: target (a stem or `mix`) -> its steps; a target that is not there has no chain.
    tail_seconds: how much longer than its input a chain's output is.
    timeout_seconds: how long an external plug-in may take to load, or for one block.
    """

    steps: dict[str, tuple[ChainStep, ...]]
    tail_seconds: float = 0.0
    timeout_seconds: float = 30.0

    @property
    def stems(self) -> tuple[str, ...]:
        """Return the stems that have a chain, in the file's order."""
        return tuple(name for name in self.steps if name != MIX)

    def tail_frames(self, rate: int) -> int:
        """Return the tail's length at a rate."""
        return math.ceil(self.tail_seconds * rate)

    def all_steps(self) -> Iterable[tuple[str, int, ChainStep]]:
        """Yield (target, position from 1, step)."""
        for target, steps in self.steps.items():
            for number, step in enumerate(steps, 1):
                yield target, number, step

    def fingerprint(self) -> str:
        """Return a hash of all that decides about the sound, files included."""
        digest = hashlib.sha256()
        for target, number, step in self.all_steps():
            said = asdict(step)
            digest.update(json.dumps([target, number, said], sort_keys=True).encode())
            for path in _files(step):
                digest.update(_hash_path(path))
        digest.update(json.dumps([list(self.steps), self.tail_seconds]).encode())
        return digest.hexdigest()


def read_chains(path: Path, stems: tuple[str, ...] = STEMS) -> Chains:
    """Read and check a chains file; paths in it are relative to its folder.

    Args:
        path: of the file.
        stems: that the model knows, without `other`.

    Raises:
        ChainError: naming file, step, what is wrong and what was perhaps meant.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ChainError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ChainError(f"{path} is not text (UTF-8)") from error
    return parse_chains(text, path.parent, str(path), stems)


def parse_chains(
    text: str, folder: Path, name: str = "chains", stems: tuple[str, ...] = STEMS
) -> Chains:
    """Return what a chains text says.

    Args:
        text: TOML.
        folder: that relative paths in it start from.
        name: what errors call it.
        stems: that the model knows, without `other`.

    Raises:
        ChainError: naming the step, what is wrong and what was perhaps meant.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        end = f"at line {text.count(chr(10)) + 1}, the end"
        message = str(error).replace("at end of document", end)
        raise ChainError(f"{name} is not valid TOML: {message}") from error
    return _Checker(name, folder, (*stems, OTHER)).chains(values)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint: the known name that is most like `name`, and all names if there are few."""
    names = list(known)
    lowered = {one.lower(): one for one in names}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    if not names:
        return "there are none"
    if near and len(names) > FEW:
        return f"did you mean {lowered[near[0]]!r}?"
    hint = f"did you mean {lowered[near[0]]!r}? " if near else ""
    return f"{hint}There are {', '.join(names)}"


class _Checker:
    """Turns TOML values into Chains, or says in which step they are wrong."""

    def __init__(self, name: str, folder: Path, stems: tuple[str, ...]):
        self._name, self._folder = name, folder
        self._stems, self._targets = stems, (*stems, MIX)

    def chains(self, values: dict[str, Any]) -> Chains:
        settings: dict[str, float] = {}
        steps: dict[str, tuple[ChainStep, ...]] = {}
        for key, value in values.items():
            if key in SETTINGS:
                settings[key] = float(self._value((key,), key, value, SETTINGS[key]))
            elif key in self._targets:
                steps[key] = self._steps(key, value)
            else:
                known = [*self._targets, *SETTINGS]
                raise self._wrong((key,), f"unknown {key!r}: {nearest(key, known)}")
        return Chains(steps, **settings)

    def _steps(self, target: str, value: Any) -> tuple[ChainStep, ...]:
        if not isinstance(value, list):
            raise self._wrong((target,), f"{target} is no list of steps: write [[{target}]]")
        return tuple(self._step((target, number), step) for number, step in enumerate(value))

    def _step(self, path: Place, step: Any) -> ChainStep:
        if not isinstance(step, dict):
            raise self._wrong(path, f"{step!r} is no step: expected a table with an effect")
        kinds = [kind for kind in KINDS if kind in step]
        if len(kinds) != 1:
            found = " and ".join(kinds) if kinds else f"none ({', '.join(step) or 'empty'})"
            raise self._wrong(path, f"a step has one of {', '.join(KINDS)}: this has {found}")
        (kind,) = kinds
        if not isinstance(step[kind], str) or not step[kind]:
            raise self._wrong((*path, kind), f"{kind} is {step[kind]!r}: expected a name in quotes")
        checks = {"effect": self._effect, "plugin": self._plugin, "separate": self._separate}
        return checks[kind](path, step)

    def _effect(self, path: Place, step: dict[str, Any]) -> ChainStep:
        name = step["effect"]
        if name not in EFFECTS:
            hint = nearest(name, EFFECTS)
            raise self._wrong((*path, "effect"), f"unknown effect {name!r}: {hint}")
        known = EFFECTS[name].parameters
        for key in step:
            if key != "effect" and key not in known:
                hint = nearest(key, known)
                raise self._wrong((*path, key), f"{name} has no parameter {key!r}: {hint}")
        values: dict[str, Value] = {}
        for key, parameter in known.items():
            if key in step:
                values[key] = self._value((*path, key), f"{name}'s {key}", step[key], parameter)
            elif parameter.default is None:
                raise self._wrong(path, f"{name} needs {key}: {parameter.range}")
            else:
                values[key] = parameter.default
        return ChainStep(effect=name, parameters=values)

    def _plugin(self, path: Place, step: dict[str, Any]) -> ChainStep:
        for key, value in step.items():
            if key not in PLUGIN_KEYS:
                hint = "its settings go into `parameters = { ... }`; " + nearest(key, PLUGIN_KEYS)
                raise self._wrong((*path, key), f"a plugin step has no {key!r}: {hint}")
            if not isinstance(value, dict if key == "parameters" else str):
                kind = "a table" if key == "parameters" else "text in quotes"
                raise self._wrong((*path, key), f"{key} is {value!r}: expected {kind}")
        for key, value in step.get("parameters", {}).items():
            if not isinstance(value, bool | int | float | str):
                where = (*path, "parameters", key)
                raise self._wrong(where, f"{key} is {value!r}: expected a number or text")
        if "preset" in step and "raw_state" in step:
            raise self._wrong((*path, "raw_state"), "give a preset or a raw_state, not both")
        try:
            base64.b64decode(step.get("raw_state", ""), validate=True)
        except binascii.Error as error:
            raise self._wrong((*path, "raw_state"), f"raw_state is no base64: {error}") from error
        plugin = self._file((*path, "plugin"), step["plugin"])
        preset = self._file((*path, "preset"), step["preset"]) if "preset" in step else ""
        return ChainStep(
            plugin=plugin,
            plugin_name=step.get("plugin_name", ""),
            parameters=dict(step.get("parameters", {})),
            preset=preset,
            raw_state=step.get("raw_state", ""),
        )

    def _separate(self, path: Place, step: dict[str, Any]) -> ChainStep:
        stem = step["separate"]
        if stem not in self._stems:
            hint = nearest(stem, self._stems)
            raise self._wrong((*path, "separate"), f"unknown stem {stem!r}: {hint}")
        extra = [key for key in step if key != "separate"]
        if extra:
            raise self._wrong((*path, extra[0]), f"a separate step has no {extra[0]!r}")
        return ChainStep(separate=stem)

    def _value(self, path: Place, name: str, value: Any, known: Parameter) -> Value:
        """Return a checked value; paths of files become absolute."""
        if known.file and isinstance(value, str):
            return self._file(path, value)
        if known.switch and isinstance(value, bool):
            return value
        if known.choices and isinstance(value, str):
            if value in known.choices:
                return value
            raise self._wrong(path, f"{name} is {value!r}: {nearest(value, known.choices)}")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if known.file or known.switch or known.choices or not number:
            raise self._wrong(path, f"{name} is {value!r}: expected {known.range}")
        if not (math.isfinite(value) and known.low <= value <= known.high):
            raise self._wrong(path, f"{name} is {value!r}: expected {known.range}")
        return float(value)

    def _file(self, path: Place, value: str) -> str:
        found = (self._folder / Path(value).expanduser()).absolute()
        if not found.exists():
            raise self._wrong(path, f"{found} does not exist")
        return str(found)

    def _wrong(self, place: Place, message: str) -> ChainError:
        """Return the error; PLACE's first two keys are a target and a step's position."""
        step = f", {place[0]}, step {int(place[1]) + 1}" if len(place) > 1 else ""
        return ChainError(f"{self._name}{step}: {message}")


def _files(step: ChainStep) -> list[Path]:
    """Return the files that a step uses."""
    known = EFFECTS[step.effect].parameters if step.effect else {}
    named = [str(step.parameters[key]) for key, value in known.items() if value.file]
    return [Path(path) for path in (*named, step.plugin, step.preset) if path]


def _hash_path(path: Path) -> bytes:
    """Return a hash of a file, or of all files of a folder (plug-ins are folders)."""
    digest = hashlib.sha256()
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.digest()
