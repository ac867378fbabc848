"""Each row of the table: a value other than the default arrives where the row says it goes."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bandmate_bridge.batch.song import Outcome
from bandmate_bridge.cli import main
from bandmate_bridge.client import Done
from bandmate_bridge.commands import batch, parts, send
from bandmate_bridge.commands import separate as separate_command
from bandmate_server.files import write_json
from bandmate_server.jobs import runner
from bandmate_server.jobs.allowed_files import AllowedFolders, ServerFiles
from bandmate_server.jobs.request import JobRequest, read_job
from bandmate_server.jobs.store import REQUEST
from bandmate_server.model import bundle
from bandmate_server.model.model import Model
from bandmate_server.option_kinds import Choice, Number, Stems, Switch, Text, Whole
from bandmate_server.options import OPTIONS, TASKS, Option, Task, Way, options_of
from bandmate_server.osc.routes import REQUESTS, check_arguments
from bandmate_server.results.result import Result

Row = Option[Any]
ENGINE = ("separate_file", "write_part")
RATE = 8_000


def rows(way: Way) -> list[Any]:
    """Return all tasks with each of their options."""
    return [
        pytest.param(task, row, id=f"{task}-{row.name}")
        for task in TASKS
        for row in options_of(task, way).values()
    ]


def another(row: Row) -> Any:
    """Return a value that is not the default."""
    kind = row.kind
    if isinstance(kind, Whole):
        return kind.low + 1 + (kind.low + 1 == row.default)
    if isinstance(kind, Number):
        return kind.low + 0.25
    if isinstance(kind, Choice):
        return next(word for word in kind.words if word != row.default)
    return {Text: "other", Stems: ("bass", "drums"), Switch: True}[type(kind)]


def words(row: Row) -> list[str]:
    """Return how a command line says it."""
    value = another(row)
    if value is True:
        return [row.flag]
    return [row.flag, ",".join(value) if isinstance(value, tuple) else str(value)]


class Calls:
    """Stands where the engine's functions stand, and notes their arguments by name."""

    def __init__(self, folder: Path):
        self._folder = folder
        self.found: list[dict[str, Any]] = []

    def instead_of(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what is called instead."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self.found.append(inspect.signature(function).bind(*args, **kwargs).arguments)
            folder = self._folder / f"call-{len(self.found)}"
            folder.mkdir()
            facts = {
                "region": {"seconds": 1.0, "frames": 1},
                "timings": {"total": 1.0},
                "warnings": [],
            }
            shape = {"frames": 1, "rate": RATE, "channels": 1, "settings": {"take": 1}}
            result = Result(folder, {}, facts | shape)
            return result if function.__name__ == "separate_file" else [result]

        return call


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Model) -> Calls:
    """Take the engine's place in the commands and the worker."""
    (tmp_path / "calls").mkdir()
    found = Calls(tmp_path / "calls")
    for module in (separate_command, parts, runner):
        for name in ENGINE:
            if hasattr(module, name):
                monkeypatch.setattr(module, name, found.instead_of(getattr(module, name)))

    def open_model(name: str, *, device: str, threads: int | None) -> Model:
        found.found.append({"model": name, "device": device, "threads": threads})
        return model

    monkeypatch.setattr(separate_command, "open_model", open_model)
    monkeypatch.setattr(parts, "open_model", open_model)
    monkeypatch.setattr(parts, "read_spec", lambda name: model.spec)
    return found


def check_settings(task: Task, row: Row, found: list[dict[str, Any]]) -> None:
    """Check that calls of the engine have the option's value."""
    if row.name == "takes" and task == "separate":
        assert [call["settings"].seed for call in found] == [*range(another(row))]
    elif row.goes == "settings" and not (row.name == "stems" and task == "generate"):
        assert getattr(found[0]["settings"], row.name) == another(row)
    else:
        call = found[0] if row.name in found[0] else vars(found[0]["task"])
        assert call[row.name] == another(row)


@pytest.mark.parametrize(("task", "row"), rows("command"))
def test_a_command_hands_it_to_the_engine(
    commands: dict[str, list[str]],
    calls: Calls,
    capsys: pytest.CaptureFixture[str],
    task: Task,
    row: Row,
) -> None:
    assert main([*commands[task], "--out", "out", *words(row)]) == 0
    opened, *engine = calls.found
    shown = capsys.readouterr().out
    if row.goes == "engine":
        assert opened[row.name] == another(row)
    elif row.goes == "report":
        assert json.loads(shown)["ok"] if row.name == "json" else shown == ""
    else:
        check_settings(task, row, engine)


