"""Where a server is to be found (stdlib only)."""

from __future__ import annotations

import ipaddress

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 9123


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host's address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
