"""A page to listen to parts: context, true stem and takes, each with a player and a picture."""

from __future__ import annotations

import html
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf
import torch
from matplotlib.image import imsave

from bandmate_server.spec import MEL
from bandmate_training.evaluation.reporting import write_file
from bandmate_training.networks.mel import LogMel

FloatArray = npt.NDArray[np.float32]

FRAMES_PER_COLUMN = 4  # mel frames: 40 ms
DARKEST, BRIGHTEST = -7.0, 2.5  # log-mel values at the ends of the colours
PEAK = 0.89  # -1 dB: every example is turned up or down as a whole, to this
STYLE = """\
:root { color-scheme: light dark; }
body { font: 16px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
h2 { margin-top: 2.5rem; }
.row { display: grid; grid-template-columns: 9rem 1fr 1fr; gap: .4rem 1rem; align-items: center;
  padding: .5rem 0; border-top: 1px solid #8884; }
.row > strong { font-weight: 600; }
figure { margin: 0; }
figure img { width: 100%; height: 5rem; display: block; border-radius: .25rem; }
figcaption { font-size: .8rem; opacity: .75; }
audio { width: 100%; height: 2.2rem; }
@media (max-width: 40rem) { .row { grid-template-columns: 1fr; } }
"""


@dataclass(frozen=True)
class Sound:
    """One row of an example: a wave (N,) and, but for the context, the same with its context."""

    title: str
    alone: FloatArray
    together: FloatArray | None = None


@dataclass(frozen=True)
class Example:
    """A part that was added to a clip.

    name: for files, letters and dashes; title, about: for readers.
    """

    name: str
    title: str
    about: str
    sounds: list[Sound] = field(default_factory=list)


def build_page(folder: Path, title: str, introduction: str, examples: list[Example]) -> int:
    """Write index.html and its clips and pictures into a folder; return their size in bytes.

    Clips are Ogg Vorbis at MEL.sample_rate; the players load nothing until they are used.

    Raises:
        OutputError: if a file cannot be written.
    """
    mel = LogMel(MEL)
    sections: list[str] = []
    size = 0
    for example in examples:
        gain, rows = np.float32(_gain(example)), []
        for number, sound in enumerate(example.sounds):
            cells = [f"<strong>{html.escape(sound.title)}</strong>"]
            for kind, wave in (("alone", sound.alone), ("in context", sound.together)):
                if wave is not None:
                    stem = f"{example.name}-{number}-{kind.replace(' ', '-')}"
                    size += _write(folder / stem, wave * gain, mel)
                    cells.append(_figure(stem, f"{sound.title}, {kind}", kind))
            rows.append(f'<div class="row">{"".join(cells)}</div>')
        sections.append(
            f"<section><h2>{html.escape(example.title)}</h2><p>{html.escape(example.about)}</p>"
            f"{''.join(rows)}</section>"
        )
    page = _page(title, introduction, sections).encode()
    write_file(folder / "index.html", page)
    return size + len(page)


def _write(path: Path, wave: FloatArray, mel: LogMel) -> int:
    """Write a wave's clip and picture; return their size in bytes."""
    files = {".ogg": vorbis(wave), ".png": picture(wave, mel)}
    for suffix, content in files.items():
        write_file(path.with_name(path.name + suffix), content)
    return sum(map(len, files.values()))


def _gain(example: Example) -> float:
    """Return what brings the loudest of an example's waves to PEAK."""
    waves = [w for s in example.sounds for w in (s.alone, s.together) if w is not None]
    peak = max(float(np.abs(wave).max()) for wave in waves)
    return PEAK / peak if peak > 0 else 1.0


def vorbis(wave: FloatArray) -> bytes:
    """Return a wave (N,) as an Ogg Vorbis file."""
    out = io.BytesIO()
    sf.write(out, wave, MEL.sample_rate, format="OGG", subtype="VORBIS")
    return out.getvalue()


@torch.no_grad()
def picture(wave: FloatArray, mel: LogMel) -> bytes:
    """Return the log-mel of a wave (N,) as a PNG, low bands at the bottom."""
    log_mel = mel(torch.from_numpy(np.ascontiguousarray(wave))).numpy()
    columns = max(len(log_mel) // FRAMES_PER_COLUMN, 1)
    image = log_mel[: columns * FRAMES_PER_COLUMN].reshape(columns, -1, MEL.bands).mean(axis=1)
    levels = 16  # few colours make small files
    step = (BRIGHTEST - DARKEST) / levels
    flat = np.round((np.clip(image.T, DARKEST, BRIGHTEST) - DARKEST) / step) * step
    out = io.BytesIO()
    imsave(out, flat, format="png", origin="lower", cmap="magma", vmin=0, vmax=BRIGHTEST - DARKEST)
    return out.getvalue()


def _figure(stem: str, label: str, kind: str) -> str:
    text = html.escape(label, quote=True)
    return (
        f'<figure><img src="{stem}.png" alt="Spectrogram: {text}">'
        f'<audio controls preload="metadata" src="{stem}.ogg" aria-label="{text}"></audio>'
        f"<figcaption>{html.escape(kind)}</figcaption></figure>"
    )


def _page(title: str, introduction: str, sections: list[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{html.escape(title)}</title><style>\n{STYLE}</style></head>\n"
        f"<body><h1>{html.escape(title)}</h1><p>{html.escape(introduction)}</p>\n"
        + "\n".join(sections)
        + "\n</body></html>\n"
    )
