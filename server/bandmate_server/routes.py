"""The table of OSC addresses: arguments, replies, meaning; and arguments checked against it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bandmate_server.errors import RequestError
from bandmate_server.protocol import MAX_ADDRESS, Message, Value

PREFIX = "/bandmate/"


@dataclass(frozen=True)
class Route:
    """An address: its arguments and reply as "type:name ..." after the request id."""

    address: str
    arguments: str
    reply: str
    meaning: str
    job: bool = False

    @property
    def expected(self) -> list[tuple[str, str]]:
        """(type, name) of each argument, with the request id."""
        return [_split(word) for word in ("s:req " + self.arguments).split()]


def _split(word: str) -> tuple[str, str]:
    kind, _, name = word.partition(":")
    return kind, name


REQUESTS = {
    route.address: route
    for route in (
        Route(
            "/bandmate/hello",
            "",
            "s:version s:model s:workdir s:provider",
            "who is there; the provider is `starting` until the model is loaded",
        ),
        Route("/bandmate/subscribe", "", "", "send the events of all jobs here"),
        Route("/bandmate/unsubscribe", "", "", "send them no more"),
        Route(
            "/bandmate/separate",
            "s:wav h:start h:frames s:options",
            "s:job",
            "stems of a region; start and frames in samples of the file, frames -1 to its end",
            job=True,
        ),
        Route(
            "/bandmate/add",
            "s:stems s:session s:options",
            "s:job",
            "new stems to go with those of the session",
            job=True,
        ),
        Route(
            "/bandmate/fill",
            "s:stem s:session h:start h:frames s:options",
            "s:job",
            "a range of one stem anew, the rest kept",
            job=True,
        ),
        Route(
            "/bandmate/vary",
            "s:stem s:session d:strength s:options",
            "s:job",
            "another take of a stem; strength from 0 (the same) to 1 (all new)",
            job=True,
        ),
        Route(
            "/bandmate/generate",
            "d:seconds s:options",
            "s:job",
            "stems out of nothing",
            job=True,
        ),
        Route("/bandmate/cancel", "s:job", "s:job s:state", "stop a job, queued or running"),
        Route(
            "/bandmate/status",
            "s:job",
            "s:job s:json",
            'a job\'s state, stage, fraction, stems and error; "" lists all',
        ),
        Route(
            "/bandmate/put",
            "s:name h:offset h:total b:data",
            "s:name h:received h:total s:sha256",
            "audio in, piece by piece, then used as wav `put:NAME`; no data: ask how much is there",
        ),
        Route(
            "/bandmate/get",
            "s:name h:offset h:total",
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


def check_arguments(route: Route, message: Message) -> tuple[dict[str, Value], str | None]:
    """Return a request's arguments by name, in the types of the table, and the token or None.

    A whole number may come as i, h or d; a float as any number. One string more than
    the table has is the token.

    Raises:
        RequestError: 400, saying what came and what was expected.
    """
    expected, values = route.expected, list(message.values)
    shown = " ".join(f"{kind}:{name}" for kind, name in expected)
    token = None
    if len(values) == len(expected) + 1 and isinstance(values[-1], str):
        token = str(values.pop())
    if len(values) != len(expected):
        came = message.types or "nothing"
        raise RequestError(400, f"{route.address} got {came}: expected {shown}")
    found: dict[str, Value] = {}
    for (kind, name), letter, value in zip(expected, message.types, values, strict=False):
        found[name] = _check_value(kind, name, letter, value, shown)
    check_request_id(str(found["req"]))
    return found, token


def check_request_id(request: str) -> None:
    """Raise RequestError unless a request id is 1 to 128 printable characters."""
    if not request or len(request) > MAX_ADDRESS or not request.isprintable():
        raise RequestError(
            400, f"request id {request[:MAX_ADDRESS]!r}: expected 1 to 128 printable characters"
        )


def _check_value(kind: str, name: str, letter: str, value: Value, shown: str) -> Value:
    if kind == letter and kind in "sb":
        return value
    if kind == "h" and letter in "ih":
        return value
    if kind == "h" and letter == "d" and _is_whole(value):
        # Ardour's Lua sends whole numbers as doubles.
        return int(value or 0)
    if kind == "d" and letter in "ihfd" and math.isfinite(float(value or 0)):
        return float(value or 0)
    raise RequestError(
        400, f"{name} came as {letter}:{str(value)[:80]!r}: expected {kind}, as in {shown}"
    )


def _is_whole(value: Value) -> bool:
    return isinstance(value, float) and value.is_integer() and abs(value) < 2.0**63
