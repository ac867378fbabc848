"""Where a server is to be found (stdlib only)."""

from __future__ import annotations

import ipaddress

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 9123


def is_address(host: str) -> bool:
    """Return whether a host is an address, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host's address."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def is_single(host: str) -> bool:
    """Return whether an address is that of one machine: no group, no broadcast, no wildcard."""
    address = ipaddress.ip_address(host)
    return not (address.is_multicast or address.is_unspecified or host == "255.255.255.255")


def show_address(host: str, port: int) -> str:
    """Return host and port in one, as a person writes them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
