"""1,000 random changes of parameters and transport, watched by the sanitizers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

STEMS = ("bass", "drums", "guitar", "piano", "vocals", "other")
SWITCHES = [f"{switch}_{stem}" for switch in ("mute", "solo") for stem in STEMS]
PART = ["part", "strength", "seed", "take", "new_take", "part_gain", "source_gain", "dpf_bypass"]
SYMBOLS = {
    "stems": [*STEMS, *SWITCHES, "source", "again", "time_line", "dpf_bypass"],
    "multi": [*STEMS, *SWITCHES, "source", "again", "time_line", "dpf_bypass"],
    "part": PART,
}
SANITIZERS = {
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    "thread": ["-fsanitize=thread"],
}

Build = Callable[..., Path]


@pytest.mark.parametrize(
    ("variant", "sanitizer"),
    [("multi", "address"), ("part", "address"), ("stems", "thread"), ("part", "thread")],
)
def test_a_thousand_random_changes(
    open_host: Any, build_with: Build, server: Any, noise: Any, variant: str, sanitizer: str
) -> None:
    program = build_with(sanitizer, *SANITIZERS[sanitizer])
    host = open_host(variant, program=program)
    host.track(noise(100_000), 0)
    assert host.say(f"fuzz 1 1000 {' '.join(SYMBOLS[variant])}") == "ok"
    host.close()
