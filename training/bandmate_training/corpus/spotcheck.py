"""A page to look at and listen to: pictures and players of a few tracks."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from matplotlib.figure import Figure

from bandmate_server.spec import MEL, OTHER, STEMS
from bandmate_training.corpus.render import Audio
from bandmate_training.corpus.report import read_tracks

TRACKS = 8
START, LENGTH = 20.0, 15.0  # seconds shown
FLOOR = -90.0  # dB


def log_spectrum(audio: Audio) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the mel spectrum (M, N) in dB; audio shorter than a frame is padded."""
    audio = np.pad(audio, (0, max(0, MEL.fft_size - len(audio))))
    frames = np.lib.stride_tricks.sliding_window_view(audio, MEL.fft_size)[:: MEL.hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(MEL.fft_size))) ** 2
    return 10 * np.log10(_bands() @ power.T / MEL.fft_size + 1e-9)


def _bands() -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return triangles (M, bins) on the HTK mel scale: good enough for a picture."""
    top = 2595 * np.log10(1 + MEL.fmax / 700)
    edges = 700 * (10 ** (np.linspace(0, top, MEL.bands + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(MEL.fft_size, 1 / MEL.sample_rate)
    low, mid, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid))
    return np.asarray(np.maximum(triangles, 0.0))


def picture(folder: Path, target: Path, beats: list[float]) -> None:
    """Draw a stretch of a track's stems, with the beats as white marks."""
    stems = [s for s in (*STEMS, OTHER) if (folder / f"{s}.wav").exists()]
    figure = Figure(figsize=(9, 1.5 * len(stems)), layout="constrained")
    rate = MEL.sample_rate
    start = max(0.0, min(START, soundfile.info(folder / f"{stems[0]}.wav").duration - LENGTH))
    for row, stem in enumerate(stems, 1):
        audio, _ = soundfile.read(
            folder / f"{stem}.wav", start=int(start * rate), frames=int(LENGTH * rate),
            dtype="float32",
        )  # fmt: skip
        axes = figure.add_subplot(len(stems), 1, row)
        extent = (start, start + len(audio) / rate, 0, MEL.bands)
        axes.imshow(log_spectrum(audio), origin="lower", aspect="auto", extent=extent,
                    vmin=FLOOR, vmax=0, cmap="magma")  # fmt: skip
        shown = [b for b in beats if start <= b < start + len(audio) / rate]
        axes.plot(shown, [MEL.bands - 2] * len(shown), "w|", markersize=4)
        axes.set_ylabel(stem)
    figure.savefig(target, dpi=80)


def write_page(out: Path, count: int = TRACKS) -> None:
    """Write spot-check.html and its pictures, from tracks spread over both splits."""
    pictures = out / "spot-check"
    pictures.mkdir(exist_ok=True)
    sections = []
    for split, wanted in (("train", count - 2), ("validation", 2)):
        tracks = read_tracks(out, split)
        for track in tracks[:: max(1, len(tracks) // wanted)][:wanted]:
            name = f"{split}-{track['name']}.png"
            picture(out / split / track["name"], pictures / name, track["beats"])
            sections.append(_section(out, split, track, name))
    page = "<!doctype html><meta charset=utf-8><title>Spot check</title>\n" + "\n".join(sections)
    (out / "spot-check.html").write_text(page + "\n")


def _section(out: Path, split: str, track: dict[str, Any], name: str) -> str:
    folder = f"{split}/{track['name']}"
    players = "".join(
        f"<p>{stem}: <audio controls preload=none src='{folder}/{stem}.wav'></audio> "
        + html.escape(", ".join(f"{v['preset']} ({v['role']})" for v in track["voices"][stem]))
        + "</p>"
        for stem in track["voices"]
        if (out / folder / f"{stem}.wav").exists()
    )
    facts = f"{track['source']} {track['detail']}, {track['tempo']:.0f} bpm, {track['key']}"
    chords = " ".join(c[2] for c in track["chords"][:16])
    return (f"<h2>{folder}</h2><p>{html.escape(facts)}; {html.escape(chords)} ...</p>"
            f"<img src='spot-check/{name}' alt='stems of {folder}'>{players}")  # fmt: skip
