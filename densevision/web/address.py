"""Addresses of the server: which of its names a browser may use, and what a phone can scan."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import re
import socket

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]{1,253})(:\d{1,5})?")


def is_own_host(host: str, *, lan: bool) -> bool:
    """Return whether a Host header names this machine, and no domain that was made to resolve to it (DNS rebinding).

    Args:
        host: the header's value, with or without a port.
        lan: whether addresses of the network and this machine's name count, too.
    """
    found = _HOST.fullmatch(host.lower())
    if not found:
        return False
    name = found[1].strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback or lan
    except ValueError:
        own = socket.gethostname().lower()
        return name == "localhost" or lan and name in (own, f"{own}.local")


def lan_addresses() -> list[str]:
    """List this machine's IPv4 addresses in the local network, the one of the default route first."""
    found = []
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # no route: offline
        probe.connect(("192.0.2.1", 9))  # of no host (RFC 5737); a datagram socket sends nothing here
        found.append(probe.getsockname()[0])
    with contextlib.suppress(OSError):  # the machine's name has no address
        found += [str(one[4][0]) for one in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    return [one for one in dict.fromkeys(found) if not ipaddress.ip_address(one).is_loopback]


def qr_code(text: str, *, colored: bool) -> str | None:
    """Draw a QR code of half blocks for a terminal; None if segno, which makes the code, is not installed.

    Args:
        text: what a phone is to read.
        colored: force black on white, which every phone reads, whatever the terminal's colors.
    """
    try:
        import segno
    except ModuleNotFoundError:
        return None
    drawn = io.StringIO()
    segno.make_qr(text, error="l").terminal(drawn, border=2, compact=True)
    lines = drawn.getvalue().splitlines()
    return "\n".join(f"\033[97;40m{line}\033[0m" for line in lines) if colored else "\n".join(lines)
