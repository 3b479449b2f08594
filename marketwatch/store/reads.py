"""What both databases answer alike: the reading half of the port, over one method that runs a named query."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from ..model.alerts import Alert, AlertState, Notification, Rule, RuleRemoval
from ..model.market import Candle, Closes, Gap, Instrument, QuietSpan
from ..model.silences import Silence
from ..ports import SampleColumns, SampleMarks, StoredTrade, TradeAggregate
from .alert_rows import decode_alert, decode_rule, notification_row, silence_row
from .blocks import HOUR_MS, ROWS_AT_ONCE, Hour, grouped, holes, joined, mask_of, to_pack
from .rows import END_MS, FIRST_MS, clean, decode_candle, decode_gap, decode_quiet, decode_samples, decode_trade
from .seconds import second_candles

_MOST = 100_000
_LAST_TRADE_SPAN_MS = 2 * 86_400_000


def _from(moment: int | None) -> int:
    return FIRST_MS if moment is None else min(max(moment, FIRST_MS), END_MS)


def _to(moment: int | None) -> int:
    return END_MS if moment is None else min(max(moment, FIRST_MS), END_MS)


def _limit(limit: int) -> int:
    return min(max(limit, 0), _MOST)


class Step(NamedTuple):
    """One named query of a transaction. `must`: where it changes no row, nothing of the transaction is kept."""

    query: str
    values: tuple[Any, ...]
    must: bool = True


class Bulk(NamedTuple):
    """One named query of a transaction for each of many rows, none of which must change anything."""

    query: str
    rows: Sequence[tuple[Any, ...]]


class Reads(ABC):
    """Reading methods of MarketStore. Times beyond 1970 to 9999 are clipped, limits are 0 to 100,000."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._quotes: dict[str, str] = {}

    @abstractmethod
    async def _rows(self, query: str, *values: Any) -> Sequence[Sequence[Any]]:
        """Run a named query. Raises StoreUnavailable or StoreError."""

    @abstractmethod
    async def _change(self, query: str, *values: Any) -> int:
        """Run a named query that changes rows, in a transaction; answers how many. Raises StoreUnavailable or StoreError."""

    @abstractmethod
    async def changes(self, steps: Sequence[Step | Bulk]) -> bool:
        """Run named queries in one transaction. False, and nothing is kept, where one that must change a row changes none."""

    async def rows(self, query: str, *values: Any) -> Sequence[Sequence[Any]]:
        """The answer of a named query, for the ports beside MarketStore."""
        return await self._rows(query, *values)

    async def change(self, query: str, *values: Any) -> int:
        """How many rows a named query changed, for the ports beside MarketStore."""
        return await self._change(query, *values)

    def _learn(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take over the answer of `symbol_ids`."""
        for symbol, symbol_id, quote in rows:
            self._ids[symbol], self._quotes[symbol] = symbol_id, quote

    async def _id(self, symbol: str) -> int | None:
        symbol = clean(symbol)
        if symbol not in self._ids:
            self._learn(await self._rows("symbol_ids"))
        return self._ids.get(symbol)

    async def samples(
        self, symbol: str, from_ms: int, to_ms: int, *, held_ms: int = 0, columns: Collection[str] | None = None
    ) -> SampleColumns:
        """The stored rows of the span, oldest first: sparse, since only rows with news are stored. Between two rows the first
        of them holds (its price, bid, ask and gap flag, with volume 0). `sample_ms` is the newest row's, 0 without rows."""
        symbol_id = await self._id(symbol)
        if symbol_id is None:
            return decode_samples(symbol, [])
        held: Sequence[Sequence[Any]] = []
        if held_ms > 0:
            held = await self._rows("sample_before", symbol_id, _from(from_ms - held_ms), _to(from_ms))
        if columns is not None:
            return await self._columns(symbol, symbol_id, _from(from_ms), _to(to_ms), columns, held)
        found = await self._rows("samples", symbol_id, _from(from_ms), _to(to_ms))
        return decode_samples(symbol, [*held, *found])

    async def _columns(
        self, symbol: str, symbol_id: int, from_ms: int, to_ms: int, columns: Collection[str], held: Sequence[Sequence[Any]]
    ) -> SampleColumns:
        """Whole hours from their blocks; what has none from its rows, some thousand at a time."""
        last = to_ms - HOUR_MS + 1
        blocks = await self._blocks(symbol_id, from_ms, last, columns) if last > from_ms else {}
        rows = {int(row[0]): decode_samples(symbol, [row]) for row in held}
        for start, end in holes(blocks, from_ms, to_ms):
            at = start
            while part := await self._rows("some_samples", symbol_id, at, end, ROWS_AT_ONCE):
                rows[at] = await asyncio.to_thread(decode_samples, symbol, part)
                at = int(rows[at].time_ms[-1]) + 1
                if len(part) < ROWS_AT_ONCE:
                    break
        return await asyncio.to_thread(joined, symbol, blocks, rows, columns)

    async def _blocks(self, symbol_id: int, from_ms: int, to_ms: int, columns: Collection[str]) -> dict[int, dict[str, bytes]]:
        """Those that start in the span; the step of the samples with the newest one alone."""
        wanted = mask_of(columns)
        blocks = grouped(await self._rows("blocks", symbol_id, from_ms, to_ms, wanted, to_ms - HOUR_MS))
        newest = max(blocks, default=to_ms)
        if newest < to_ms - HOUR_MS:
            del blocks[newest]  # it may have been amended meanwhile, and be gone
            blocks |= grouped(await self._rows("blocks", symbol_id, newest, newest + 1, wanted, newest))
        return blocks

    @abstractmethod
    async def _pack(self, hour: Hour) -> None:
        """Pack an hour anew, in one transaction. Raises StoreUnavailable or StoreError."""

    async def pack(self, *, newest_ms: int, most: int) -> int:
        """Finished hours that have no block, and amended ones, oldest first."""
        done = 0
        while done < most:
            amended = await self._rows("amended_hours", most)
            hours = to_pack(amended, await self._rows("next_samples", FIRST_MS), newest_ms)[: most - done]
            for hour in hours:
                await self._pack(hour)
            if not hours:
                break
            done += len(hours)
        return done

    async def sample_marks(self, at_ms: int) -> SampleMarks:
        rows = await self._rows("sample_marks", _to(at_ms))
        return SampleMarks(*rows[0]) if rows else SampleMarks(None, None, None, None)

    async def candles(
        self, symbol: str, interval: str, *, from_ms: int | None = None, to_ms: int | None = None, limit: int = 1000
    ) -> list[Candle]:
        """At most `limit`, the newest of the span, oldest first. `1s` is counted from the samples, without quiet seconds."""
        symbol_id = await self._id(symbol)
        if symbol_id is None or limit <= 0:
            return []
        if interval == "1s":
            return await self._seconds(symbol, symbol_id, _from(from_ms), _to(to_ms), _limit(limit))
        found = await self._rows("candles", symbol_id, clean(interval), _from(from_ms), _to(to_ms), _limit(limit))
        return [decode_candle(symbol, interval, row) for row in reversed(found)]

    async def closes(self, symbol: str, interval: str, *, from_ms: int, to_ms: int) -> Closes:
        """Open times and closing prices of `[from_ms, to_ms)`, oldest first: int64 and float64, NaN where a candle of a gap in
        which nothing was traded only carries an older price on. Not for `1s`."""
        symbol_id = await self._id(symbol)
        if symbol_id is None:
            return Closes(np.empty(0, np.int64), np.empty(0))
        found = await self._rows("closes", symbol_id, clean(interval), _from(from_ms), _to(to_ms))
        times, prices = zip(*found, strict=True) if found else ((), ())
        return Closes(np.array(times, np.int64), np.array(prices, np.float64))

    async def _seconds(self, symbol: str, symbol_id: int, from_ms: int, to_ms: int, limit: int) -> list[Candle]:
        newest = await self._rows("newest_sample", symbol_id, from_ms, to_ms)
        if not newest:
            return []
        last = newest[0][0] // 1000 * 1000
        first = max(-(-from_ms // 1000) * 1000, last - (limit - 1) * 1000)
        return second_candles(decode_samples(symbol, await self._rows("samples", symbol_id, first, min(to_ms, last + 1000))))

    async def trades(
        self, symbol: str, *, from_ms: int | None = None, to_ms: int | None = None, limit: int = 100
    ) -> list[StoredTrade]:
        symbol_id = await self._id(symbol)
        if symbol_id is None:
            return []
        return [decode_trade(row) for row in await self._rows("trades", symbol_id, _from(from_ms), _to(to_ms), _limit(limit))]

    async def whales(
        self,
        symbol: str | None = None,
        *,
        min_usd: float = 0.0,
        from_ms: int | None = None,
        to_ms: int | None = None,
        limit: int = 100,
    ) -> list[StoredTrade]:
        span = (min_usd, _from(from_ms), _to(to_ms), _limit(limit))
        if symbol is None:
            return [decode_trade(row) for row in await self._rows("whales", *span)]
        symbol_id = await self._id(symbol)
        if symbol_id is None:
            return []
        return [decode_trade(row) for row in await self._rows("whales_of_symbol", symbol_id, *span)]

    async def gaps(
        self, symbol: str | None = None, *, from_ms: int | None = None, to_ms: int | None = None, limit: int = 1000
    ) -> list[Gap]:
        span = (_from(from_ms), _to(to_ms), _limit(limit))
        if symbol is None:
            return [decode_gap(row) for row in await self._rows("gaps", *span)]
        return [decode_gap(row) for row in await self._rows("gaps_of_symbol", clean(symbol), *span)]

    async def quiet(self, symbol: str, *, from_ms: int, to_ms: int, limit: int = _MOST) -> list[QuietSpan]:
        rows = await self._rows("quiet", clean(symbol), _from(from_ms), _to(to_ms), _limit(limit))
        return [decode_quiet(row) for row in rows]

    async def open_quiet(self) -> list[QuietSpan]:
        return [decode_quiet(row) for row in await self._rows("open_quiet", _MOST)]

    async def instruments(self) -> list[Instrument]:
        return [
            Instrument(symbol, base, quote, tick and Decimal(tick), lot and Decimal(lot), bool(trading))
            for symbol, base, quote, tick, lot, trading in await self._rows("instruments")
        ]

    async def last_trades(self, *, now_ms: int) -> dict[str, tuple[int, int]]:
        """Per symbol the id of the last stored trade and the start of its sample step, of the last two days."""
        self._learn(await self._rows("symbol_ids"))
        found: dict[str, tuple[int, int]] = {}
        for symbol, symbol_id in list(self._ids.items()):
            rows = await self._rows("last_trade", symbol_id, _from(now_ms - _LAST_TRADE_SPAN_MS))
            if rows:
                found[symbol] = (rows[0][0], rows[0][1])
        return found

    async def aggregates(self) -> list[TradeAggregate]:
        return [TradeAggregate(*row) for row in await self._rows("aggregates")]

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
        wanted = [None if text is None else clean(str(text)) for text in (state, symbol, rule_id)]
        rows = await self._rows("alerts", _from(from_ms), _to(to_ms), *wanted, _limit(limit))
        return [decode_alert(row) for row in rows]

    async def standing_alerts(self, at_ms: int, limit: int = 500) -> list[Alert]:
        return [decode_alert(row) for row in await self._rows("standing_alerts", _to(at_ms), _limit(limit))]

    async def alert(self, alert_id: str) -> Alert | None:
        rows = await self._rows("alert", clean(alert_id))
        return decode_alert(rows[0]) if rows else None

    async def rules(self, rule_id: str | None = None, *, every_version: bool = False) -> list[Rule]:
        rows = await self._rows("rules", None if rule_id is None else clean(rule_id))
        found = [decode_rule(row) for row in rows]
        newest = {rule.rule_id: rule for rule in reversed(found)}
        return found if every_version else sorted(newest.values(), key=lambda rule: rule.rule_id)

    async def removals(self) -> list[RuleRemoval]:
        return [RuleRemoval(*row) for row in await self._rows("removals")]

    async def acknowledge(self, alert_id: str, at_ms: int | None) -> bool:
        if at_ms is None:
            return await self._change("forget_acknowledgement", clean(alert_id)) > 0
        return await self._change("acknowledge", clean(alert_id), at_ms) > 0

    async def put_silence(self, silence: Silence) -> None:
        await self._change("put_silence", *silence_row(silence))

    async def silences(self, *, limit: int = 1000) -> list[Silence]:
        rows = await self._rows("silences", _limit(limit))
        return [Silence(*row)._replace(remind=bool(row[-1])) for row in rows]

    async def mark_notice(self, notice: Notification) -> bool:
        notification_id, _, _, _, state, attempts, _, error, due_ms, sent_ms = notification_row(notice)
        return await self._change("mark_notice", notification_id, state, attempts, error, due_ms, sent_ms) > 0

    async def revive(self, notification_id: str | None = None) -> int:
        return await self._change("revive_notices", None if notification_id is None else clean(notification_id))

    async def discard(self, notification_id: str) -> bool:
        return await self._change("discard_notice", clean(notification_id)) > 0

    async def deliveries(
        self, *, state: str | None = None, channel: str | None = None, alert_id: str | None = None, limit: int = 100
    ) -> list[Notification]:
        if alert_id is not None:
            rows = await self._rows("receipts", clean(alert_id), _limit(limit))
        else:
            wanted = [None if text is None else clean(text) for text in (state, channel)]
            rows = await self._rows("deliveries", *wanted, _limit(limit))
        return [Notification(*row) for row in rows]

    async def outbox(self, *, state: str | None = None, limit: int = 100) -> list[Notification]:
        rows = await self._rows("outbox", None if state is None else clean(state), _limit(limit))
        return [Notification(*row) for row in rows]
