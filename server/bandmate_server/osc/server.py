"""The OSC server: UDP and TCP on one port, the queue and its workers, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bandmate_server.errors import BundleError, ServerError, SettingsError
from bandmate_server.files import write_json
from bandmate_server.jobs.allow_file import AskedFolders
from bandmate_server.jobs.allowed_files import AllowedFolders, ServerFiles
from bandmate_server.jobs.lock import lock_folder
from bandmate_server.jobs.queue import JobQueue
from bandmate_server.jobs.store import JobStore
from bandmate_server.jobs.worker import WorkerSettings
from bandmate_server.jobs.worker_process import WorkerProcess
from bandmate_server.model.bundle import read_spec
from bandmate_server.model.library.choice import model_for, models_by_task
from bandmate_server.options import TASKS, Task
from bandmate_server.osc.announcer import Announcer
from bandmate_server.osc.connections import Datagrams, TcpConnections
from bandmate_server.osc.endpoints import Address, Endpoint, open_endpoints
from bandmate_server.osc.idle import IdleClock
from bandmate_server.osc.network import DEFAULT_HOST, DEFAULT_PORT, is_loopback
from bandmate_server.osc.peers import UdpPeer
from bandmate_server.osc.service import Service, ServiceDependencies
from bandmate_server.osc.transfers import Transfers
from bandmate_server.spec import STEMS
from bandmate_server.version import bandmate_version

TICK_SECONDS = 0.1
LEAST_TOKEN = 16  # characters
SECONDS_PER_DAY = 86_400

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerSettings:
    """What a server is started with.

    workdir: for jobs, uploads and the mailbox; made if missing.
    allow: folders whose audio may be named.
    model: of every task; None: for each the one that was chosen, as it is at the time.
    devices: one worker for each.
    port: 0 takes a free one.
    token: needed beyond loopback.
    keep_days: how long finished jobs stay; None is for ever.
    idle_seconds: without a job or a request, after which the server ends; None is never.
    """

    workdir: Path
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    allow: tuple[Path, ...] = ()
    model: str | None = None
    devices: tuple[str, ...] = ("auto",)
    threads: int | None = None
    token: str | None = None
    verbose: bool = False
    keep_days: int | None = None
    idle_seconds: float | None = None

    @property
    def is_local(self) -> bool:
        """Whether only this machine's own programs can ask, without a secret of their own."""
        return self.token is None and is_loopback(self.host)


def check_token(host: str, token: str | None) -> None:
    """Refuse to be reachable from other machines without a good token.

    Raises:
        ServerError: saying what to do.
    """
    if token is not None and (len(token) < LEAST_TOKEN or not token.isprintable()):
        raise ServerError(f"the token is too weak: expected {LEAST_TOKEN} printable characters")
    if token is None and not is_loopback(host):
        raise ServerError(
            f"{host} can be reached from other machines: give --token-file, or BANDMATE_TOKEN"
        )


