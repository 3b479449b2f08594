"""One batch into PostgreSQL, inside the transaction of its caller."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable
from typing import Any

import asyncpg
import numpy as np
from numpy.typing import NDArray

from ..model.market import Candle
from ..ports import WriteBatch
from .alert_rows import alert_row, notification_row, pin_row, removal_row, rule_row
from .blocks import HOUR_MS, Frontier, Hour, encode, mark
from .postgres_copy import encode_samples
from .postgres_schema import DAY_MS, make_partitions
from .queries import queries
from .rows import (
    SAMPLE_COLUMNS,
    Quoted,
    SampleRows,
    aggregate_row,
    candle_row,
    clean,
    decode_samples,
    gap_row,
    instrument_row,
    metric_rows,
    quiet_row,
    sample_rows,
    trade_row,
    whale_row,
)

_FROM_STAGING = (
    f"INSERT INTO samples ({', '.join(SAMPLE_COLUMNS)}) SELECT {', '.join(SAMPLE_COLUMNS)} FROM sample_staging "  # noqa: S608
    "ON CONFLICT (symbol_id, time) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in SAMPLE_COLUMNS[2:])
)


class Written:
    """What the writer knows of the database; a copy of it goes into each batch and takes its place after the commit."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.quotes: dict[str, str] = {}
        self.last: Quoted | None = None
        self.newest_ms = -1
        self.days: set[int] = set()
        self.frontier: Frontier | None = None

    def copy(self) -> Written:
        twin = Written()
        twin.ids, twin.quotes, twin.days = dict(self.ids), dict(self.quotes), set(self.days)
        twin.last, twin.newest_ms, twin.frontier = self.last, self.newest_ms, self.frontier
        return twin


class PostgresBatch:
    """Puts one batch through `connection`."""

    def __init__(self, connection: Any, written: Written, *, partitioned: bool) -> None:
        self._connection = connection
        self._written = written
        self._partitioned = partitioned

    async def put(self, batch: WriteBatch) -> None:
        written = self._written
        await self._many("put_instrument", map(instrument_row, batch.instruments))
        blocks, written.last = sample_rows(batch.samples, written.last)
        await self._learn(batch, blocks)
        for block in blocks:
            await self._samples(block)
        quotes = written.quotes
        await self._many("put_print", (trade_row(self._id(t.symbol), t, quotes.get(clean(t.symbol), "")) for t in batch.trades))
        await self._many("put_print", (whale_row(self._id(w.trade.symbol), w) for w in batch.whales))
        await self._many("put_own_candle", self._candles(batch.candles))
        await self._many("put_venue_candle", self._candles(batch.venue_candles))
        await self._many("put_gap", map(gap_row, batch.gaps))
        await self._many("put_quiet", map(quiet_row, batch.quiet))
        await self._many("put_aggregate", map(aggregate_row, batch.aggregates))
        if batch.metrics is not None:
            await self._many("put_metric", metric_rows(batch.metrics))
        await self._many("put_rule", map(rule_row, batch.rules))
        await self._many("put_removal", map(removal_row, batch.removals))
        await self._alerts(batch)
        await self._many("put_pin", map(pin_row, batch.pins))

    async def _alerts(self, batch: WriteBatch) -> None:
        if batch.alerts:
            await self._many("put_alert", map(alert_row, batch.alerts))
            await self._many("put_notification", map(notification_row, batch.notifications))
            await self._connection.execute(queries()["drop_withdrawn"])

    def _candles(self, candles: list[Candle]) -> Iterable[tuple[Any, ...]]:
        return (candle_row(self._id(candle.symbol), candle) for candle in candles)

    def _id(self, symbol: str) -> int:
        return self._written.ids[clean(symbol)]

    async def _many(self, query: str, rows: Iterable[tuple[Any, ...]]) -> None:
        listed = list(rows)
        if listed:
            await self._connection.executemany(queries()[query], listed)

    async def _learn(self, batch: WriteBatch, blocks: list[SampleRows]) -> None:
        """Give every symbol of the batch its id."""
        wanted = {candle.symbol for candle in batch.candles} | {candle.symbol for candle in batch.venue_candles}
        wanted |= {trade.symbol for trade in batch.trades} | {whale.trade.symbol for whale in batch.whales}
        wanted |= {block.symbols[index] for block in blocks for index in np.unique(block.symbol).tolist()}
        missing = {clean(symbol) for symbol in wanted} - self._written.ids.keys()
        await self._many("add_symbol", ((symbol,) for symbol in sorted(missing)))
        if missing or batch.instruments:
            for symbol, symbol_id, quote in await self._connection.fetch(queries()["symbol_ids"]):
                self._written.ids[symbol], self._written.quotes[symbol] = symbol_id, quote

    async def _samples(self, block: SampleRows) -> None:
        """Rows of new times go straight into the table; amended ones, and those that turn out to be there, through a staging
        table."""
        if self._partitioned:
            days = set(np.unique(block.time // DAY_MS).tolist())
            self._written.days = await make_partitions(self._connection, days, self._written.days)
        ids = np.array([self._written.ids.get(clean(symbol), 0) for symbol in block.symbols], np.int64)
        fresh = block.time > self._written.newest_ms
        newest = max(self._written.newest_ms, int(block.time.max()))
        await self._amended(ids[block.symbol], block.time)
        if fresh.any():
            rows = block.where(fresh)
            await self._copy(encode_samples(rows, ids[rows.symbol]))
        if not fresh.all():
            rows = block.where(~fresh)
            await self._stage(encode_samples(rows, ids[rows.symbol]))
        self._written.newest_ms = newest

    async def _amended(self, ids: NDArray[np.int64], times: NDArray[np.int64]) -> None:
        """Packed hours that these rows change are packed no more."""
        if self._written.frontier is None:
            self._written.frontier = Frontier(await self._connection.fetch(queries()["block_ends"]))
        for hour in self._written.frontier.amended(ids, times):
            await self._connection.execute(queries()["drop_blocks"], *hour)
            await self._connection.execute(queries()["put_block"], *mark(hour))

    async def pack(self, hour: Hour) -> None:
        """Pack an hour anew."""
        await self._connection.execute(queries()["drop_blocks"], *hour)
        rows = await self._connection.fetch(queries()["samples"], *hour, hour.from_ms + HOUR_MS)
        if rows:
            made = await asyncio.to_thread(lambda: list(encode(hour, decode_samples("", rows))))
            await self._connection.executemany(queries()["put_block"], made)

    async def _copy(self, data: bytes) -> None:
        try:
            async with self._connection.transaction():
                await self._send("samples", data)
        except asyncpg.UniqueViolationError:
            await self._stage(data)

    async def _stage(self, data: bytes) -> None:
        await self._connection.execute("CREATE TEMP TABLE sample_staging (LIKE samples) ON COMMIT DROP")
        await self._send("sample_staging", data)
        await self._connection.execute(_FROM_STAGING)
        await self._connection.execute("DROP TABLE sample_staging")

    async def _send(self, table: str, data: bytes) -> None:
        await self._connection.copy_to_table(table, source=io.BytesIO(data), columns=SAMPLE_COLUMNS, format="binary")
