"""Coverage-guided fuzzing, for a moment; docs/osc.md has the command and result of a long run."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_the_protocol_withstands_a_moment_of_fuzzing(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris has no wheel for this Python")
    script = Path(__file__).with_name("fuzz_protocol.py")
    options = ["-runs=20000", "-max_total_time=30", "-max_len=2048", "-seed=1", "-verbosity=0"]
    done = subprocess.run(
        [sys.executable, str(script), *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert list(tmp_path.glob("crash-*")) == []
