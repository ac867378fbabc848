"""A client of the server: connect, ask, follow a job, fetch its stems."""

from bandmate_bridge.client.client import Client, Wave, connect
from bandmate_bridge.client.events import Done, Event, Hello, Progress, Stem

__all__ = ["Client", "Done", "Event", "Hello", "Progress", "Stem", "Wave", "connect"]
