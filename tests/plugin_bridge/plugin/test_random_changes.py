"""1,000 random changes of parameters and transport, watched by the sanitizers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

STEMS = ("bass", "drums", "guitar", "piano", "vocals", "other")
SYMBOLS = {
    "stems": [*STEMS, *(f"mute_{stem}" for stem in STEMS), *(f"solo_{stem}" for stem in STEMS)]
    + ["source", "again", "time_line", "dpf_bypass"],
    "part": "part strength seed take new_take part_gain source_gain dpf_bypass".split(),
}
SYMBOLS["multi"] = SYMBOLS["stems"]
SANITIZERS = {
    "address": "-fsanitize=address,undefined -fno-sanitize-recover=all".split(),
    "thread": ["-fsanitize=thread"],
}

Build = Callable[..., Path]


@pytest.mark.parametrize("sanitizer", SANITIZERS)
@pytest.mark.parametrize("variant", ["stems", "multi", "part"])
def test_a_thousand_random_changes(
    open_host: Any, build_with: Build, server: Any, noise: Any, variant: str, sanitizer: str
) -> None:
    program = build_with(sanitizer, *SANITIZERS[sanitizer])
    host = open_host(variant, program=program)
    host.track(noise(100_000), 0)
    assert host.say(f"fuzz 1 1000 {' '.join(SYMBOLS[variant])}") == "ok"
    host.close()
