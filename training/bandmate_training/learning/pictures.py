"""Pictures of log-mels for a quick look at a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor


def draw_mels(path: Path, rows: Sequence[Sequence[Tensor]], titles: Sequence[str]) -> None:
    """Draw rows of log-mels (N, M), one column per title, into a PNG file."""
    figure = Figure(figsize=(3 * len(titles), 2 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(titles), squeeze=False)
    for axes, row in zip(grid, rows, strict=True):
        for axis, mel in zip(axes, row, strict=True):
            axis.imshow(mel.T.float().numpy(), origin="lower", aspect="auto", vmin=-11.5, vmax=2)
            axis.set_axis_off()
    for axis, title in zip(grid[0], titles, strict=True):
        axis.set_title(title)
    figure.savefig(path, dpi=60)
