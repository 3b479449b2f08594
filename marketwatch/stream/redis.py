"""The mirror: the market of the moment in Redis, for other processes, and alerts as they change on the channel `alerts`.

The database is the truth and Redis a copy of it: when Redis is away nothing waits for it, and when it is back the next round
brings everything. Keys live for three rounds, so a reader that finds none knows that nobody writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ..clock import Clock
from ..config import Settings
from ..errors import ConfigError, StoreError
from ..model.alerts import Alerts
from ..model.portfolio import Portfolio
from ..model.system import Level, MirrorStatus, Notice
from ..watch import Watch
from .budget import CommandBudget
from .snapshot import alert_message, portfolio_keys, preference_keys, symbol_keys

CHANNEL = "alerts"
_ROUND_S = 2.0
_ANSWER_S = 5.0
_RETRY_S = (1.0, 2.0, 5.0)
_MOST_WAITING = 1000
_MOST_AT_ONCE = 500
_SYMBOLS_AT_ONCE = 20
_KEY = "redis"
_PEOPLE_S = 60.0
_FEW_OWN = 20
"""So many keys of people go into a round at least; more than there are of the market never do, where commands are counted."""
_COUNTED, _FREE_PLAN = ".upstash.io", 15_000


class RedisMirror:
    """`run()` as a task. `commands`: how many were sent; `dropped`: alerts that found no room while Redis was away.

    `portfolios`: those at hand; `preferences`: of everybody, by user id, asked for once a minute at most.
    Overflow of what waits for the channel: the oldest goes and is counted.
    """

    def __init__(
        self,
        *,
        watch: Watch,
        settings: Settings,
        clock: Clock,
        portfolios: Callable[[], Iterable[Portfolio]] = tuple,
        preferences: Callable[[], Awaitable[list[tuple[str, str]]]] | None = None,
    ) -> None:
        self._watch = watch
        self._portfolios = portfolios
        self._preferences = preferences
        self._people: list[tuple[str, bytes]] = []
        self._people_at = -math.inf
        self._turn = 0
        self._clock = clock
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._news = asyncio.Event()
        self._written: dict[str, bytes] = {}
        self._fresh_s: dict[str, float] = {}
        self._away = False
        self._budget = CommandBudget(commands_a_day(settings), shortest_s=_ROUND_S)
        self.commands = self.dropped = 0
        self._redis = connect(settings.redis_url)
        watch.bus.subscribe(Alerts, self._on_alerts, name="redis")

    async def run(self) -> None:
        """Mirror until cancelled."""
        attempt = 0
        try:
            while True:
                try:
                    await self._round()
                    attempt = 0
                except (RedisError, OSError, TimeoutError) as error:
                    self._trouble(error)
                    await self._clock.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
                    attempt += 1
        finally:
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._redis.aclose()

    async def _round(self) -> None:
        """Send everything that changed or is about to run out, then tell alerts until the next round is due."""
        keys, own = await self._keys(), await self._own_keys()
        share = max(_FEW_OWN, len(keys)) if self._budget.counts else max(1, len(own))
        turns = -(-len(own) // share) or 1
        self._turn = (self._turn + 1) % turns
        part = own[self._turn * share : (self._turn + 1) * share]
        pause_s = self._budget.pause_s(len(keys) + len(part) + 1)
        await self._put(keys, pause_s)
        await self._put(part, pause_s * turns)
        self._recovered()
        self._report()
        until = self._clock.monotonic() + pause_s
        while (left := until - self._clock.monotonic()) > 0:
            await self._tell()
            await self._wait(left)

    async def _keys(self) -> list[tuple[str, bytes]]:
        """All keys with their values; others get their turn in between."""
        keys: list[tuple[str, bytes]] = []
        for column, symbol in enumerate(self._watch.symbols):
            keys += symbol_keys(self._watch, symbol, column)
            if column % _SYMBOLS_AT_ONCE == _SYMBOLS_AT_ONCE - 1:
                await asyncio.sleep(0)
        return keys

    async def _own_keys(self) -> list[tuple[str, bytes]]:
        """What is people's own. Where the database does not answer, their preferences are those of before."""
        now = self._clock.monotonic()
        if self._preferences is not None and now - self._people_at >= _PEOPLE_S:
            self._people_at = now
            with contextlib.suppress(StoreError):
                self._people = list(preference_keys(await self._preferences()))
        return [*portfolio_keys(self._watch, self._portfolios()), *self._people]

    async def _put(self, keys: list[tuple[str, bytes]], pause_s: float) -> None:
        now, lives_s = self._clock.monotonic(), max(10.0, 3.0 * pause_s)
        due = [(key, value) for key, value in keys if self._is_due(key, value, now, lives_s)]
        for first in range(0, len(due), _MOST_AT_ONCE):
            part = due[first : first + _MOST_AT_ONCE]
            if not self._budget.has_room(len(part), self._clock.now_ms() / 1000):
                return
            pipe = self._redis.pipeline(transaction=False)
            for key, value in part:
                pipe.set(key, value, px=int(lives_s * 1000))
            await self._send(pipe.execute(), len(part))
            self._written.update(part)
            self._fresh_s.update({key: now for key, _ in part})

    def _is_due(self, key: str, value: bytes, now: float, lives_s: float) -> bool:
        return self._written.get(key) != value or now - self._fresh_s.get(key, 0.0) > lives_s / 2

    async def _tell(self) -> None:
        """Publish what waits. What fails stays at the front."""
        while self._waiting and self._budget.has_room(1, self._clock.now_ms() / 1000):
            message = self._waiting[0]
            await self._send(self._redis.publish(CHANNEL, message), 1)
            if self._waiting and self._waiting[0] is message:
                self._waiting.popleft()

    async def _send(self, answer: Any, commands: int) -> None:
        async with asyncio.timeout(_ANSWER_S):
            await answer
        self.commands += commands
        self._budget.spend(commands, self._clock.now_ms() / 1000)

    async def _wait(self, seconds: float) -> None:
        """Until there is an alert to tell, or the time is over."""
        self._news.clear()
        if self._waiting and self._budget.has_room(1, self._clock.now_ms() / 1000):
            return
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait({sleep, news}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            news.cancel()

    def _on_alerts(self, batch: Alerts) -> None:
        for alert in batch.alerts:
            self.dropped += len(self._waiting) == _MOST_WAITING
            self._waiting.append(alert_message(alert, self._watch.source.value))
        self._news.set()

    def _trouble(self, error: Exception) -> None:
        self._written.clear()
        if not self._away:
            self._away = True
            reason = type(error).__name__ if not isinstance(error, TimeoutError) else "no answer in time"
            message = f"Redis does not answer ({reason}); everything else goes on, and its copy follows when it is back."
            self._watch.bus.publish(Notice(_KEY, Level.WARNING, message, self._clock.now_ms()))

    def _report(self) -> None:
        used = self._budget.used_today(self._clock.now_ms() / 1000)
        self._watch.bus.publish(MirrorStatus(used, self._budget.a_day))

    def _recovered(self) -> None:
        if self._away:
            self._away = False
            self._watch.bus.publish(Notice(_KEY, Level.INFO, "Redis answers again.", self._clock.now_ms(), over=True))


def commands_a_day(settings: Settings) -> int:
    """The setting; without one what the free plan of a host that counts commands allows, elsewhere 0: no bound."""
    counted = (urlsplit(settings.redis_url).hostname or "").endswith(_COUNTED)
    return settings.redis_commands_a_day or (_FREE_PLAN if counted else 0)


def connect(url: str) -> Redis:
    """A client that waits for nothing for long. Raises ConfigError for an address that cannot be one."""
    try:
        return Redis.from_url(url, socket_timeout=_ANSWER_S, socket_connect_timeout=_ANSWER_S, health_check_interval=30)
    except ValueError:
        raise ConfigError("REDIS_URL must be an address such as redis://host:6379/0 or rediss://user:password@host.") from None
