"""The table of options: one row each, with all there is to know about it.

Everything else is made of the rows: the checks and defaults of the settings, the command lines
(`option_arguments`), the options of OSC requests, what `bandmate send` sends, what `bandmate
batch` hands on. A new option is a new row, and a field where it goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, get_args

from bandmate_server.option_kinds import Choice, Kind, Number, Seconds, Stems, Switch, Text, Whole
from bandmate_server.spec import MAX_CHANNELS, MAX_RATE, MIN_RATE

Task = Literal["separate", "add", "fill", "vary", "generate"]
Way = Literal["command", "batch", "send", "osc"]
Goal = Literal["settings", "call", "mail", "engine", "files", "report"]

Render = Literal["mask", "vocoder"]
Solver = Literal["ddim", "dpm"]
Format = Literal["wav", "flac"]
BitDepth = Literal["16", "24", "32f"]
Device = Literal["auto", "cpu", "cuda", "coreml", "directml"]

MAX_SEED = 2**63 - 1
# Sixteen takes of a four-minute song are 7 GB of float stems and some minutes of every core,
# and hold up whatever else is in the server's queue; further ones come with another seed.
MAX_TAKES = 16
MIN_SECONDS, MAX_SECONDS = 0.5, 1800.0  # of a new part
MAX_POSITION = 2**62  # samples
MAX_NAME = 200  # characters

TASKS: tuple[Task, ...] = get_args(Task)
PARTS: tuple[Task, ...] = ("add", "fill", "vary", "generate")
ON_AUDIO: tuple[Task, ...] = ("separate", "add", "fill", "vary")
EVERYWHERE: tuple[Way, ...] = get_args(Way)
COMMANDS: tuple[Way, ...] = ("command", "batch", "send")
HERE: tuple[Way, ...] = ("command", "batch")
REQUESTED: tuple[Way, ...] = ("send", "osc")

REGION = "region and stems"
FILES = "files written"
ENGINE = "model and device"
SAMPLING = "how the model works"
PRINTED = "what is printed"
MAIL = "for a DAW"
MODELS_OWN = "the model's own"

T = TypeVar("T")


@dataclass(frozen=True)
class Option(Generic[T]):
    """A row of the table.

    name: in Python and JSON; on a command line with dashes.
    kind: which values there are, with their limits.
    help: what it does, with unit and example.
    default: where it is not given.
    unset: what a default of None stands for.
    tasks: which have it.
    ways: a task's own command, `batch`, `send`, the JSON options of its OSC address.
    goes: "settings" to the field of the task's settings; "call" to the argument of the task's
        function (its "rate" is `sample_rate`), and of its OSC address if it is not among the JSON
        options; "mail" to the
        mailbox; "engine" to `open_model`; "files" and "report" to the command itself.
    group: its heading in help texts.
    label: what errors call it; its name if there is none.
    required: whether a command line must have it.
    """

    name: str
    kind: Kind
    help: str
    default: T
    unset: str = ""
    tasks: tuple[Task, ...] = TASKS
    ways: tuple[Way, ...] = EVERYWHERE
    goes: Goal = "settings"
    group: str = ""
    label: str = ""
    required: bool = False

    @property
    def flag(self) -> str:
        """What a command line calls it."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def shown_default(self) -> str:
        """The default in words, or "" if there is nothing to say."""
        return self.unset if self.default is None else "" if self.is_switch else str(self.default)

    @property
    def is_switch(self) -> bool:
        """Whether it has no value on a command line."""
        return isinstance(self.kind, Switch)

    def read(self, value: Any) -> Any:
        """Return a value as its kind has it; None passes where it is the default.

        Raises:
            SettingsError: naming the option, what came and what was expected.
        """
        if value is None and self.default is None and not self.required:
            return None
        return self.kind.read(self.label or self.name.replace("_", " "), value)


