"""The progress bar, on stderr."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from bandmate_bridge.terminal.console import one_line
from bandmate_server.progress import Progress

DELAY = 2.0  # seconds of work before the bar appears
FORMAT = "{desc}: {percentage:3.0f}% |{bar:30}| {remaining} left"


@contextmanager
def progress_bar(title: str, *, quiet: bool) -> Iterator[Progress | None]:
    """Yield a callback that draws a bar with the time left, once two seconds have passed.

    Nothing is drawn, and nothing yielded, if `quiet`; nothing is drawn either where
    stderr is no terminal.
    """
    if quiet:
        yield None
        return
    tqdm.monitor_interval = 0  # No watching thread for one bar.
    with tqdm(
        total=1.0,
        desc=one_line(title),
        delay=DELAY,
        bar_format=FORMAT,
        disable=None,
        leave=False,
        ncols=shutil.get_terminal_size().columns,  # 80 where the terminal does not say;
        nrows=20,  # there tqdm itself would take -1 rows and draw nothing.
        file=sys.stderr,
    ) as bar:

        def advance(stage: str, fraction: float) -> None:
            bar.set_description_str(f"{one_line(title)} ({stage})", refresh=False)
            bar.update(max(0.0, fraction - bar.n))

        yield advance
