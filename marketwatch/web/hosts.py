"""Under which host names we answer: keeps pages of other sites from reaching a loopback server by a rebound name."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

_ANY = frozenset({"", "0.0.0.0", "::", "[::]", "*"})  # noqa: S104
_KEPT = 512


class HostList:
    """Decides over a `Host` header: loopback names, the bound host, `allowed` names (`.example.com` with subdomains, `*` all).

    Bound to every address, an address literal is answered too: a browser that sends one was not led here by a name.
    """

    def __init__(self, *, bound: str, allowed: Iterable[str] = ()) -> None:
        names = {name.lower().rstrip(".") for name in allowed}
        self._all = "*" in names
        self._suffixes = tuple(name for name in names if name.startswith("."))
        self._names = {name for name in names if not name.startswith(".")} | {"localhost"}
        self._literals = bound in _ANY
        if not self._literals:
            self._names.add(bound.lower().strip("[]"))
        self._known: dict[str, bool] = {}

    def __contains__(self, header: str) -> bool:
        """Whether `header`, a name or address with or without a port, is ours."""
        verdict = self._known.get(header)
        if verdict is None:
            verdict = self._judge(header)
            if len(self._known) < _KEPT:
                self._known[header] = verdict
        return verdict

    def _judge(self, header: str) -> bool:
        name = host_name(header)
        if name is None:
            return False
        if self._all or name in self._names or name.endswith((".localhost", *self._suffixes)) or f".{name}" in self._suffixes:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or self._literals


def host_name(header: str) -> str | None:
    """The name in `name`, `name:port`, `[v6]` or `[v6]:port`, lower case; None when it is none of these."""
    text = header.strip().lower()
    if text.startswith("["):
        name, bracket, port = text[1:].partition("]")
        port = port.removeprefix(":") if port.startswith(":") else ("" if not port else "x")
        if not bracket:
            return None
    else:
        name, _, port = text.partition(":")
    name = name.rstrip(".")
    if not name or len(name) > 255 or (port and not (port.isascii() and port.isdigit())):
        return None
    return name
