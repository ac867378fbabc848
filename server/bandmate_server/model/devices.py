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
class Accelerator:
    """A provider of ONNX Runtime beside the processor, with what it is given.

    provider: its name there.
    options: as ONNX Runtime documents them; all are text.
    in_turn: whether it takes neither memory patterns nor parallel execution.
    needs: what a machine without it lacks.
    """

    provider: str
    options: dict[str, str]
    needs: str
    in_turn: bool = False


# Source of the options: https://onnxruntime.ai/docs/execution-providers/, the page of each.
ACCELERATORS: dict[str, Accelerator] = {
    "cuda": Accelerator(
        CUDA,
        {
            "device_id": "0",
            # Memory grows by what is asked for, not by doubling: a DAW wants some of it.
            "arena_extend_strategy": "kSameAsRequested",
            # Lengths differ from song to song; trying all algorithms for each takes longer.
            "cudnn_conv_algo_search": "HEURISTIC",
            "do_copy_in_default_stream": "1",
            "use_tf32": "0",  # Stems as close to the processor's as can be.
        },
        "NVIDIA's driver, and the libraries of `pip install 'bandmate[cuda]'`",
    ),
    "coreml": Accelerator(
        "CoreMLExecutionProvider",
        {
            "ModelFormat": "MLProgram",
            "MLComputeUnits": "ALL",
            "RequireStaticInputShapes": "0",
            "EnableOnSubgraphs": "0",
        },
        "macOS, whose onnxruntime has it",
    ),
    "directml": Accelerator(
        "DmlExecutionProvider",
        {"device_id": "0"},
        "Windows, and `pip install onnxruntime-directml` in the place of onnxruntime-gpu",
        in_turn=True,
    ),
}
BY_PROVIDER = {one.provider: one for one in ACCELERATORS.values()}


@dataclass(frozen=True)
class Choice:
    """The provider to try, and what to tell the user about it."""

    provider: str
    warnings: tuple[str, ...] = ()


def choose_device(device: str) -> Choice:
    """Choose the provider for a device word.

    Args:
        device: "auto" takes CUDA where it is there; a named one that is not is warned of.

    Raises:
        DeviceError: if the word is unknown.
    """
    if device not in get_args(Device):
        raise DeviceError(f"unknown device {device!r}: expected {', '.join(get_args(Device))}")
    if device == "cpu":
        return Choice(CPU)
    word = "cuda" if device == "auto" else device
    missing = why_not(word)
    if missing is None:
        return Choice(ACCELERATORS[word].provider)
    warning = f"{word} was asked for but {missing}: using the CPU"
    return Choice(CPU, () if device == "auto" else (warning,))


def why_not(word: str) -> str | None:
    """Return why an accelerator cannot be tried, or None if ONNX Runtime and machine have it.

    Args:
        word: a key of ACCELERATORS.
    """
    import onnxruntime

    wanted, available = ACCELERATORS[word], onnxruntime.get_available_providers()
    if wanted.provider not in available:
        offered = ", ".join(available)
        version = onnxruntime.__version__
        return f"this onnxruntime {version} offers only {offered} (it needs {wanted.needs})"
    if wanted.provider != CUDA:
        return None
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

    reasons = {CPU: "always there"}
    for word, accelerator in ACCELERATORS.items():
        offered = "offered; proven when a model opens"
        reasons[accelerator.provider] = why_not(word) or offered
    return {
        "onnxruntime": onnxruntime.__version__,
        "available": onnxruntime.get_available_providers(),
        "chosen": choose_device("auto").provider,
        "reasons": reasons,
        "options": {one.provider: one.options for one in ACCELERATORS.values()},
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