# Region and stems.
WANTED = Option(
    "stems",
    Stems(),
    "those wanted, such as bass,drums",
    None,
    unset="all",
    tasks=("separate", "generate"),
    group=REGION,
)
START = Option(
    "start",
    Seconds(0.0),
    "where it begins in seconds, such as 64.25; a command line takes 1:04.250 too",
    None,
    unset="the beginning",
    tasks=ON_AUDIO,
    group=REGION,
)
END = Option(
    "end",
    Seconds(0.0),
    "where it ends, likewise counted from the beginning of the audio",
    None,
    unset="the end",
    tasks=ON_AUDIO,
    group=REGION,
)
RENDER: Option[Render] = Option(
    "render",
    Choice(get_args(Render)),
    "mask: parts of the original, summing to it; vocoder: resynthesised, mono",
    "mask",
    tasks=("separate",),
    group=REGION,
)
STRENGTH = Option(
    "strength",
    Number(0.0, 1.0),
    "from 0, a light re-performance, to 1, a free new part, such as 0.4",
    None,
    tasks=("vary",),
    ways=("command", "send"),
    goes="call",
    group=REGION,
    required=True,
)
SECONDS = Option(
    "seconds",
    Seconds(MIN_SECONDS, MAX_SECONDS),
    "length, such as 20 or 1:04.250",
    None,
    tasks=("generate",),
    ways=("command", "send"),
    goes="call",
    group=REGION,
    label="length in seconds",
    required=True,
)
RATE = Option(
    "rate",
    Whole(MIN_RATE, MAX_RATE, metavar="HZ"),
    "of the result in Hz, such as 48000",
    44_100,
    tasks=("generate",),
    ways=("command", "send", "osc"),
    goes="call",
    group=FILES,
    label="sample rate",
)
CHANNELS = Option(
    "channels",
    Whole(1, MAX_CHANNELS),
    "of the result, such as 2, all the same",
    1,
    tasks=("generate",),
    ways=("command", "send", "osc"),
    goes="call",
    group=FILES,
)

# Files.
FORMAT: Option[Format] = Option(
    "format", Choice(get_args(Format)), "of the files, such as flac", "wav", group=FILES
)
BIT_DEPTH: Option[BitDepth | None] = Option(
    "bit_depth",
    Choice(get_args(BitDepth)),
    "bits of a sample, such as 24; 32f is float, with exact sums",
    None,
    unset="32f for wav, 24 for flac",
    group=FILES,
)
TAKES = Option(  # in SeparateSettings there is none: one separation is one take
    "takes",
    Whole(1, MAX_TAKES),
    "how many, such as 3, with seeds counted up from the first, in take-1, take-2, ...",
    1,
    group=FILES,
)
FORCE = Option(
    "force", Switch(), "replace a result that is there", False,
    ways=COMMANDS, goes="files", group=FILES,
)  # fmt: skip

# Model and device.
USUAL_MODEL = "mini"
MODEL: Option[str | None] = Option(
    "model", Text(4096, metavar="NAME|PATH"), "name or folder of a model", None,
    unset=f"the one chosen for the task (`bandmate config`), or {USUAL_MODEL}",
    ways=HERE, goes="engine", group=ENGINE,
)  # fmt: skip
DEVICE: Option[Device] = Option(
    "device",
    Choice(get_args(Device)),
    "auto is an NVIDIA GPU if it can be used, else cpu",
    "auto",
    ways=HERE,
    goes="engine",
    group=ENGINE,
)
THREADS = Option(
    "threads", Whole(1), "of the processor, such as 2", None, unset="all cores",
    ways=HERE, goes="engine", group=ENGINE,
)  # fmt: skip

