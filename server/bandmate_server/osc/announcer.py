"""Who is sent the events of which job: the senders of its request, and subscribers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from bandmate_server.osc.peers import Peer
from bandmate_server.osc.protocol import encode_plain

MAX_SUBSCRIBERS = 64
MAX_LISTENERS = 16  # of one job


class Announcer:
    """Sends events of jobs."""

    def __init__(self) -> None:
        """Start with nobody listening."""
        self._subscribers: OrderedDict[Hashable, Peer] = OrderedDict()
        self._listeners: dict[str, dict[Hashable, Peer]] = {}

    def subscribe(self, peer: Peer) -> None:
        """Send a peer the events of all jobs; of too many, the one longest unheard of leaves."""
        self._subscribers[peer.key] = peer
        self._subscribers.move_to_end(peer.key)
        if len(self._subscribers) > MAX_SUBSCRIBERS:
            self._subscribers.popitem(last=False)

    def unsubscribe(self, peer: Peer) -> None:
        """Send a peer no more but the events of its own jobs."""
        self._subscribers.pop(peer.key, None)

    def follow(self, job: str, peer: Peer) -> None:
        """Send a peer the events of a job that is not over."""
        listeners = self._listeners.setdefault(job, {})
        if len(listeners) < MAX_LISTENERS:
            listeners[peer.key] = peer

    def forget(self, peer: Peer) -> None:
        """Send a peer nothing more: it has gone."""
        self.unsubscribe(peer)
        for listeners in self._listeners.values():
            listeners.pop(peer.key, None)

    def listens(self, peer: Peer) -> bool:
        """Return whether a peer waits for events."""
        groups = (self._subscribers, *self._listeners.values())
        return any(peer.key in group for group in groups)

    def share(self, answer: bytes, asker: Peer) -> None:
        """Send subscribers what was answered to somebody else."""
        for peer in self._subscribers.values():
            if peer.key != asker.key and len(answer) <= peer.limit:
                peer.offer(answer)

    def announce(self, job: str, address: str, types: str, *values: object) -> None:
        """Send an event of a job; after /bandmate/done nobody follows it any more."""
        event = encode_plain(address, types, *values)
        progress = address == "/bandmate/progress"
        for peer in (self._listeners.get(job, {}) | self._subscribers).values():
            (peer.offer if progress else peer.send)(event)
        if address == "/bandmate/done":
            self._listeners.pop(job, None)
