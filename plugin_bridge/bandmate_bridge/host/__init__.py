"""Effect chains and plug-ins on stems."""

from bandmate_bridge.host.host import ChainHost

__all__ = ["ChainHost"]