@pytest.mark.parametrize(
    ("task", "row"), [row for row in rows("batch") if row.values[0] in ("separate", "add")]
)
@pytest.mark.usefixtures("commands")
def test_a_batch_hands_it_to_its_workers(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: Model,
    task: Task,
    row: Row,
) -> None:
    found: list[Any] = []

    def run_pool(plan: Any, works: dict[int, Any], jobs: int, done: Any, *_: object) -> None:
        found.extend([plan, [plan.seed(work) for work in works.values()]])
        for index, work in works.items():
            done(index, Outcome(str(work.song.path), work.take, "done"))

    monkeypatch.setattr(batch, "run_pool", run_pool)
    monkeypatch.setattr(bundle, "find_bundle", lambda name: model.bundle)
    monkeypatch.setattr(bundle, "load_bundle", lambda found: found)
    added = ["--stems", "piano"] if task == "add" else []
    command = ["batch", "song.wav", "--task", task, *added, "--out", "out", *words(row)]
    assert main(command) == 0
    plan, seeds = found
    shown = capsys.readouterr().out
    if row.name == "takes":
        assert seeds == [*range(another(row))]
    elif row.goes == "report":
        assert json.loads(shown)["ok"] if row.name == "json" else shown == ""
    elif row.goes == "settings":
        assert getattr(plan.settings, row.name) == another(row)
    else:
        assert getattr(plan, row.name) == another(row)


@pytest.mark.parametrize(
    ("task", "row"), [row for row in rows("send") if row.values[1].goes not in ("files", "report")]
)
def test_send_puts_it_into_the_packet(
    sent: Callable[..., Any], commands: dict[str, list[str]], task: Task, row: Row
) -> None:
    message = sent(*commands[task], *words(row))
    request = read(message)
    value = another(row)
    if row.name in ("start", "end"):
        region = (
            request.arguments if "frames" in request.arguments else request.arguments["session"]
        )
        reached = region["start"] + (region["frames"] if row.name == "end" else 0)
        assert reached == value * RATE
    elif row.name not in options_of(task, "osc"):
        assert request.arguments[row.name] == value
    else:
        assert json.loads(message.values[-1]) == {row.name: plain(value)}
        assert request.options == {row.name: value}


@pytest.mark.parametrize("row", [row for row in OPTIONS if row.goes in ("files", "report")])
def test_send_keeps_to_itself_what_is_its_own(
    commands: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    row: Row,
) -> None:
    forced: list[bool] = []

    class Answered:
        """A server that has done everything."""

        def __enter__(self) -> "Answered":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def separate(self, *_: object) -> str:
            return "job"

        def events(self, job: str) -> list[Done]:
            return [Done(job, "done", "", "")]

        def status(self, job: str) -> dict[str, Any]:
            return {"stems": []}

        def fetch_files(self, job: str, out: Path, force: bool) -> list[Path]:
            forced.append(force)
            return []

    monkeypatch.setattr(send, "connect", lambda *_: Answered())
    assert main(["send", *commands["separate"], "--out", "out", *words(row)]) == 0
    shown = capsys.readouterr().out
    assert forced == [row.name == "force"]
    if row.goes == "report":
        assert json.loads(shown)["ok"] if row.name == "json" else shown == ""


def read(message: Any) -> JobRequest:
    """Return what the server makes of a message."""
    arguments = check_arguments(REQUESTS[message.address], message)
    return read_job(message.address, arguments, ("bass", "drums", "guitar", "piano"))


def plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize(("task", "row"), rows("osc"))
def test_the_worker_hands_it_to_the_engine(
    commands: dict[str, list[str]],
    calls: Calls,
    model: Model,
    tmp_path: Path,
    task: Task,
    row: Row,
) -> None:
    session = {stem: str(tmp_path / f"{stem}.wav") for stem in ("bass", "drums")}
    arguments: dict[str, dict[str, Any]] = {
        "separate": {"wav": str(tmp_path / "song.wav"), "start": 0, "frames": -1},
        "add": {"stems": "piano", "session": json.dumps(session)},
        "fill": {"stem": "bass", "session": json.dumps(session), "start": 0, "frames": -1},
        "vary": {"stem": "bass", "session": json.dumps(session), "strength": 0.5},
        "generate": {"seconds": 1.0},
    }
    given = {"req": "r", "options": json.dumps({row.name: plain(another(row))})}
    request = read_job(f"/bandmate/{task}", given | arguments[task], model.spec.stems)
    if row.goes == "mail":
        options = request.options | {"position": 1}
        mail = JobRequest("r", f"/bandmate/{task}", request.arguments, options).mail
        assert getattr(mail, row.name) == another(row)
        return
    folder = tmp_path / "job"
    folder.mkdir()
    write_json(folder / REQUEST, request.to_json())
    files = ServerFiles(tmp_path, AllowedFolders([tmp_path]))
    runner.run_job(model, folder, files, lambda *_: None, lambda: False)
    check_settings(task, row, calls.found)
