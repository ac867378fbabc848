"""Options that were once taken and dropped on their way."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from bandmate_bridge.cli import main
from bandmate_bridge.commands import batch as batch_command
from bandmate_server.model import bundle
from bandmate_server.model.model import Model
from bandmate_server.settings import PartSettings


@pytest.mark.parametrize("task", ["add", "fill", "vary", "generate"])
def test_drafts_and_resample_are_sent(
    sent: Callable[..., Any], commands: dict[str, list[str]], task: str
) -> None:
    message = sent(*commands[task], "--drafts", "2", "--resample", "3")
    assert json.loads(message.values[-1]) == {"drafts": 2, "resample": 3}


@pytest.mark.usefixtures("commands")
def test_a_batch_adds_with_the_solver_drafts_and_rounds_of_the_command(
    monkeypatch: pytest.MonkeyPatch, model: Model
) -> None:
    found: list[PartSettings] = []

    def run_pool(plan: Any, *_: object) -> None:
        found.append(plan.settings)

    monkeypatch.setattr(batch_command, "run_pool", run_pool)
    monkeypatch.setattr(bundle, "find_bundle", lambda name: model.bundle)
    monkeypatch.setattr(bundle, "load_bundle", lambda found: found)
    batch = ["batch", "song.wav", "--task", "add", "--stems", "piano", "--quiet"]
    assert main([*batch, "--out", "one"]) == 0
    assert found[0].solver is None  # the model's own
    assert main([*batch, "--out", "two", "--drafts", "2", "--resample", "3"]) == 0
    assert (found[1].drafts, found[1].resample) == (2, 3)
