"""Which models are recommended for which machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from bandmate_bridge.commands.recommend import (
    RANKED,
    Machine,
    lines,
    recommend,
    report,
    suits,
    this_machine,
)
from bandmate_server.model.library.catalogue import CATALOGUE

ROWS = {row.name: row for row in CATALOGUE}


def chosen(machine: Machine) -> list[str]:
    return [row["model"] for row in recommend(machine)]


@pytest.mark.parametrize(
    ("machine", "models"),
    [
        (Machine(8.0, 2, False, 50.0), ["htdemucs", "htdemucs_6s", "mini"]),
        (Machine(2.0, 2, False, 50.0), ["mini", "mini", "mini"]),
        (Machine(8.0, 1, False, 50.0), ["mini", "mini", "mini"]),
        (Machine(8.0, 2, False, 0.1), ["mini", "mini", "mini"]),
        (Machine(16.0, 12, False, 50.0), ["htdemucs_ft", "htdemucs_6s", "mini"]),
        (Machine(16.0, 4, True, 50.0), ["htdemucs_ft", "htdemucs_6s", "msg-ld-arrange"]),
        (Machine(None, 4, False, 50.0), ["htdemucs", "htdemucs_6s", "mini"]),
        (Machine(0.5, 1, False, 0.0), ["mini", "mini", "mini"]),
    ],
)
def test_memory_cores_gpu_and_room_count(machine: Machine, models: list[str]) -> None:
    assert chosen(machine) == models


def test_all_that_can_be_recommended_is_in_the_catalogue() -> None:
    assert {name for names in RANKED.values() for name in names} <= set(ROWS)


def test_everything_suits_a_large_machine() -> None:
    assert all(suits(row, Machine(256.0, 64, True, 1000.0)) for row in CATALOGUE)


def test_this_machine_is_described() -> None:
    machine = this_machine()
    assert machine.cores >= 1
    assert machine.free_gb >= 0.0
    if Path("/proc/meminfo").exists():
        total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024 / 1e9
        assert machine.memory_gb is not None
        assert 0.1 < machine.memory_gb <= total * 1.001
    text = "\n".join(lines(report(machine)))
    assert "recommended for memory" in text
    for purpose in RANKED:
        assert purpose in text
