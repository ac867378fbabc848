"""The models that a worker has open: opened when a task first needs them, two at most."""

from __future__ import annotations

from collections.abc import Callable

from bandmate_server.errors import BundleError
from bandmate_server.model.bundle import MANIFEST, find_bundle
from bandmate_server.model.library.choice import check_task, model_for
from bandmate_server.model.library.machine import resident_mb
from bandmate_server.model.opening import AnyModel, open_model
from bandmate_server.options import Task

MOST = 2  # such as a separator and one that makes parts; each takes memory while it is open

Opened = Callable[[AnyModel, str, int | None], None]
Stamp = tuple[int, int] | None


class HeldModels:
    """Models by name, the one used last at the end.

    Args:
        named: that does every task, or None: for each the one that was chosen.
        device: for all of them.
        threads: likewise.
        opened: called with a model that was opened, the names of all that are open, joined by
            commas, and the memory of this process in MB, where the system tells it.
    """

    def __init__(self, named: str | None, device: str, threads: int | None, opened: Opened):
        self._named, self._device, self._threads = named, device, threads
        self._opened = opened
        self._held: dict[str, tuple[Stamp, AnyModel]] = {}

    def model_of(self, task: Task) -> AnyModel:
        """Return the model of a task, opened if it is not; the one used longest ago may go.

        One that was replaced on the disk since is opened anew.

        Raises:
            BandmateError: if it cannot be opened, or cannot do the task.
        """
        name = model_for(task, self._named)
        stamp, held = _stamp(name), self._held.pop(name, None)
        if held is not None and stamp in (None, held[0]):
            self._held[name] = held
            model = held[1]
        else:
            model = self._open(name, stamp)
        check_task(model.bundle.name, model.spec, task)
        return model

    def _open(self, name: str, stamp: Stamp) -> AnyModel:
        while len(self._held) >= MOST:
            del self._held[next(iter(self._held))]
        model = open_model(name, self._device, self._threads)
        self._held[name] = stamp, model
        names = ",".join(one.bundle.name for _, one in self._held.values())
        self._opened(model, names, resident_mb())
        return model


def _stamp(name: str) -> Stamp:
    """Return what tells a model on the disk from one that takes its place; None: it has gone."""
    try:
        found = (find_bundle(name) / MANIFEST).stat()
    except (BundleError, OSError):
        return None
    return found.st_mtime_ns, found.st_ino
