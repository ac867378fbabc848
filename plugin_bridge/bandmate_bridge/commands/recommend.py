"""Which models suit a machine, and what they would take of it."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from typing import Any

from bandmate_server.model.bundle import list_bundles, user_folder
from bandmate_server.model.devices import CPU, choose_device, count_cores
from bandmate_server.model.library.catalogue import CATALOGUE, PublishedModel
from bandmate_server.model.library.machine import memory_gb
from bandmate_server.options import USUAL_MODEL

SHARE = 0.5  # of the memory that a model may take: the DAW wants the rest
MANY_CORES = 8
# The better one first; the last suits every machine.
RANKED = {
    "songs with a singer": ("htdemucs_ft", "htdemucs", USUAL_MODEL),
    "guitar and piano apart": ("htdemucs_6s", USUAL_MODEL),
    "new parts": ("msg-ld-arrange", USUAL_MODEL),
}


@dataclass(frozen=True)
class Machine:
    """What counts of a machine.

    memory_gb: None where it is not known.
    cores: of the processor.
    gpu: whether ONNX Runtime can use one.
    free_gb: of the disk for models.
    """

    memory_gb: float | None
    cores: int
    gpu: bool
    free_gb: float


def this_machine() -> Machine:
    """Return what this machine has."""
    place = user_folder()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 1e9
    return Machine(memory_gb(), count_cores(), choose_device("auto").provider != CPU, free)


def suits(model: PublishedModel, machine: Machine) -> bool:
    """Whether a machine has the memory, the time and the room for a model."""
    if machine.memory_gb is not None and model.memory_gb > SHARE * machine.memory_gb:
        return False
    room = model.name == USUAL_MODEL or _room_gb(model) < machine.free_gb
    quick = {
        "fast": True,
        "medium": machine.gpu or machine.cores > 1,
        "slow": machine.gpu or machine.cores >= MANY_CORES,
        "very slow": machine.gpu,
    }
    return room and quick[model.speed]


def recommend(machine: Machine) -> list[dict[str, Any]]:
    """Return a model for each purpose, with what it takes, as JSON values."""
    rows = {row.name: row for row in CATALOGUE}
    installed = list_bundles()
    found = []
    for purpose, names in RANKED.items():
        fitting = [name for name in names if suits(rows[name], machine)]
        row = rows[fitting[0] if fitting else USUAL_MODEL]
        found.append(
            {
                "purpose": purpose,
                "model": row.name,
                "installed": row.name in installed,
                "memory_gb": row.memory_gb,
                "download_mb": round((row.download_bytes or 0) / 1e6) or None,
                "disk_mb": row.disk_mb,
                "speed": row.speed,
                "licence": row.weights_licence,
            }
        )
    return found


def report(machine: Machine) -> dict[str, Any]:
    """Return machine and recommendation as JSON values."""
    return {"machine": asdict(machine), "recommended": recommend(machine)}


def lines(found: dict[str, Any]) -> list[str]:
    """Return what `report` says, for people."""
    machine = found["machine"]
    memory = f"{machine['memory_gb']:.1f} GB" if machine["memory_gb"] else "unknown"
    gpu = "a GPU" if machine["gpu"] else "no GPU"
    texts = [f"recommended for memory {memory}, cores {machine['cores']}, {gpu}"]
    for row in found["recommended"]:
        takes = f"{row['memory_gb']:g} GB of memory, {row['disk_mb']} MB on disk"
        texts.append(f"  {row['purpose']}: {row['model']}, {row['speed']};")
        how = "is installed"
        if not row["installed"]:
            size = f"{row['download_mb']} MB" if row["download_mb"] else "of unknown size"
            how = f"`bandmate models get {row['model']}`, a download {size}"
        texts.append(f"      takes about {takes}; weights: {row['licence']}; {how}")
    return texts


def _room_gb(model: PublishedModel) -> float:
    """Return the disk that a model takes while it is converted."""
    return (model.download_bytes or 0) / 1e9 + model.disk_mb / 1e3
