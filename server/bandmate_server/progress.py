"""Progress out, cancellation in: one object that long loops call."""

from __future__ import annotations

from collections.abc import Callable

from bandmate_server.errors import Cancelled, SettingsError
from bandmate_server.option_kinds import shown

Progress = Callable[[str, float], None]
Cancel = Callable[[], bool]


def ignore_progress(stage: str, fraction: float) -> None:
    """Take a progress report and do nothing."""


def never_cancel() -> bool:
    """Say that the work goes on."""
    return False


class Monitor:
    """Turns the share done of each stage into one rising fraction of the whole job.

    Args:
        progress: receives (stage, fraction of the whole job in 0..1).
        cancel: true once the work should stop.
        shares: the stages in order, each with its share of the job; they sum to 1.

    Raises:
        SettingsError: if one of them cannot be called.
    """

    def __init__(self, progress: Progress | None, cancel: Cancel | None, shares: dict[str, float]):
        for name, value in (("progress", progress), ("cancel", cancel)):
            if value is not None and not callable(value):
                raise SettingsError(f"{name} is {shown(value)}: expected a function, or None")
        self._progress = progress or ignore_progress
        self._cancel = cancel or never_cancel
        self._shares = shares
        self._reached = 0.0

    def check(self) -> None:
        """Raise Cancelled if the work should stop."""
        if self._cancel():
            raise Cancelled("cancelled")

    def reading(self, share: float) -> None:
        """Take the share done of a scan or a decoding, half of the stage "read".

        Raises:
            Cancelled: if the work should stop.
        """
        self.report("read", 0.5 * share)

    def report(self, stage: str, fraction: float) -> None:
        """Report the share `fraction` (0..1) of `stage` as done.

        Raises:
            Cancelled: if the work should stop.
        """
        self.check()
        before = 0.0
        for name, share in self._shares.items():
            if name == stage:
                before += share * min(max(fraction, 0.0), 1.0)
                break
            before += share
        self._reached = min(max(self._reached, before), 1.0)
        self._progress(stage, self._reached)
