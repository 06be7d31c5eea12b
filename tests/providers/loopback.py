"""A test that uses this reaches nothing beyond loopback: any other connection or name is refused."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

NAMES = ("localhost", "127.0.0.1", "::1")


class NotLoopback(OSError):
    """A connection that no test may make."""


def is_loopback(host: object) -> bool:
    """Whether a host is this machine, by number or by name.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("api.openai.com"), is_loopback(None)
    (True, False, True)
    """
    if host is None or host in NAMES or host == "":
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def refuse_the_rest(monkeypatch: Any) -> list[str]:
    """Patch the sockets of this process; the list holds what was tried and refused."""
    tried: list[str] = []
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(host: object) -> None:
        if not is_loopback(host):
            tried.append(str(host))
            raise NotLoopback(f"no test reaches {host}")

    def guarded(real: Any) -> Any:
        def call(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                check(address[0])
            return real(self, address)

        return call

    def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
        check(host.decode() if isinstance(host, bytes) else host)
        return look_up(host, *rest, **more)

    monkeypatch.setattr(socket.socket, "connect", guarded(connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return tried
