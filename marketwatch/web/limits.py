"""How often a client may ask: a sliding minute per client and budget, in a table of bounded size."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from functools import lru_cache

PERIOD_S = 60.0


class RateLimit:
    """At most `limit` requests in any window of about a minute, per client.

    The count of the minute before is weighed by the part of it that still lies inside the sliding minute; the first minute of a
    client is exact. Overflow of the table: the client that was first seen longest ago is forgotten.
    """

    def __init__(self, limit: int, *, max_clients: int = 20_000) -> None:
        self.limit = limit
        self._max_clients = max_clients
        self._clients: dict[str, list[float]] = {}

    def __len__(self) -> int:
        return len(self._clients)

    def take(self, client: str, now: float) -> float:
        """0.0 when `client` may go on at `now` (monotonic seconds), else the seconds after which it may ask again."""
        row = self._clients.get(client)
        if row is None:
            if len(self._clients) >= self._max_clients:
                del self._clients[next(iter(self._clients))]
            self._clients[client] = [now, 1.0, 0.0]
            return 0.0
        age = now - row[0]
        if age >= PERIOD_S:
            periods = age // PERIOD_S
            row[0], row[1], row[2] = row[0] + periods * PERIOD_S, 0.0, row[1] if periods == 1 else 0.0
            age = now - row[0]
        if row[1] + row[2] * (1.0 - age / PERIOD_S) >= self.limit:
            return self._wait(row, age)
        row[1] += 1.0
        return 0.0

    def _wait(self, row: Sequence[float], age: float) -> float:
        """Seconds until one more request fits."""
        _, current, previous = row
        if current < self.limit and previous:
            return max(PERIOD_S * (1.0 - (self.limit - current) / previous) - age, 0.0) + 0.01
        return PERIOD_S - age + max(PERIOD_S * (1.0 - self.limit / current), 0.0) + 0.01


@lru_cache(maxsize=4096)
def client_key(address: str) -> str:
    """What a client is known by: its IPv4 address, or the /64 of its IPv6 address, which one household holds as a whole."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, 64), strict=False).network_address)
    return address


def client_address(peer: str, forwarded: Sequence[str], trusted_hops: int) -> str:
    """The client's address: `peer`, or what the outermost of exactly `trusted_hops` proxies wrote down.

    `forwarded` are the X-Forwarded-For headers in order. Proxies append, so the entry is counted from the right; what stands
    further left was sent by the client and may be forged. An entry that is no address is not believed.
    """
    if trusted_hops <= 0 or not forwarded:
        return peer
    entries = [entry.strip() for header in forwarded for entry in header.split(",")]
    if len(entries) < trusted_hops:
        return peer
    entry = entries[-trusted_hops]
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        return str(ipaddress.ip_address(entry))
    except ValueError:
        return peer


class Budgets:
    """The limits by name of budget; a name without a limit is free."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = {name: RateLimit(limit) for name, limit in limits.items()}

    def take(self, budget: str, address: str, now: float) -> float:
        """0.0 or the seconds to wait, see `RateLimit.take`."""
        limit = self._limits.get(budget)
        return 0.0 if limit is None else limit.take(client_key(address), now)

    @property
    def clients(self) -> int:
        """Rows held, over all budgets."""
        return sum(len(limit) for limit in self._limits.values())
