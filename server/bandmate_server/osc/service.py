"""What each OSC request does: bytes of a peer in, answers to it out; no sockets here."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bandmate_server.errors import ProtocolError, RegionError, RequestError
from bandmate_server.jobs import mailbox
from bandmate_server.jobs.allowed_files import ServerFiles
from bandmate_server.jobs.queue import JobQueue
from bandmate_server.jobs.regions import check_decoded_end, check_end
from bandmate_server.jobs.request import JOBS, JobRequest, Mail, read_job, read_object
from bandmate_server.jobs.store import Job, JobStore, job_id
from bandmate_server.options import TASKS, Task
from bandmate_server.osc.announcer import Announcer
from bandmate_server.osc.idle import LOOKING, IdleClock
from bandmate_server.osc.network import is_address, is_loopback
from bandmate_server.osc.peers import Peer
from bandmate_server.osc.protocol import (
    MAX_ADDRESS,
    MAX_TEXT,
    Message,
    decode,
    encode_plain,
    flatten,
    name_request,
)
from bandmate_server.osc.routes import EVENTS, REQUESTS, Route, check_arguments
from bandmate_server.osc.subscriptions import Reach, check_listener, look_up, reach_listener
from bandmate_server.osc.transfers import Transfers
from bandmate_server.version import bandmate_version

MAX_MESSAGE = 500  # characters of an error
STRANGER_BYTES = 96  # that an answer to one without a token may have more than what came
BUNDLE = b"#bundle"
LOUD_PACKETS = 20  # broken packets that are logged one by one; after that, every thousandth

_logger = logging.getLogger(__name__)

Reply = tuple[str, list[Any]]  # types and values after request id and address
Handler = Callable[[Peer, dict[str, Any]], "Reply | Awaitable[Reply]"]


@dataclass(frozen=True)
class ServiceDependencies:
    """What the service works with.

    engine: returns the names of model and provider.
    stems: returns those that a task's model knows.
    token: that every request must carry, or None.
    reach: returns whoever has a UDP address of a family, or None if no socket of ours can.
    idle: restarted by every request that asks for more than a look.
    """

    workdir: Path
    store: JobStore
    queue: JobQueue
    announcer: Announcer
    files: ServerFiles
    transfers: Transfers
    engine: Callable[[], tuple[str, str]]
    stems: Callable[[Task], tuple[str, ...]]
    token: str | None
    reach: Reach
    idle: IdleClock


class Service:
    """Answers requests.

    Args:
        deps: what it works with.
    """

    def __init__(self, deps: ServiceDependencies):
        self._deps = deps
        self._broken = 0
        self._room = 0  # bytes that senders without a token may still get for this packet
        self._tasks: set[asyncio.Task[None]] = set()
        self._handlers: dict[str, Handler] = {
            "/bandmate/hello": self._hello,
            "/bandmate/subscribe": self._subscribe,
            "/bandmate/unsubscribe": self._unsubscribe,
            "/bandmate/cancel": self._cancel,
            "/bandmate/status": self._status,
            "/bandmate/put": self._put,
            "/bandmate/get": self._get,
        }

    def receive(self, peer: Peer, packet: bytes) -> None:
        """Do what a packet asks; whatever it holds, nothing is raised."""
        messages, problem = flatten(packet)
        self._room = len(packet) + STRANGER_BYTES
        if problem and not messages:
            self._refuse_broken(peer, BUNDLE, problem)
        for data in messages:
            try:
                if problem:
                    raise ProtocolError(problem)
                message = decode(data)
            except ProtocolError as error:
                self._refuse_broken(peer, data, str(error))
            else:
                self._answer(peer, message)

    def _refuse_broken(self, peer: Peer, data: bytes, problem: str) -> None:
        """Answer what cannot be read, as far as it names a request."""
        self._note_broken(problem)
        named = name_request(data)
        if named is None and (peer.proven or data == BUNDLE):
            named = "", data[:7].decode("ascii", "backslashreplace")
        if named is not None and not _is_answer(*named):
            self._turn_away(peer, *named, RequestError(400, problem))

    def _note_broken(self, problem: str) -> None:
        self._broken += 1
        if self._broken <= LOUD_PACKETS or self._broken % 1000 == 0:
            _logger.warning("broken packet %d: %s", self._broken, problem)

    def _answer(self, peer: Peer, message: Message) -> None:
        """Do one request and reply, or say why not."""
        request = str(message.values[0]) if message.values else ""
        if _is_answer(request, message.address):
            self._note_broken(f"{message.address} ,{message.types} is no request")
            return
        try:
            message = self._without_token(message)
        except RequestError as error:
            self._turn_away(peer, request, message.address, error)
            return
        try:
            route = REQUESTS.get(message.address)
            if route is None:
                known = ", ".join(REQUESTS)
                raise RequestError(404, f"unknown address {message.address}: there are {known}")
            arguments = check_arguments(route, message)
            if route.address not in LOOKING:
                self._deps.idle.restart()
            found = self._handle(peer, route, arguments)
        except RequestError as error:
            self._refuse(peer, message, request, error)
        except Exception as error:
            _logger.exception("a request failed by our own fault")
            mistake = RequestError(500, f"{type(error).__name__}: see the server's log")
            self._send_error(peer, request, message.address, mistake)
        else:
            if isinstance(found, tuple):
                self._send_reply(peer, request, message.address, found)
            else:
                self._later(peer, message, request, found)

    def _handle(
        self, peer: Peer, route: Route, arguments: dict[str, Any]
    ) -> Reply | Awaitable[Reply]:
        if route.job:
            return self._submit(peer, route, arguments)
        return self._handlers[route.address](peer, arguments)

    def _later(self, peer: Peer, message: Message, request: str, reply: Awaitable[Reply]) -> None:
        """Reply when an answer that takes longer is there."""

        async def finish() -> None:
            try:
                self._send_reply(peer, request, message.address, await reply)
            except RequestError as error:
                self._refuse(peer, message, request, error)

        task = asyncio.ensure_future(finish())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _without_token(self, message: Message) -> Message:
        """Return a message without the token, which is its last string.

        Raises:
            RequestError: 401 if a token is needed and is not there.
        """
        wanted = self._deps.token
        if wanted is None:
            return message
        given = str(message.values[-1]) if message.types.endswith("s") else ""
        # Of equal length whatever came, and compared in constant time.
        digests = (hashlib.sha256(text.encode()).digest() for text in (given, wanted))
        if not hmac.compare_digest(*digests):
            raise RequestError(401, "the token is missing or wrong: it goes last, as a string")
        return Message(message.address, message.types[:-1], message.values[:-1])

    def _send_reply(self, peer: Peer, request: str, address: str, reply: Reply) -> None:
        types, values = reply
        data = encode_plain("/bandmate/reply", "ss" + types, request, address, *values)
        if len(data) > peer.limit:
            error = RequestError(413, f"the answer has {len(data)} bytes: ask over TCP")
            self._send_error(peer, request, address, error)
        else:
            self._send(peer, address, data)

    def _send_error(self, peer: Peer, request: str, address: str, error: RequestError) -> None:
        self._send(peer, address, _error(request, address, error.code, str(error)))

    def _send(self, peer: Peer, address: str, answer: bytes) -> None:
        """Answer who asked, and show subscribers what holds no file's data."""
        peer.send(answer)
        if address not in ("/bandmate/put", "/bandmate/get"):
            self._deps.announcer.share(answer, peer)

    def _turn_away(self, peer: Peer, request: str, address: str, error: RequestError) -> None:
        """Refuse what shows no token, or cannot.

        Whoever lies about its address must not have us send somebody else much more than it
        has sent us: what goes to unproven senders from other machines is hardly longer.
        """
        _logger.info("refused: %s", error, extra={"address": address, "code": error.code})
        text = str(error)[:MAX_MESSAGE]
        data = _error(request, address, error.code, text)
        if self._deps.token is not None and not peer.proven:
            excess = len(data) - self._room
            if excess > 0:
                data = _error(request, address, error.code, text[: -excess - 3])
            if len(data) > self._room:
                return
            self._room -= len(data)
        peer.send(data)

    def _refuse(self, peer: Peer, message: Message, request: str, error: RequestError) -> None:
        """Leave a note in the mailbox for a DAW that cannot receive OSC, then answer the sender."""
        _logger.info("refused: %s", error, extra={"address": message.address, "code": error.code})
        self._post_refusal(message, request, error)
        self._send_error(peer, request, message.address, error)

    def _post_refusal(self, message: Message, request: str, error: RequestError) -> None:
        route = REQUESTS.get(message.address)
        if route is None or not route.job:
            return
        texts = [str(value) for value in message.values if isinstance(value, str)]
        for text in reversed(texts):
            try:
                mail = Mail.of(read_object(text, "options"), JOBS[route.address])
            except RequestError:
                continue
            job = job_id(request)
            if mail is not None and job not in self._deps.store.jobs:
                inbox = self._deps.workdir / "inbox"
                try:
                    mailbox.post_failure(inbox, job, mail, str(error))
                except OSError as trouble:
                    _logger.error("cannot write the mailbox: %s", trouble)
            return

    def _submit(
        self, peer: Peer, route: Route, arguments: dict[str, Any]
    ) -> Reply | Awaitable[Reply]:
        """Queue a job, or find the one that this request id has started."""
        deps = self._deps
        request = read_job(route.address, arguments, deps.stems(JOBS[route.address]))
        job = deps.store.find(request)
        if job is None:
            for file in request.files:
                deps.files.resolve(file)
            if not self._has_audio(request, check_end):
                return self._submit_decoded(peer, request)
            job = deps.queue.submit(request)
        return self._accept(peer, job)

    async def _submit_decoded(self, peer: Peer, request: JobRequest) -> Reply:
        """Queue a job whose region lies past the length that its files state, if it is there."""
        await asyncio.to_thread(self._has_audio, request, check_decoded_end)
        job = self._deps.store.find(request)
        return self._accept(peer, job or self._deps.queue.submit(request))

    def _has_audio(self, request: JobRequest, check: Callable[..., bool]) -> bool:
        try:
            return check(request, self._deps.files.open, self._deps.workdir)
        except RegionError as error:
            raise RequestError(400, str(error)) from error

    def _accept(self, peer: Peer, job: Job) -> Reply:
        if not job.is_finished:
            self._deps.announcer.follow(job.job, peer)
        return "s", [job.job]

    def _hello(self, peer: Peer, arguments: dict[str, Any]) -> Reply:
        model, provider = self._deps.engine()
        workdir = str(self._deps.workdir)
        return "ssss", [bandmate_version(), model, workdir, provider]

    def _subscribe(self, peer: Peer, arguments: dict[str, Any]) -> Reply | Awaitable[Reply]:
        return self._with_listener(peer, arguments, self._deps.announcer.subscribe)

    def _unsubscribe(self, peer: Peer, arguments: dict[str, Any]) -> Reply | Awaitable[Reply]:
        return self._with_listener(peer, arguments, self._deps.announcer.unsubscribe)

    def _with_listener(
        self, peer: Peer, arguments: dict[str, Any], change: Callable[[Peer], None]
    ) -> Reply | Awaitable[Reply]:
        """Subscribe, or do the contrary, for the sender or the port that it names."""
        deps, port, named = self._deps, arguments["port"], arguments["host"]
        host = named or peer.host
        # A string without a port is the token of a server that needs none.
        if not port and not is_address(named) and named != "localhost":
            change(peer)
            return "", []
        check_listener(host, port, deps.token is not None)
        if is_loopback(host) or is_address(host):
            change(reach_listener(host, port, deps.reach))
            return "", []

        async def later() -> Reply:
            address = await look_up(host)
            check_listener(address, port, deps.token is not None)
            change(reach_listener(address, port, deps.reach))
            return "", []

        return later()

    def _find(self, name: str) -> Job:
        job = self._deps.store.jobs.get(name)
        if job is None:
            raise RequestError(404, f"there is no job {name[:128]!r}")
        return job

    def _cancel(self, peer: Peer, arguments: dict[str, Any]) -> Reply:
        job = self._find(arguments["job"])
        self._deps.queue.cancel(job)
        return "ss", [job.job, job.state]

    def _status(self, peer: Peer, arguments: dict[str, Any]) -> Reply:
        if arguments["job"]:
            job = self._find(arguments["job"])
            return "ss", [job.job, json.dumps(job.to_json(), ensure_ascii=False)]
        room = min(peer.limit, MAX_TEXT) - 1000
        listed: list[str] = []
        jobs = self._deps.store.jobs
        for job in reversed(jobs.values()):
            entry = json.dumps(job.summary())
            room -= len(entry) + 2
            if room < 0:
                break
            listed.append(entry)
        left = len(jobs) - len(listed)
        stems = json.dumps({task: self._deps.stems(task) for task in TASKS})
        jobs_ = f'{{"jobs": [{", ".join(listed)}], "left_out": {left}, "stems": {stems}}}'
        return "ss", ["", jobs_]

    def _put(self, peer: Peer, arguments: dict[str, Any]) -> Reply | Awaitable[Reply]:
        name, data, total = arguments["name"], arguments["data"], arguments["total"]
        self._check_size(peer, len(data))
        offset = arguments["offset"]
        received, digest = self._deps.transfers.put(name, offset, total, data)
        if data or received < total:
            return "shhs", [name, received, total, digest]
        return self._hashed(f"put:{name}", "shhs", [name, received, total])

    def _get(self, peer: Peer, arguments: dict[str, Any]) -> Reply | Awaitable[Reply]:
        name, offset = arguments["name"], arguments["offset"]
        count = min(arguments["total"] or peer.blob, peer.blob)
        total, data = self._deps.transfers.get(name, offset, count)
        if data:
            digest = hashlib.sha256(data).hexdigest()
            return "shhbs", [name, offset, total, data, digest]
        return self._hashed(name, "shhbs", [name, offset, total, b""])

    async def _hashed(self, name: str, types: str, values: list[Any]) -> Reply:
        """Return a reply that ends with the hash of a whole file."""
        return types, [*values, await asyncio.to_thread(self._deps.transfers.whole_hash, name)]

    @staticmethod
    def _check_size(peer: Peer, size: int) -> None:
        if size > peer.blob:
            raise RequestError(
                413, f"{size} bytes of data: expected up to {peer.blob} here, more over TCP"
            )


def _is_answer(request: str, address: str) -> bool:
    """Return whether a message is an answer or an event, or another program's answer to one.

    To answer these could go on for ever between two programs: SuperCollider's scsynth sends
    /fail with the address of what it did not understand.
    """
    return address in EVENTS or request in EVENTS


def _error(request: str, address: str, code: int, text: str) -> bytes:
    """Return /bandmate/error, of bounded length."""
    values = (request[:MAX_ADDRESS], address[:MAX_ADDRESS], code, text[:MAX_MESSAGE])
    return encode_plain("/bandmate/error", "ssis", *values)
