"""The listening page: its files, and what a real browser makes of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import soundfile as sf

from bandmate_training.cli import main

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SONG = Path(__file__).parents[3] / "examples" / "late-bus-stems"
PROBE = """<script>
window.addEventListener("load", async () => {
  const ready = (audio) => new Promise((done) => {
    if (audio.readyState >= 1) done(audio.duration);
    audio.addEventListener("loadedmetadata", () => done(audio.duration));
    audio.addEventListener("error", () => done(-1));
  });
  const lengths = await Promise.all([...document.querySelectorAll("audio")].map(ready));
  const widths = [...document.images].map((image) => image.naturalWidth);
  const found = document.createElement("pre");
  found.id = "probe";
  found.textContent = JSON.stringify({lengths, widths});
  document.body.append(found);
});
</script></body>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, fake_bundle: Path) -> Path:
    out = tmp_path_factory.mktemp("page") / "listen"
    words = ["listen", "--song", str(SONG), "--model", str(fake_bundle), "--part-steps", "1"]
    words += ["--seconds", "2.56", "--takes", "2", "--stems", "drums,piano", "--out", str(out)]
    assert main(words) == 0
    return out


def test_page_shows_context_true_stem_and_takes_of_every_part(page: Path) -> None:
    text = (page / "index.html").read_text()
    rows = re.findall(r'<div class="row"><strong>([^<]*)', text)
    assert rows[:4] == ["Context", "True drums", "Take 1", "Take 2"]
    assert rows[4:] == ["Context", "True piano", "Take 1", "Take 2"]
    assert "Given: bass, drums, guitar." in text
    assert "Drums for late-bus-stems" in text
    sources = re.findall(r'src="([^"]+)"', text)
    assert len(sources) == 2 * 2 * (1 + 2 + 2 * 2)
    assert {path.name for path in page.iterdir()} == {*sources, "index.html"}


def test_clips_are_small_whole_and_differ_between_takes(page: Path) -> None:
    clips = sorted(page.glob("*.ogg"))
    for clip in clips:
        info = sf.info(clip)
        assert (info.samplerate, info.frames, info.subtype) == (16_000, 40_960, "VORBIS")
    takes = [sf.read(clip)[0] for clip in clips if clip.stem.startswith("drums")]
    assert max(abs(wave).max() for wave in takes) == pytest.approx(0.89, abs=0.06)
    assert sum(path.stat().st_size for path in page.iterdir()) < 600_000


def test_a_browser_loads_every_player_and_picture_without_complaint(
    page: Path, tmp_path: Path
) -> None:
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    copy = shutil.copytree(page, tmp_path / "copy")
    index = copy / "index.html"
    index.write_text(index.read_text().replace("</body>", PROBE))
    command = [
        *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
        *(f"--user-data-dir={tmp_path / 'profile'}", "--timeout=60000", "--dump-dom"),
        "--virtual-time-budget=20000",
        index.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout)
    assert found, done.stderr[-2000:]
    assert "CONSOLE" not in done.stderr, done.stderr[-2000:]
    lengths = re.findall(r"[-\d.]+", found[1].split("widths")[0])
    assert len(lengths) == 14
    assert all(float(length) == pytest.approx(2.56, abs=0.05) for length in lengths)
    widths = re.findall(r"\d+", found[1].split("widths")[1])
    assert widths == ["64"] * 14


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--song", "/nowhere"], "no bass.wav or bass.flac in /nowhere"),
        (["--song", str(SONG), "--seconds", "60"], "shorter than --seconds 60"),
        (["--song", str(SONG), "--stems", "flute"], "expected some of bass"),
        (["--corpus", "CORPUS", "--tracks", "nobody"], "no track nobody"),
        (["--corpus", "CORPUS", "--seconds", "4", "--tracks", "song2", "--stems", "piano"],
         "no clip has piano"),
    ],
)  # fmt: skip
def test_what_cannot_be_listened_to_fails_with_one_line(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str],
    message: str,
) -> None:  # fmt: skip
    words = [str(corpus) if word == "CORPUS" else word for word in options]
    assert main(["listen", *words, "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_parts_for_a_corpus_come_from_different_songs(
    corpus: Path, tmp_path: Path, fake_bundle: Path
) -> None:
    words = ["listen", "--corpus", str(corpus), "--model", str(fake_bundle), "--part-steps", "1"]
    words += ["--seconds", "1.28", "--takes", "1", "--stems", "bass,drums,guitar"]
    assert main([*words, "--out", str(tmp_path / "page")]) == 0
    titles = re.findall(r"<h2>\w+ for (\w+)", (tmp_path / "page" / "index.html").read_text())
    assert sorted(titles) == ["song0", "song1", "song2"]
