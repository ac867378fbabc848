"""`evaluate --table`: the paper's tables and the figures of added parts, from corpus to report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf
from PIL import Image

from bandmate_server.spec import STEMS
from bandmate_training.cli import main
from bandmate_training.evaluation import paper_figures
from bandmate_training.evaluation.measures import musicnn
from bandmate_training.evaluation.reports import generation
from bandmate_training.evaluation.spectrograms import HEIGHT, WIDTH

FloatArray = npt.NDArray[np.float32]
Run = Callable[..., int]
RATE = 16_000


class Ear:
    """Embeds a wave as levels of eight bands, over quarters of a second."""

    name = "eight bands"

    def embed(self, wave: FloatArray) -> FloatArray:
        parts = wave[: len(wave) // 4000 * 4000].reshape(-1, 4000)
        spectrum = np.abs(np.fft.rfft(parts, axis=1))[:, :2000].reshape(-1, 8, 250)
        return np.asarray(np.log(spectrum.mean(axis=2) + 1e-3), np.float32)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, corpus: Path, fake_bundle: Path, tmp_path: Path) -> Run:
    monkeypatch.setattr(generation, "open_embedding", lambda vggish: Ear())

    def run(*options: str) -> int:
        words = ["--corpus", str(corpus), "--model", str(fake_bundle), "--seconds", "2.56"]
        out = ["--out", str(tmp_path / "out"), "--part-steps", "2", "--clips", "6"]
        return main(["evaluate", *words, *out, *options])

    return run


def figures(tmp_path: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "out" / f"{name}.json").read_text())
    return found


def write_true_stems(folder: Path, corpus: Path, made: str, gain: float = 1.0) -> None:
    """Write another system's output: the true stems."""
    for song in sorted((corpus / "validation").iterdir()):
        (folder / made / song.name).mkdir(parents=True)
        for stem in STEMS:
            if stem[0].upper() in made:
                path = song / f"{stem}.wav"
                wave = sf.read(path, dtype="float32")[0] if path.exists() else np.zeros(5 * RATE)
                sf.write(folder / made / song.name / f"{stem}.wav", gain * wave, RATE, "FLOAT")


