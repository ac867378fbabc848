"""A small process that runs a program and says what it took; see `processes.py`.

A process begins with the memory of the one that starts it in its peak. This one has little, so that
what it measures is the program's own.

    python -m bandmate_training.evaluation.systems.launcher PROGRAM ARGUMENT...

It prints one JSON object: the exit status (negative: the signal) and, where the system says so,
seconds of processor (the program's and its children's) and peak memory in bytes (of the largest of
these processes). The program's output goes to stderr. When stdin ends, the whole group does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any


def run(command: list[str]) -> dict[str, Any]:
    """Run a program until it ends; return what it took.

    Raises:
        OSError: if it cannot be started.
    """
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    threading.Thread(target=_end_with_parent, args=(process,), daemon=True).start()
    if not hasattr(os, "wait4"):  # Windows
        return {"status": process.wait(), "processor": None, "peak": None}
    _, status, usage = os.wait4(process.pid, 0)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss
    return {
        "status": os.waitstatus_to_exitcode(status),
        "processor": usage.ru_utime + usage.ru_stime,
        "peak": unit * usage.ru_maxrss,
    }


def _end_with_parent(process: subprocess.Popen[bytes]) -> None:
    os.read(0, 1)  # Not through sys.stdin, whose lock would be held when the interpreter ends.
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    process.kill()


if __name__ == "__main__":
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    try:
        found = run(sys.argv[1:])
    except OSError as error:
        found = {"status": 127, "error": error.strerror}
    json.dump(found, sys.stdout)
