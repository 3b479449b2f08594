"""Growing delays after wrong passwords: nobody is locked out, and nobody tries many."""

from __future__ import annotations

import math

from ..clock import Clock
from ..errors import TooMany

FORGET_S = 900.0
_MOST = 20_000


class _Rows:
    """Failures by key: the first `free` of them cost nothing, then 1 s, 2 s, 4 s ... up to `most_s`. Forgotten after a quiet
    quarter of an hour. Overflow of the table: the key that was first seen longest ago is forgotten."""

    def __init__(self, *, free: int, most_s: float) -> None:
        self._free = free
        self._most_s = most_s
        self._rows: dict[str, tuple[int, float]] = {}

    def wait_s(self, key: str, now: float) -> float:
        count, last = self._rows.get(key, (0, -math.inf))
        over = count - self._free
        if over <= 0 or now - last >= FORGET_S:
            return 0.0
        return max(0.0, min(2.0 ** min(over - 1, 30), self._most_s) - (now - last))

    def failed(self, key: str, now: float) -> None:
        count, last = self._rows.pop(key, (0, now))
        if len(self._rows) >= _MOST:
            del self._rows[next(iter(self._rows))]
        self._rows[key] = (1 if now - last >= FORGET_S else count + 1, now)

    def forget(self, key: str) -> None:
        self._rows.pop(key, None)


class Delays:
    """By account and by address. From where somebody has signed in before, the failures of others do not count, so that an
    account cannot be kept shut from afar."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._accounts = _Rows(free=3, most_s=60.0)
        self._addresses = _Rows(free=10, most_s=300.0)
        self._known: dict[tuple[str, str], None] = {}

    def _account_key(self, account: str, address: str) -> str:
        known = (account, address) in self._known
        return f"{account}\0{address}" if known else account

    def check(self, account: str, address: str) -> None:
        """Raises TooMany while the next try must wait."""
        now = self._clock.monotonic()
        wait_s = max(self._accounts.wait_s(self._account_key(account, address), now), self._addresses.wait_s(address, now))
        if wait_s > 0:
            seconds = max(1, math.ceil(wait_s))
            raise TooMany(f"After several wrong tries the next one is taken in {seconds} s.", seconds)

    def failed(self, account: str, address: str) -> None:
        """A try was wrong."""
        now = self._clock.monotonic()
        self._accounts.failed(self._account_key(account, address), now)
        self._addresses.failed(address, now)

    def succeeded(self, account: str, address: str) -> None:
        """Somebody signed in: their failures are forgotten, those of the address from others are not."""
        self._accounts.forget(self._account_key(account, address))
        self._known.pop((account, address), None)
        self._known[account, address] = None
        while len(self._known) > _MOST:
            del self._known[next(iter(self._known))]
