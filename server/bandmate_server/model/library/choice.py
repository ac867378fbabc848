"""Which model does a task: the one that is named, the one chosen for it, or the usual one."""

from __future__ import annotations

from pathlib import Path

from bandmate_server.errors import SettingsError
from bandmate_server.model.bundle import list_bundles, read_spec
from bandmate_server.model.library.preferences import read_preferences
from bandmate_server.options import PARTS, TASKS, USUAL_MODEL, Task
from bandmate_server.spec import AnySpec

# A model that is two: the second, where it is there, for stems that are added to given ones.
ARRANGING = {"msg-ld": "msg-ld-arrange"}
ADDING: tuple[Task, ...] = ("add", "fill", "vary")


def model_for(task: Task, named: str | None = None) -> str:
    """Return the name or folder of the model that does a task.

    Args:
        task: to be done.
        named: by the user, for this time; it comes first.

    Raises:
        SettingsError: if what was chosen earlier cannot be read.
    """
    name = named or read_preferences().get(f"model.{task}", USUAL_MODEL)
    other = ARRANGING.get(name)
    return other if other and task in ADDING and other in list_bundles() else name


def models_by_task(named: str | None = None) -> dict[Task, str]:
    """Return the model of every task.

    Raises:
        SettingsError: if what was chosen earlier cannot be read.
    """
    return {task: model_for(task, named) for task in TASKS}


def check_task(name: str, spec: AnySpec, task: Task) -> None:
    """Refuse a model that cannot do a task.

    Raises:
        SettingsError: saying so.
    """
    if spec.kind != "latent" and task in PARTS:
        raise SettingsError(
            f"{name} only separates, it makes no parts: name another model, such as {USUAL_MODEL}"
        )


def chosen_model(task: Task, value: str) -> str:
    """Return a model as it is written down for a task: a name, or a folder's whole path.

    Raises:
        BundleError: if there is no such model.
        SettingsError: if it cannot do the task.
    """
    check_task(value, read_spec(value), task)
    return value if value in list_bundles() else str(Path(value).absolute())
