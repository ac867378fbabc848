"""Separators in processes of their own: our models and any program, and what each takes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bandmate_server.errors import CorpusError
from bandmate_training.evaluation.systems import launcher, separate_files

POLL_SECONDS = 0.5
OUT, FILES, FOLDER = "{out}", "{files}", "{folder}"  # in the command of a program


@dataclass(frozen=True)
class Cost:
    """What a process took from its start to its end.

    processor: seconds, of all its threads and children; peak: bytes of memory, of the largest of
    its processes. None where the system does not say.
    """

    processor: float | None
    peak: int | None


def model_command(model: Path, files: list[Path], out: Path, device: str, threads: int | None
                  ) -> list[str]:  # fmt: skip
    """Return what separates files with a bundle, as `bandmate separate` does."""
    order = {
        "model": str(model),
        "device": device,
        "threads": threads,
        "files": [str(file) for file in files],
        "out": str(out),
    }
    return [sys.executable, "-m", separate_files.__name__, json.dumps(order)]


def program_command(command: str, files: list[Path], out: Path) -> list[str]:
    """Return a user's command, with the files, their folder and the folder of the stems in it."""
    words: list[str] = []
    for word in shlex.split(command):
        if word == FILES:
            words += map(str, files)
        else:
            words.append(word.replace(OUT, str(out)).replace(FOLDER, str(files[0].parent)))
    return words


def run_measured(name: str, command: list[str], wait: Callable[[], None]) -> Cost:
    """Run a system's command; return what it took.

    Args:
        name: of the system, for errors.
        command: and its arguments.
        wait: is called about every POLL_SECONDS.

    Raises:
        CorpusError: if it cannot be started or fails; with the last line that it said.
    """
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            [sys.executable, "-m", launcher.__name__, *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, env=_environment(),
        )  # fmt: skip
        with process:  # Whatever happens here: it closes stdin, and the launcher ends all.
            while True:
                try:
                    process.wait(POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    wait()
            assert process.stdout is not None
            found = json.loads(process.stdout.read() or "{}")
        if found.get("status") != 0:
            words.seek(0)
            said = words.read().decode(errors="replace").strip().splitlines()
            why = found.get("error") or (said[-1] if said else "it said nothing")
            raise CorpusError(f"{name} failed ({_ending(found.get('status'))}): {why}")
    return Cost(found["processor"], found["peak"])


def _environment() -> dict[str, str]:
    """Return the environment in which `python` and `bandmate` are those of this one."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return os.environ | {"PATH": path}


def _ending(status: int | None) -> str:
    if status is None:
        return "it was killed"
    return f"status {status}" if status >= 0 else f"signal {-status}"
