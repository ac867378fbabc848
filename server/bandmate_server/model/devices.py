"""Which device runs the networks, and why not another one."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from bandmate_server.errors import DeviceError
from bandmate_server.options import Device

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass(frozen=True)
class Choice:
    """The provider to try, and what to tell the user about it."""

    provider: str
    warnings: tuple[str, ...] = ()


def choose_device(device: str) -> Choice:
    """Choose the provider for a device word.

    Args:
        device: "auto" takes CUDA where it is there; "cuda" warns where it is not.

    Raises:
        DeviceError: if the word is unknown.
    """
    if device not in get_args(Device):
        raise DeviceError(f"unknown device {device!r}: expected {', '.join(get_args(Device))}")
    if device == "cpu":
        return Choice(CPU)
    missing = why_no_cuda()
    if missing is None:
        return Choice(CUDA)
    warning = f"CUDA was asked for but {missing}: using the CPU"
    return Choice(CPU, (warning,) if device == "cuda" else ())


def why_no_cuda() -> str | None:
    """Return why CUDA cannot be tried, or None if ONNX Runtime, driver and GPU are there."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if CUDA not in available:
        return f"this onnxruntime {onnxruntime.__version__} offers only {', '.join(available)}"
    return _driver_problem("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")


def _driver_problem(library: str) -> str | None:
    """Return what keeps NVIDIA's driver from offering a GPU, or None.

    The GPU build of ONNX Runtime claims CUDA on every machine, so it cannot be asked.
    """
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return f"there is no NVIDIA driver ({library} is missing)"
    count = ctypes.c_int(0)
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if status != 0 or count.value == 0:
        return f"the NVIDIA driver finds no GPU (status {status})"
    return None


def device_report() -> dict[str, Any]:
    """Return what `bandmate doctor` shows of devices; see the keys."""
    import onnxruntime

    missing = why_no_cuda()
    return {
        "onnxruntime": onnxruntime.__version__,
        "available": onnxruntime.get_available_providers(),
        "chosen": choose_device("auto").provider,
        "reasons": {CPU: "always there", CUDA: missing or "offered; proven when a model opens"},
        "threads": count_cores(),
    }


def count_cores() -> int:
    """Return the physical cores that this process may use (at least 1).

    Linux tells which logical processors are siblings, and container quotas; elsewhere
    the logical count stands in.
    """
    if not hasattr(os, "sched_getaffinity"):
        return max(os.cpu_count() or 1, 1)
    cores = set()
    for cpu in os.sched_getaffinity(0):
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(siblings.read_text() if siblings.is_file() else str(cpu))
    return max(min(len(cores), _quota()), 1)


def choose_threads(wanted: int | None) -> tuple[int, list[str]]:
    """Return how many threads to use, and a warning if more were wanted than there are processors.

    Threads that wait for each other's processor make the work many times slower.
    """
    if wanted is None:
        return count_cores(), []
    has_mask = hasattr(os, "sched_getaffinity")
    processors = len(os.sched_getaffinity(0)) if has_mask else os.cpu_count() or 1
    most = max(min(processors, _quota()), 1)
    if wanted <= most:
        return wanted, []
    return most, [f"{wanted} threads are more than this machine's {most} processors: {most} used"]


def _quota() -> int:
    """Return the processors that a container's quota allows."""
    limit = Path("/sys/fs/cgroup/cpu.max")
    try:
        quota, period = limit.read_text().split()
        return max(int(quota) // int(period), 1)
    except (OSError, ValueError):
        return os.cpu_count() or 1
