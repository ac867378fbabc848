"""The table of options against what is shown of it, and its limits in every way in."""

import json
import re
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandmate_bridge.arguments.parser import build_parser
from bandmate_bridge.arguments.parsing import UsageError
from bandmate_bridge.cli import main
from bandmate_server import options
from bandmate_server.errors import RequestError, SettingsError
from bandmate_server.jobs.request import read_job
from bandmate_server.option_arguments import help_text
from bandmate_server.option_kinds import Choice, Number, Whole
from bandmate_server.options import OPTIONS, TASKS, Option, Task, options_of
from bandmate_server.settings import PartSettings, SeparateSettings
from bandmate_server.spec import STEMS

Row = Option[Any]
ROOT = Path(__file__).parents[2]
SETTINGS: dict[Task, type[SeparateSettings | PartSettings]] = {
    "separate": SeparateSettings,
    **dict.fromkeys(options.PARTS, PartSettings),
}


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def squeezed(text: str) -> str:
    """Return text without the breaks that argparse puts between and into words."""
    return re.sub(r"\s+", "", text)


@cache
def parser_of(*command: str) -> Any:
    """Return the parser of the whole command line, or of one command."""
    if not command:
        return build_parser()
    return parser_of(*command[:-1])._subparsers._group_actions[0].choices[command[-1]]


@cache
def help_of(*command: str) -> str:
    return squeezed(parser_of(*command).format_help())


def test_every_row_is_in_the_table_once() -> None:
    named = [row for row in vars(options).values() if isinstance(row, Option)]
    assert sorted(row.name for row in named) == sorted(row.name for row in OPTIONS)
    for task in TASKS:
        for way in options.EVERYWHERE:
            chosen = [row.name for row in OPTIONS if task in row.tasks and way in row.ways]
            assert len(chosen) == len(set(chosen)), (task, way)


def test_a_default_is_a_value_of_its_kind() -> None:
    for row in OPTIONS:
        assert row.default is None or row.read(row.default) == row.default, row.name
        assert row.required or row.is_switch or row.shown_default, row.name


def test_every_field_of_the_settings_has_a_row_and_its_default() -> None:
    for task, settings in SETTINGS.items():
        known = options_of("add", "command") | options_of(task, "command")
        for name, value in vars(settings()).items():
            assert known[name].goes == "settings"
            assert value == known[name].default


@pytest.mark.parametrize("row", OPTIONS, ids=lambda row: f"{row.name}-{row.tasks[0]}")
def test_a_row_is_in_the_help_of_the_commands_that_it_names(row: Row) -> None:
    text = squeezed(help_text(row).replace("%%", "%"))
    for task in row.tasks:
        for way, command in (("command", [task]), ("send", ["send", task])):
            assert (text in help_of(*command)) == (way in row.ways), (task, way)
    if "batch" in row.ways and row is not options.PART_STEPS:  # its row is that of separate
        assert text in help_of("batch")


def test_the_server_and_the_doctor_show_model_and_device() -> None:
    for row in options.in_group(options.ENGINE):
        assert row.flag in help_of("serve")
        assert squeezed(help_text(row)) in help_of("doctor")


def test_the_documented_table_of_requests_options_is_this_one() -> None:
    lines = [line.strip("| ").split(" | ") for line in page("docs/osc.md").splitlines()]
    found = [cells for cells in lines if len(cells) == 5 and cells[0].startswith("`")]
    expected = []
    for row in OPTIONS:
        if "osc" in row.ways:
            of = "all" if row.tasks == TASKS else ", ".join(row.tasks)
            expected.append([f"`{row.name}`", row.kind.expected, row.shown_default, of, row.help])
    assert found == expected


def test_the_documents_of_commands_name_every_option() -> None:
    for task, name in (("separate", "README.md"), ("add", "docs/parts.md")):
        for row in options_of(task, "command").values():  # type: ignore[arg-type]
            shared = row.group in (options.ENGINE, options.PRINTED, options.FILES)
            assert row.flag in page("README.md" if shared else name), row.name


WRONG: dict[type, list[Any]] = {
    Whole: [4.5, "4", "many", True, float("nan"), float("inf"), -(10**30), 10**30, [4]],
    Number: ["1.5", "much", True, float("nan"), float("inf"), -1.0, 10**400, [0.5]],
    Choice: ["magic", "", True, 7, ["wav"]],
}


def refusals() -> list[Any]:
    found = []
    for task in TASKS:
        for row in options_of(task, "osc").values():
            for kind, values in WRONG.items():
                if isinstance(row.kind, kind):
                    found += [pytest.param(task, row, v, id=f"{task}-{row.name}") for v in values]
    return found