def test_table_one_scores_models_files_and_baselines_beside_the_paper(
    run: Run, corpus: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    write_true_stems(theirs, corpus, "B")
    assert run("--table", "1", "--arrangements", "B,DG", "--system", f"True={theirs}") == 0
    found = figures(tmp_path, "table-1")
    rows = {(row["arrangement"], row["system"]): row for row in found["rows"]}
    assert rows["B", "True"]["whole"] == pytest.approx(0, abs=1e-6)
    assert rows["B", "True"]["ratio"] == pytest.approx(1)
    assert rows["B", "nothing added"]["whole"] > 0.1
    assert {"fake", "another song's"} <= {system for _, system in rows}
    assert ("DG", "True") not in rows  # no folder DG
    assert found["paper"]["figures"]["MSG-LD"]["DG"] == 0.99
    assert found["embedding"] == "eight bands"
    report = (tmp_path / "out" / "table-1.md").read_text()
    assert "eight bands" in report
    header = next(line for line in report.splitlines() if line.startswith("| stems made"))
    assert "fake: all" in header
    assert "paper's MSDM (VGGish, Slakh2100 test)" in header


def test_table_three_scores_whole_songs_and_systems_that_give_only_mixes(
    run: Run, corpus: Path, tmp_path: Path
) -> None:
    write_true_stems(tmp_path / "stems", corpus, "BDGP")
    for song in sorted((corpus / "validation").iterdir()):
        for start in (0, 2):  # clips, named as the paper's code names them
            waves = [sf.read(p)[0] for p in sorted(song.glob("*.wav")) if p.stem in STEMS]
            clip = np.sum(waves, axis=0)[int(start * 1.28 * RATE) :][: int(2.56 * RATE)]
            place = tmp_path / "mixes" / "BDGP" / f"{song.name}_from_{int(start * 1.28)}"
            place.mkdir(parents=True)
            sf.write(place / "mix.wav", clip, RATE, "FLOAT")
    systems = ["--system", f"S={tmp_path / 'stems'}", "--system", f"M={tmp_path / 'mixes'}"]
    assert run("--table", "3", "--clips", "3", *systems) == 0
    rows = {row["system"]: row for row in figures(tmp_path, "table-3")["rows"]}
    assert rows["S"]["whole"] == pytest.approx(0, abs=1e-6)
    assert rows["M"]["whole"] == pytest.approx(0, abs=1e-6)
    assert rows["fake"]["whole"] > 1
    assert "| BDGP | 3 |" in (tmp_path / "out" / "table-3.md").read_text()


def test_table_two_has_the_vae_s_row_and_other_systems(
    run: Run, tmp_path: Path, other_system: Path
) -> None:
    options = ["--clips", "2", "--steps", "1", "--system", f"Theirs={other_system}"]
    assert run("--table", "2", *options) == 0
    report = (tmp_path / "out" / "table-2.md").read_text()
    for row in ("| VAE reconstruction | own |", "| Theirs | audio |", "| separator | audio |"):
        assert row in report
    assert not (tmp_path / "out" / "separation.md").exists()


def test_context_fit_knows_true_stems_and_brings_shuffled_contexts_to_chance(
    run: Run, corpus: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    for stem in "BDGP":
        write_true_stems(theirs, corpus, stem)
    options = ["--takes", "2", "--system", f"True={theirs}"]
    assert run("--table", "context-fit", *options) == 0
    rows = {(r["task"], r["performer"]): r for r in figures(tmp_path, "context-fit")["rows"]}
    drums = rows["drums to bass + guitar + piano", "True"]
    assert drums["onsets"] == rows["drums to bass + guitar + piano", "true stem"]["onsets"]
    assert drums["takes"] == 2 * drums["clips"]
    assert drums["diversity"] == 0
    assert drums["silent"] == drums["clipped"] == 0
    assert rows["bass to drums + guitar + piano", "another song's"]["silent"] == 0
    assert ("drums to bass + piano", "True") not in rows
    assert ("drums to bass + piano", "fake") in rows
    report = (tmp_path / "out" / "context-fit.md").read_text()
    assert "## Drums on the beat" in report


def test_parts_are_judged_with_as_many_drafts_as_are_asked_for(run: Run, tmp_path: Path) -> None:
    harmony = {}
    for count in ("1", "3"):
        assert run("--table", "context-fit", "--clips", "3", "--drafts", count) == 0
        found = figures(tmp_path, "context-fit")
        assert f"--drafts {count}" in found["command"]
        rows = [row for row in found["rows"] if row["performer"] == "fake"]
        harmony[count] = [(row["chroma"], row["onsets"], row["grid"]) for row in rows]
    assert harmony["1"] != harmony["3"]


def test_vocoder_table_has_every_maker_and_a_perfect_true_wave(run: Run, tmp_path: Path) -> None:
    assert run("--table", "vocoder", "--clips", "2", "--seconds", "1.28") == 0
    rows = {(r["maker"], r["sound"]): r for r in figures(tmp_path, "vocoder")["rows"]}
    assert rows["true wave", "mixture"]["spectral"] == rows["true wave", "mixture"]["mel"] == 0
    assert rows["true wave", "bass"]["distance"] == pytest.approx(0, abs=1e-6)
    for maker in ("vocoder", "Griffin-Lim", "VAE and vocoder"):
        assert rows[maker, "drums"]["spectral"] > 0.1
    classic, fake = (rows[maker, "mixture"]["mel"] for maker in ("Griffin-Lim", "vocoder"))
    assert classic < 0.2 * fake  # the fake vocoder plays one tone
    assert "| stems, mean | Griffin-Lim |" in (tmp_path / "out" / "vocoder.md").read_text()


def test_the_same_command_gives_the_same_figures(run: Run, tmp_path: Path) -> None:
    options = ["--table", "1", "--arrangements", "P", "--clips", "3"]
    run(*options)
    first = figures(tmp_path, "table-1")["rows"]
    run(*options)
    assert figures(tmp_path, "table-1")["rows"] == first


def test_the_real_embedding_hears_the_tables(
    corpus: Path, fake_bundle: Path, tmp_path: Path
) -> None:
    if musicnn.find_weights() is None:
        pytest.skip(f"musicnn's weights are not installed: {musicnn.INSTALL}")
    words = ["--corpus", str(corpus), "--model", str(fake_bundle), "--seconds", "2.56"]
    out = ["--out", str(tmp_path / "out"), "--part-steps", "1", "--clips", "3", "--table", "3"]
    assert main(["evaluate", *words, *out]) == 0
    assert figures(tmp_path, "table-3")["embedding"].startswith("musicnn")
    assert figures(tmp_path, "table-3")["rows"][0]["whole"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--table", "1", "--system", "x=/nowhere"], "no such folder"),
        (["--table", "3", "--model", "none"], "needs a model or --system"),
        (["--table", "vocoder", "--model", "none"], "needs a model"),
        (["--table", "1", "--system", "fake=."], "the name is taken"),
        (["--table", "1", "--system", "a=.", "--system", "a=.."], "the same name"),
        (["--table", "1", "--guidance", "-1"], "guidance"),
    ],
)
def test_what_cannot_be_scored_fails_with_one_line(
    run: Run, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert run(*options) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_paper_s_figures_are_those_of_its_tables() -> None:
    assert list(paper_figures.ARRANGEMENTS)[:5] == ["B", "D", "G", "P", "BD"]
    assert len(paper_figures.ARRANGEMENTS) == 14
    assert paper_figures.ARRANGEMENTS["G"] == (0.11, 0.29)  # where MSDM is the better one
    assert [k for k, (msdm, ours) in paper_figures.ARRANGEMENTS.items() if msdm < ours] == ["G"]
    assert paper_figures.TOTAL == {"MSDM": 6.55, "MusicLDM": 1.68, "MSG-LD": 1.30}


def test_parts_are_measured_beside_true_stems_other_songs_and_noise(
    run: Run, corpus: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    write_true_stems(theirs, corpus, "B")
    assert run("--table", "parts", "--drafts", "1", "--system", f"True={theirs}") == 0
    rows = {(row["stem"], row["performer"]): row for row in figures(tmp_path, "parts")["rows"]}
    true, copied, wrong = (rows["bass", name] for name in ("true stem", "True", "noise"))
    assert copied["chroma"] == pytest.approx(true["chroma"])
    assert copied["frechet"] == pytest.approx(0, abs=1e-6) and true["frechet"] is None
    assert wrong["frechet"] > 1 and true["halves"] == wrong["halves"]
    assert wrong["clarity"] < 0.1 < 0.8 < true["clarity"]
    assert rows["drums", "true stem"]["clarity"] is None
    assert {"fake", "another song's", "true stem through VAE and vocoder"} <= {
        name for _, name in rows
    }
    report = (tmp_path / "out" / "parts.md").read_text()
    assert "| bass | noise |" in report
    with Image.open(tmp_path / "out" / "parts-bass-0.png") as picture:
        assert picture.size[0] == WIDTH and picture.size[1] >= 3 * HEIGHT
