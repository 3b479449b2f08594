"""Guards around every test: no network beyond this machine, no error that nobody retrieved."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any

import pytest

_NAMES = {"localhost", "ip6-localhost", ""}


class NetworkRefused(OSError):
    """A test tried to reach beyond this machine."""


def is_local(host: object) -> bool:
    """Loopback addresses and names, the unspecified address, and `None` (this host)."""
    if host is None:
        return True
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if name.lower() in _NAMES or name.lower().endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.split("%", 1)[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


class NetworkGuard:
    """Refuses connections and name look-ups that leave this machine, and remembers them in `refused`."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.refused: list[str] = []
        connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

        def guarded_connect(sock: socket.socket, address: Any) -> None:
            self._check(sock, address)
            connect(sock, address)

        def guarded_connect_ex(sock: socket.socket, address: Any) -> int:
            self._check(sock, address)
            return connect_ex(sock, address)

        def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
            if not is_local(host):
                self._refuse(str(host))
            return look_up(host, *args, **kwargs)

        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_look_up)

    def _check(self, sock: socket.socket, address: Any) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6) and not is_local(address[0]):
            self._refuse(f"{address[0]}:{address[1]}")

    def _refuse(self, where: str) -> None:
        self.refused.append(where)
        raise NetworkRefused(f"A test tried to reach {where}; tests stay on this machine.")


class LoopGuard:
    """Collects what event loops would only have logged: tasks whose exception nobody retrieved, destroyed pending tasks."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.problems: list[str] = []

        def collect(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            parts = [str(context.get("message", "error in the event loop"))]
            parts += [f"{key}: {context[key]!r}" for key in ("exception", "task", "future", "handle") if key in context]
            self.problems.append("; ".join(parts))

        patch.setattr(asyncio.BaseEventLoop, "default_exception_handler", collect)