class Server:
    """Everything a server has; `run` is its life.

    Args:
        settings: where and with what.

    Raises:
        ServerError: if the token is missing, or another server has the workdir.
    """

    def __init__(self, settings: ServerSettings):
        check_token(settings.host, settings.token)
        self._settings = settings
        try:
            for name in ("jobs", "inbox", "put"):
                (settings.workdir / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ServerError(f"cannot use {settings.workdir}: {error}") from error
        self._workdir = settings.workdir.resolve()
        if not str(self._workdir).isprintable():
            raise ServerError(f"{self._workdir} cannot stand in a mailbox: choose a plainer name")
        self._lock = lock_folder(self._workdir)
        self._announcer = Announcer()
        store = JobStore(self._workdir / "jobs")
        store.load()
        if settings.keep_days is not None:
            store.forget(time.time() - settings.keep_days * SECONDS_PER_DAY)
        self._queue = JobQueue(store, self._workdir / "inbox", self._announcer.announce)
        self._started = time.time()
        self._idle = IdleClock(settings.idle_seconds)
        self._asked = AskedFolders(self._workdir)
        self._allowed = AllowedFolders([self._workdir, *settings.allow])
        self._allow_asked(None)
        deps = ServiceDependencies(
            self._workdir,
            store,
            self._queue,
            self._announcer,
            ServerFiles(self._workdir, self._allowed),
            Transfers(self._workdir, store.waiting_files()),
            self._engine,
            self._stems,
            settings.token,
            self._reach,
            self._idle,
        )
        self._service = Service(deps)
        self._workers: list[WorkerProcess] = []
        self._connections = TcpConnections(self._service, self._announcer)
        self._listeners: list[asyncio.Server] = []
        self._datagrams: list[asyncio.DatagramTransport] = []

    @property
    def reads_nothing(self) -> bool:
        """Whether no file outside of the workdir may be named."""
        return self._allowed.roots == [self._workdir]

    async def run(self, stop: Callable[[], bool], ready: Callable[[int], None]) -> None:
        """Serve until `stop` says so.

        Args:
            stop: asked ten times a second.
            ready: called with the port once all is open.

        Raises:
            ServerError: if the port cannot be had.
        """
        endpoints = open_endpoints(self._settings.host, self._settings.port)
        port = endpoints[0].port
        try:
            await self._open(endpoints)
            self._queue.recover()
            self._workers = [self._worker(device) for device in self._settings.devices]
            self._queue.start_workers(self._workers)
            self._announce_self(port)
            ready(port)
            while not stop():
                self._allow_asked(port)
                if self._idle.is_over(self._queue.is_busy):
                    _logger.info("nothing was asked for in %g s", self._settings.idle_seconds)
                    break
                self._queue.tick()
                self._connections.drop_unfinished()
                await asyncio.sleep(TICK_SECONDS)
        finally:
            _logger.info("stopping")
            self._close()
            await self._queue.stop()
            (self._workdir / "server.json").unlink(missing_ok=True)
            os.close(self._lock)

    def _allow_asked(self, port: int | None) -> None:
        """Allow what the workdir's allow file asks for, and say so, if it is a new one."""
        if not self._settings.is_local or not self._asked.refresh():
            return
        self._allowed.allow([self._workdir, *self._settings.allow, *self._asked.file.roots])
        self._idle.restart()
        if port is not None:
            try:
                self._announce_self(port)
            except ServerError as error:  # A full disk does not end a server.
                _logger.error("%s", error)

    def _engine(self) -> tuple[str, str]:
        providers = dict.fromkeys(worker.provider for worker in self._workers)
        return self._workers[0].model or self._models(), ",".join(providers)

    def _models(self) -> str:
        """Return the models that tasks are done with, by commas."""
        try:
            return ",".join(dict.fromkeys(models_by_task(self._settings.model).values()))
        except SettingsError as error:
            _logger.error("%s", error)
            return ""

    def _stems(self, task: Task) -> tuple[str, ...]:
        """Return those of a task's model; of one that is not there, the usual: its jobs say why."""
        try:
            return read_spec(model_for(task, self._settings.model)).stems
        except (BundleError, SettingsError):
            return STEMS

    def _worker(self, device: str) -> WorkerProcess:
        chosen = self._settings
        allow = tuple(str(folder.resolve()) for folder in chosen.allow)
        settings = WorkerSettings(
            str(self._workdir),
            allow,
            chosen.model,
            device,
            chosen.threads,
            chosen.verbose,
            chosen.is_local,
        )
        return WorkerProcess(settings, self._lock, self._queue.on_event)

    def _announce_self(self, port: int) -> None:
        """Leave a file that says where we are, for those that look before they ask."""
        about = {
            "pid": os.getpid(),
            "host": self._settings.host,
            "port": port,
            "version": bandmate_version(),
            "model": self._models(),
            "started": self._started,
            "allow": [str(root) for root in self._allowed.roots],
            "asked": self._asked.file.asked if self._settings.is_local else None,
        }
        try:
            write_json(self._workdir / "server.json", about)
            stems: dict[str, Any] = {task: self._stems(task) for task in TASKS}
            write_json(self._workdir / "stems.json", stems)
        except OSError as error:
            raise ServerError(f"cannot write to {self._workdir}: {error.strerror}") from error

    async def _open(self, endpoints: list[Endpoint]) -> None:
        """Take packets from the sockets of all addresses."""
        loop = asyncio.get_running_loop()
        for endpoint in endpoints:
            self._listeners.append(
                await loop.create_server(self._connections.make, sock=endpoint.tcp)
            )
            datagrams, _ = await loop.create_datagram_endpoint(
                lambda: Datagrams(self._service), sock=endpoint.udp
            )
            self._datagrams.append(datagrams)

    def _close(self) -> None:
        """Take no more packets."""
        for listener in self._listeners:
            listener.close()
        for datagrams in self._datagrams:
            datagrams.close()
        self._connections.close()

    def _reach(self, family: int, address: Address) -> UdpPeer | None:
        """Return whoever has a UDP address, or None if no socket of ours is of its family."""
        for datagrams in self._datagrams:
            if datagrams.get_extra_info("socket").family == family:
                return UdpPeer(datagrams, address)
        return None
