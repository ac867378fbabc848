"""Every command that docs/evaluation.md shows runs, on a tiny corpus."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch

from bandmate_training.cli import main
from bandmate_training.corpus import build, instruments
from bandmate_training.evaluation.measures import musicnn, vggish

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs" / "evaluation.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
COMMANDS = [line for line in "".join(BLOCKS).splitlines() if line.startswith("bandmate-train")]
SMALL = {
    "corpus": ["--hours", "0.05", "--jobs", "1"],
    "evaluate": [
        *("--clips", "3", "--seconds", "1.28"),
        *("--part-steps", "1", "--takes", "1", "--arrangements", "B"),
    ],
    "listen": ["--seconds", "1.28", "--part-steps", "1", "--takes", "1"],
}


def vggish_file(path: Path) -> Path:
    """Write weights in VGGish's layout, one channel wide."""
    state = {f"features.{i}.weight": torch.ones(1, 1, 3, 3) for i in vggish.CONVOLUTIONS}
    state |= {f"features.{i}.bias": torch.zeros(1) for i in vggish.CONVOLUTIONS}
    for index in vggish.LINEARS:
        state |= {f"embeddings.{index}.weight": torch.ones(24, 24) / 24}
        state |= {f"embeddings.{index}.bias": torch.zeros(24)}
    torch.save(state, path)
    return path


def test_the_docs_show_every_table_and_the_page() -> None:
    shown = " ".join(COMMANDS)
    for words in (
        "--table systems",
        "--mixtures",
        "--table 1",
        "--table 2",
        "--table 3",
        "context-fit",
        "parts",
        "vocoder",
        " listen ",
    ):
        assert words in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shown_runs(
    command: str,
    corpus: Path,
    fake_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command)[1:]
    if words[0] == "corpus":
        request.getfixturevalue("renderers")
        monkeypatch.setattr(build, "SECONDS", (8.0, 10.0))
        Path("font.sf2").symlink_to(instruments.FONTS["tim"])
    else:
        Path("other").symlink_to(corpus)
    deaf = {
        "2",
        "systems",
        "--mixtures",
        "context-fit",
        "listen",
        "corpus",
    }  # what needs no embedding
    if musicnn.find_weights() is None and not deaf & set(words):
        pytest.skip(f"musicnn's weights are not installed: {musicnn.INSTALL}")
    Path("corpus").symlink_to(corpus)
    Path("slakh").mkdir()
    Path("slakh/test").symlink_to(corpus / "validation")
    Path("examples").symlink_to(ROOT / "examples")
    for made in ("B", "BDGP"):
        (tmp_path / "msdm" / made).mkdir(parents=True)
        for song in sorted((corpus / "validation").iterdir()):
            stems = tmp_path / "msdm" / made / song.name
            stems.mkdir()
            for stem in ("bass", "drums", "guitar", "piano"):
                (stems / f"{stem}.wav").symlink_to(song / "bass.wav")
    Path("theirs").symlink_to(corpus / "validation")
    vggish_file(tmp_path / "vggish.pth")
    small = SMALL[words[0]]
    if "--model" not in words and words[0] != "corpus":
        small = [*small, "--model", str(fake_bundle)]
    assert main([*words, *small]) == 0
    out = Path(words[words.index("--out") + 1])
    assert any(list(out.glob(made)) for made in ("*.md", "index.html", "*_from_*.wav"))
