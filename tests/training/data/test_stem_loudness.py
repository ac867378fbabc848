"""`bandmate-train levels`: how loud each stem is beside the others."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from bandmate_server.audio.loudness import power_sum_db
from bandmate_server.spec import STEMS
from bandmate_training.cli import main

DB = {"bass": -12.0, "drums": -18.0, "guitar": -15.0, "piano": -24.0}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three songs of noise at known levels; in the last one the piano rests."""
    rng = np.random.default_rng(0)
    for song in range(3):
        folder = tmp_path / "train" / f"song-{song}"
        folder.mkdir(parents=True)
        for stem in STEMS:
            if (song, stem) == (2, "piano"):
                continue
            wave = 10 ** ((DB[stem] - 10 * song) / 20) * rng.standard_normal(32_000)
            sf.write(folder / f"{stem}.wav", wave.astype(np.float32), 16_000, "FLOAT")
    return tmp_path


def test_levels_of_known_songs_are_found(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["levels", "--corpus", str(corpus), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    for stem, level in found["levels_db"].items():
        assert level == pytest.approx(DB[stem] - power_sum_db(DB.values()), abs=0.1)
    rows = {(row["stem"], *row["given"]): row for row in found["rows"]}
    assert len(rows) == 28
    assert rows["bass", "drums"]["mean_lu"] == pytest.approx(6.0, abs=0.1)
    assert rows["bass", "drums"]["songs"] == 3
    assert rows["piano", "bass"]["songs"] == 2
    together = -24.0 - power_sum_db([-12.0, -18.0, -15.0])
    assert rows["piano", "bass", "drums", "guitar"]["mean_lu"] == pytest.approx(together, abs=0.1)
    assert main(["levels", "--corpus", str(corpus), "--songs", "1"]) == 0
    assert "bass to drums: " in capsys.readouterr().out
