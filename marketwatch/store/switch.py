"""The store that readers hold while the watch behind it may change: live data and the demo market never share a database."""

from __future__ import annotations

from collections.abc import Collection

from ..errors import StoreUnavailable
from ..model.alerts import Alert, AlertState, Notification, Rule, RuleRemoval
from ..model.market import Candle, Closes, Gap, Instrument, QuietSpan
from ..model.silences import Silence
from ..model.system import Notice
from ..ports import MarketStore, SampleColumns, SampleMarks, StoredTrade, StoreProfile, StoreStats, TradeAggregate, WriteBatch


class SwitchStore:
    """Delegates every call to the store of the moment. Raises StoreUnavailable while there is none."""

    def __init__(self) -> None:
        self._current: MarketStore | None = None

    def use(self, store: MarketStore | None) -> None:
        """Put another store behind; the caller owns its life."""
        self._current = store

    @property
    def _store(self) -> MarketStore:
        if self._current is None:
            raise StoreUnavailable("No database is open yet; the market is still being connected.")
        return self._current

    async def open(self) -> None:
        """Nothing to do: stores are opened by their owner."""

    async def close(self) -> None:
        self._current = None

    async def ping(self) -> None:
        await self._store.ping()

    async def write(self, batch: WriteBatch) -> None:
        await self._store.write(batch)

    async def samples(
        self, symbol: str, from_ms: int, to_ms: int, *, held_ms: int = 0, columns: Collection[str] | None = None
    ) -> SampleColumns:
        return await self._store.samples(symbol, from_ms, to_ms, held_ms=held_ms, columns=columns)

    async def pack(self, *, newest_ms: int, most: int) -> int:
        return await self._store.pack(newest_ms=newest_ms, most=most)

    async def sample_marks(self, at_ms: int) -> SampleMarks:
        return await self._store.sample_marks(at_ms)

    async def candles(
        self, symbol: str, interval: str, *, from_ms: int | None = None, to_ms: int | None = None, limit: int = 1000
    ) -> list[Candle]:
        return await self._store.candles(symbol, interval, from_ms=from_ms, to_ms=to_ms, limit=limit)

    async def closes(self, symbol: str, interval: str, *, from_ms: int, to_ms: int) -> Closes:
        return await self._store.closes(symbol, interval, from_ms=from_ms, to_ms=to_ms)

    async def trades(
        self, symbol: str, *, from_ms: int | None = None, to_ms: int | None = None, limit: int = 100
    ) -> list[StoredTrade]:
        return await self._store.trades(symbol, from_ms=from_ms, to_ms=to_ms, limit=limit)

    async def whales(
        self,
        symbol: str | None = None,
        *,
        min_usd: float = 0.0,
        from_ms: int | None = None,
        to_ms: int | None = None,
        limit: int = 100,
    ) -> list[StoredTrade]:
        return await self._store.whales(symbol, min_usd=min_usd, from_ms=from_ms, to_ms=to_ms, limit=limit)

    async def gaps(
        self, symbol: str | None = None, *, from_ms: int | None = None, to_ms: int | None = None, limit: int = 1000
    ) -> list[Gap]:
        return await self._store.gaps(symbol, from_ms=from_ms, to_ms=to_ms, limit=limit)

    async def quiet(self, symbol: str, *, from_ms: int, to_ms: int, limit: int = 100_000) -> list[QuietSpan]:
        return await self._store.quiet(symbol, from_ms=from_ms, to_ms=to_ms, limit=limit)

    async def open_quiet(self) -> list[QuietSpan]:
        return await self._store.open_quiet()

    async def instruments(self) -> list[Instrument]:
        return await self._store.instruments()

    async def retain(self, *, now_ms: int, days: float, max_bytes: int) -> int:
        return await self._store.retain(now_ms=now_ms, days=days, max_bytes=max_bytes)

    async def stats(self) -> StoreStats:
        return await self._store.stats()

    async def last_trades(self, *, now_ms: int) -> dict[str, tuple[int, int]]:
        return await self._store.last_trades(now_ms=now_ms)

    async def aggregates(self) -> list[TradeAggregate]:
        return await self._store.aggregates()

    async def alerts(
        self,
        *,
        state: AlertState | None = None,
        symbol: str | None = None,
        rule_id: str | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        limit: int = 100,
    ) -> list[Alert]:
        return await self._store.alerts(state=state, symbol=symbol, rule_id=rule_id, from_ms=from_ms, to_ms=to_ms, limit=limit)

    async def standing_alerts(self, at_ms: int, limit: int = 500) -> list[Alert]:
        return await self._store.standing_alerts(at_ms, limit)

    async def alert(self, alert_id: str) -> Alert | None:
        return await self._store.alert(alert_id)

    async def rules(self, rule_id: str | None = None, *, every_version: bool = False) -> list[Rule]:
        return await self._store.rules(rule_id, every_version=every_version)

    async def removals(self) -> list[RuleRemoval]:
        return await self._store.removals()

    async def acknowledge(self, alert_id: str, at_ms: int | None) -> bool:
        return await self._store.acknowledge(alert_id, at_ms)

    async def put_silence(self, silence: Silence) -> None:
        await self._store.put_silence(silence)

    async def silences(self, *, limit: int = 1000) -> list[Silence]:
        return await self._store.silences(limit=limit)

    async def mark_notice(self, notice: Notification) -> bool:
        return await self._store.mark_notice(notice)

    async def outbox(self, *, state: str | None = None, limit: int = 100) -> list[Notification]:
        return await self._store.outbox(state=state, limit=limit)

    async def deliveries(
        self, *, state: str | None = None, channel: str | None = None, alert_id: str | None = None, limit: int = 100
    ) -> list[Notification]:
        return await self._store.deliveries(state=state, channel=channel, alert_id=alert_id, limit=limit)

    async def revive(self, notification_id: str | None = None) -> int:
        return await self._store.revive(notification_id)

    async def discard(self, notification_id: str) -> bool:
        return await self._store.discard(notification_id)

    @property
    def profile(self) -> StoreProfile:
        return self._store.profile

    def take_notices(self) -> list[Notice]:
        return self._store.take_notices()
