"""The table of OSC addresses: arguments, replies, meaning; and arguments checked against it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bandmate_server.errors import RequestError
from bandmate_server.osc.protocol import MAX_ADDRESS, Message, Value

MAX_WHOLE_FLOAT = 2**24  # up to which an f holds every whole number
_LETTERS = {"s": "sS", "h": "ihdf", "i": "ihdf", "d": "ihdf", "b": "b"}  # as good as the table's
_TO_WIRE: dict[str, Callable[[Any], Value]] = {
    "s": lambda words: words if isinstance(words, str) else ",".join(words),
    "h": int,
    "d": float,
}
_LEFT_OUT: dict[str, Value] = {"s": "", "h": 0, "i": 0, "b": b""}


@dataclass(frozen=True)
class Argument:
    """One argument: its type and name, and what it is if it is left out, where it may be."""

    kind: str
    name: str
    optional: bool
    default: Value

    @classmethod
    def parse(cls, word: str) -> Argument:
        """Read `s:wav`, `[h:start]` (may be left out) or `[h:frames=-1]`."""
        kind, _, rest = word.strip("[]").partition(":")
        name, _, default = rest.partition("=")
        value = int(default) if default else _LEFT_OUT.get(kind)
        return cls(kind, name, word.startswith("["), value)


@dataclass(frozen=True)
class Route:
    """An address: its arguments and reply as "type:name ..." after the request id.

    Arguments in brackets may be left out; then they are empty, 0, or what the table says.
    """

    address: str
    arguments: str
    reply: str
    meaning: str
    job: bool = False

    @property
    def shown(self) -> str:
        """All arguments, with the request id, as an error names them."""
        return f"s:req {self.arguments}".rstrip()

    @property
    def expected(self) -> list[Argument]:
        """Each argument, with the request id."""
        return [Argument.parse(word) for word in self.shown.split()]


REQUESTS = {
    route.address: route
    for route in (
        Route(
            "/bandmate/hello",
            "",
            "s:version s:model s:workdir s:provider",
            "who is there; the models loaded, by commas; the provider is `starting` until one is",
        ),
        Route(
            "/bandmate/subscribe",
            "[s:host] [i:port]",
            "",
            "send the events of all jobs, and all replies, here, or to a UDP port",
        ),
        Route("/bandmate/unsubscribe", "[s:host] [i:port]", "", "send them there no more"),
        Route(
            "/bandmate/separate",
            "s:wav [h:start] [h:frames=-1] [s:options]",
            "s:job",
            "stems of a region; start and frames in samples of the file, frames -1 to its end",
            job=True,
        ),
        Route(
            "/bandmate/add",
            "s:stems s:session [s:options]",
            "s:job",
            "new stems to go with those of the session",
            job=True,
        ),
        Route(
            "/bandmate/fill",
            "s:stem s:session [h:start] [h:frames=-1] [s:options]",
            "s:job",
            "a range of one stem made again, the rest kept",
            job=True,
        ),
        Route(
            "/bandmate/vary",
            "s:stem s:session d:strength [s:options]",
            "s:job",
            "another take of a stem; strength from 0 (the same) to 1 (all new)",
            job=True,
        ),
        Route(
            "/bandmate/generate",
            "d:seconds [s:options]",
            "s:job",
            "stems out of nothing",
            job=True,
        ),
        Route("/bandmate/cancel", "s:job", "s:job s:state", "stop a job, queued or running"),
        Route(
            "/bandmate/status",
            "[s:job]",
            "s:job s:json",
            'a job\'s state, stage, fraction, stems and error; "" lists all, and the stems by task',
        ),
        Route(
            "/bandmate/put",
            "s:name h:offset h:total [b:data]",
            "s:name h:received h:total s:sha256",
            "audio in, piece by piece, then used as wav `put:NAME`; no data: ask how much is there",
        ),
        Route(
            "/bandmate/get",
            "s:name [h:offset] [h:total]",
            "s:name h:offset h:total b:data s:sha256",
            "a file out: `JOB/bass.wav` or `put:NAME`; total bytes wanted in, size of the file out",
        ),
    )
}

EVENTS = {
    "/bandmate/reply": ("s:req s:address ...", "accepted; what follows is in the table above"),
    "/bandmate/error": (
        "s:req s:address i:code s:message",
        "refused: what came and what was expected",
    ),
    "/bandmate/progress": ("s:job s:stage f:fraction", "at least every 0.5 s while a job runs"),
    "/bandmate/stem": (
        "s:job s:stem s:wav h:start h:frames i:rate i:channels",
        "a finished stem",
    ),
    "/bandmate/done": (
        "s:job s:state s:manifest",
        "exactly one per job: done, failed or cancelled",
    ),
}

ERROR_CODES = {
    400: "arguments, options or bytes that make no sense",
    401: "the token is missing or wrong",
    403: "a path outside of the allowed folders",
    404: "an unknown address, job or file",
    409: "the request id was used for something else, or two uploads contradict each other",
    413: "too large for one message; over UDP: use TCP",
    500: "our own fault: see the server's log",
    503: "too many jobs are waiting",
    507: "the disk is full",
}


def check_arguments(route: Route, message: Message) -> dict[str, Value]:
    """Return a request's arguments by name, in the types of the table.

    A whole number may come as i, h, d or f, a d as any number, a string as a symbol. What may
    be left out is what its type shows to be missing. One string more than the table has is
    the token of a server that needs none.

    Raises:
        RequestError: 400, saying what came and what was expected.
    """
    came = list(zip(message.types, message.values, strict=True))
    wrong = f"{route.address} got {message.types or 'nothing'}: expected {route.shown}"
    found: dict[str, Value] = {}
    for argument in route.expected:
        if came and (not argument.optional or came[0][0] in _LETTERS[argument.kind]):
            found[argument.name] = _check_value(argument, *came.pop(0), route)
        elif argument.optional:
            found[argument.name] = argument.default
        else:
            raise RequestError(400, wrong)
    if came and [letter for letter, _ in came] != ["s"]:
        raise RequestError(400, wrong)
    check_request_id(str(found["req"]))
    return found


def arrange_arguments(route: Route, found: Mapping[str, Any]) -> tuple[str, list[Value]]:
    """Return the types and values of arguments by name, in the route's order.

    Several words go as one with commas; what the route does not have is left out.
    """
    there = [argument for argument in route.expected if argument.name in found]
    values = [_TO_WIRE[argument.kind](found[argument.name]) for argument in there]
    return "".join(argument.kind for argument in there), values


def check_request_id(request: str) -> None:
    """Raise RequestError unless a request id is 1 to 128 printable characters."""
    if not request or len(request) > MAX_ADDRESS or not request.isprintable():
        raise RequestError(
            400, f"request id {request[:MAX_ADDRESS]!r}: expected 1 to 128 printable characters"
        )


def _check_value(argument: Argument, letter: str, value: Value, route: Route) -> Value:
    kind, what = argument.kind, f"{argument.name} came as {letter}:{str(value)[:80]!r}"
    if letter not in _LETTERS[kind]:
        raise RequestError(400, f"{what}: expected {kind}, as in {route.shown}")
    if not isinstance(value, int | float):
        return value
    if kind == "d" and math.isfinite(value):
        return float(value)
    if kind != "d" and (letter in "ih" or _is_whole(letter, value)):
        return int(value)
    expected = "a number" if kind == "d" else "a whole number"
    if letter == "f" and kind != "d":
        expected += f" up to {MAX_WHOLE_FLOAT}, past which an f has gaps; larger ones as i, h or d"
    raise RequestError(400, f"{what}: expected {expected}")


def _is_whole(letter: str, value: float) -> bool:
    """Return whether a float is a whole number that its type can hold."""
    limit = MAX_WHOLE_FLOAT if letter == "f" else 2.0**63 - 1024
    return value.is_integer() and abs(value) <= limit
