"""What the machine has, and what of it this process takes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup/memory.max")


def memory_gb() -> float | None:
    """Return the memory that this process may use, 1e9 bytes; None where the system does not tell.

    That of the machine, or of the container if it is less.
    """
    whole = _windows_memory() if sys.platform == "win32" else _posix_memory()
    try:
        limit = int(_CGROUP.read_text())
    except (OSError, ValueError):  # there is none, or it is "max"
        limit = whole or 0
    return min(whole, limit) / 1e9 if whole else None


def resident_mb() -> int | None:
    """Return the memory that this process has in use, 1e6 bytes; None where nothing tells."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def _posix_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def _windows_memory() -> int:
    """Return what GlobalMemoryStatusEx says."""
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "b", "c", "d", "e", "f")),
        )

    status = Status(length=ctypes.sizeof(Status))
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - there on Windows only
    return int(status.total) if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else 0