# Sampling.
MAX_STEPS = 999  # one less than the noise levels: the reference schedule allows no more
STEPS = Option(
    "steps",
    Whole(0, MAX_STEPS),
    "diffusion steps, such as 8; 0 of separate: masks straight from the model",
    None,
    unset=MODELS_OWN,
    tasks=("separate",),
    group=SAMPLING,
)
PART_STEPS = Option(
    "steps",
    Whole(1, MAX_STEPS),
    "diffusion steps, such as 8",
    None,
    unset=MODELS_OWN,
    tasks=PARTS,
    group=SAMPLING,
)
SOLVER: Option[Solver | None] = Option(
    "solver",
    Choice(get_args(Solver)),
    "of the diffusion: DDIM or DPM-Solver++(2M)",
    None,
    unset=MODELS_OWN,
    group=SAMPLING,
)
GUIDANCE = Option(
    "guidance",
    Number(0.0, 100.0, metavar="W"),
    "weight of what is given, such as 1.5: 0 ignores it, 1 follows it, above 1 exaggerates",
    None,
    unset=MODELS_OWN,
    group=SAMPLING,
)
ETA = Option(
    "eta",
    Number(0.0, 1.0, metavar="E"),
    "fresh noise of each DDIM step, from 0 (none) to 1, such as 0.5",
    None,
    unset=MODELS_OWN,
    group=SAMPLING,
)
OVERLAP = Option(
    "overlap",
    Number(0.0, 0.95),
    "of neighbouring segments, such as 0.25, where the model works on waves",
    None,
    unset=MODELS_OWN,
    tasks=("separate",),
    group=SAMPLING,
)
SHIFTS = Option(
    "shifts",
    Whole(0, 20),  # the time grows with it
    "passes with segments elsewhere, such as 2, whose mean counts; 0: one, unshifted",
    None,
    unset=MODELS_OWN,
    tasks=("separate",),
    group=SAMPLING,
)
RESAMPLE = Option(
    "resample",
    Whole(1, 20),  # RePaint used 10; the time grows with it
    "do every step so many times, such as 5 (RePaint)",
    1,
    tasks=PARTS,
    group=SAMPLING,
)
DRAFTS = Option(
    "drafts",
    Whole(1, 100),
    "made of every take, such as 5; the one that agrees best with what is given is kept",
    None,
    unset=MODELS_OWN,
    tasks=PARTS,
    group=SAMPLING,
)
SEED = Option(
    "seed", Whole(0, MAX_SEED), "of the noise, such as 7; the same seed, the same take", 0,
    group=SAMPLING,
)  # fmt: skip

# The command itself, and the DAW.
JSON = Option(
    "json", Switch(), "one JSON object on stdout", False,
    ways=COMMANDS, goes="report", group=PRINTED,
)  # fmt: skip
QUIET = Option(
    "quiet", Switch(), "warnings and errors only", False,
    ways=COMMANDS, goes="report", group=PRINTED,
)  # fmt: skip
TRACK = Option(
    "track", Text(MAX_NAME), "what new tracks are named after, such as Guitar", None,
    unset="the file's name", ways=REQUESTED, goes="mail", group=MAIL,
)  # fmt: skip
POSITION = Option(
    "position",
    Whole(0, MAX_POSITION),
    "where the result goes in the DAW, in samples, such as 48000: by the mailbox",
    None,
    unset="no mail",
    ways=REQUESTED,
    goes="mail",
    group=MAIL,
)

OPTIONS: tuple[Option[Any], ...] = (
    WANTED, START, END, RENDER, STRENGTH, SECONDS,
    RATE, CHANNELS, FORMAT, BIT_DEPTH, TAKES, FORCE,
    MODEL, DEVICE, THREADS,
    STEPS, PART_STEPS, SOLVER, GUIDANCE, ETA, OVERLAP, SHIFTS, RESAMPLE, DRAFTS, SEED,
    JSON, QUIET, TRACK, POSITION,
)  # fmt: skip


def options_of(task: Task, way: Way) -> dict[str, Option[Any]]:
    """Return a task's options by name, as far as they may be given in a way."""
    return {row.name: row for row in OPTIONS if task in row.tasks and way in row.ways}


def in_group(group: str) -> list[Option[Any]]:
    """Return the options under a heading."""
    return [row for row in OPTIONS if row.group == group]