@pytest.mark.parametrize(("task", "row", "value"), refusals())
def test_what_is_no_value_is_refused_everywhere_in_the_same_words(
    task: Task, row: Row, value: Any
) -> None:
    with pytest.raises(SettingsError) as refused:
        row.read(value)
    sentence = str(refused.value)
    if row.name in {field.name for field in fields(SETTINGS[task])}:
        with pytest.raises(SettingsError, match=re.escape(sentence)):
            SETTINGS[task](**{row.name: value})
    with pytest.raises(RequestError) as error:
        read({row.name: value}, task)
    if isinstance(value, float) and not np.isfinite(value):
        assert "no JSON number" in str(error.value)
    else:
        assert str(error.value) == sentence


WORDS: dict[type, list[str]] = {
    Whole: ["4.5", "four", "true", "nan", "inf", "1e400", "-7", ""],
    Number: ["much", "true", "nan", "inf", "-0.5", ""],
    Choice: ["magic", ""],
}


@pytest.mark.parametrize(
    ("row", "word"),
    [(row, word) for row in OPTIONS for word in WORDS.get(type(row.kind), [])],
)
def test_a_word_that_is_no_value_is_refused_by_the_commands_in_these_words(
    row: Row, word: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        row.read(row.kind.parse(word))
    command = COMMANDS[row.tasks[-1]]
    for way, line in (("command", command), ("send", ["send", *command])):
        if way in row.ways:
            with pytest.raises(UsageError, match=re.escape(f"{row.flag}: {refused.value} (see")):
                parser_of().parse_args([*line, f"{row.flag}={word}"])


@pytest.mark.parametrize("row", [row for row in OPTIONS if isinstance(row.kind, Whole)])
def test_a_whole_number_may_come_as_any_type_of_number(row: Row) -> None:
    low = row.kind.low  # type: ignore[attr-defined]
    for value in (low, float(low), np.int64(low), np.float32(low), row.kind.parse(f"{low}.0")):
        assert row.read(value) == low
        assert type(row.read(value)) is int


def test_settings_keep_values_in_their_own_types() -> None:
    settings = SeparateSettings("bass", np.float32(0.5), steps=4.0, bit_depth=24)  # type: ignore
    assert settings == SeparateSettings(("bass",), 0.5, steps=4, bit_depth="24")
    assert type(settings.steps) is int
    assert type(settings.start) is float


def test_takes_beyond_the_last_seed_are_refused_everywhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = f"seed is {options.MAX_SEED}: expected at most {options.MAX_SEED - 1} for 2 takes"
    with pytest.raises(SettingsError, match=words):
        PartSettings(seed=options.MAX_SEED, takes=2)
    for task in TASKS:
        with pytest.raises(RequestError, match=words):
            read({"takes": 2, "seed": options.MAX_SEED}, task)
        assert main([*COMMANDS[task], "--takes=2", f"--seed={options.MAX_SEED}"]) == 2
        assert words in capsys.readouterr().err


def test_a_region_is_given_in_samples_or_in_seconds() -> None:
    for task in ("separate", "fill"):
        assert read({"start": 0.5}, task).options == {"start": 0.5}
        with pytest.raises(RequestError, match="given twice: 7 and -1 in samples"):
            read({"start": 0.5}, task, start=7)
        with pytest.raises(RequestError, match="given twice: 0 and 9 in samples"):
            read({"end": 0.5}, task, frames=9)
    for task in ("add", "vary"):
        assert read({"end": 0.5}, task).options == {"end": 0.5}
        with pytest.raises(RequestError, match="given twice"):
            read({"end": 0.5}, task, session='{"bass": "/b.wav", "start": 3}')
    with pytest.raises(RequestError, match="unknown option 'start'"):
        read({"start": 0.5}, "generate")
    with pytest.raises(RequestError, match="the region is empty"):
        read({"start": 0.5, "end": 0.5}, "separate")


COMMANDS = {
    "separate": ["separate", "song.wav", "--out=out"],
    "add": ["add", "guitar", "--to", "bass=b.wav", "--out=out"],
    "fill": ["fill", "bass", "--in", "bass=b.wav", "--end=1", "--out=out"],
    "vary": ["vary", "bass=b.wav", "--strength=0.5", "--out=out"],
    "generate": ["generate", "--seconds=1", "--out=out"],
}


def read(chosen: dict[str, Any], task: str, **changed: Any) -> Any:
    """Return the request for a task with these options."""
    arguments: dict[str, dict[str, Any]] = {
        "separate": {"wav": "/song.wav", "start": 0, "frames": -1},
        "add": {"stems": "piano", "session": '{"bass": "/b.wav"}'},
        "fill": {"stem": "bass", "session": '{"bass": "/b.wav"}', "start": 0, "frames": -1},
        "vary": {"stem": "bass", "session": '{"bass": "/b.wav"}', "strength": 0.5},
        "generate": {"seconds": 1.0},
    }
    text = {"req": "r", "options": json.dumps(chosen)}
    return read_job(f"/bandmate/{task}", text | arguments[task] | changed, STEMS)
