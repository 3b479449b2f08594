"""One batch into SQLite: all of it in one transaction, on the writer's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from itertools import repeat
from typing import Any

import numpy as np

from ..model.market import Candle
from ..ports import WriteBatch
from .alert_rows import alert_row, notification_row, pin_row, removal_row, rule_row
from .blocks import HOUR_MS, Frontier, Hour, encode, mark
from .queries import sqlite_queries
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

PUT_SAMPLE = (
    f"INSERT INTO samples ({', '.join(SAMPLE_COLUMNS)}) VALUES ({', '.join('?' * len(SAMPLE_COLUMNS))}) "  # noqa: S608
    "ON CONFLICT (symbol_id, time) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in SAMPLE_COLUMNS[2:])
)


class SqliteWriter:
    """Writes batches through one connection. `last` and the symbol ids move on only with a commit."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._last: Quoted | None = None
        self._ids: dict[str, int] = {}
        self._quotes: dict[str, str] = {}
        self._frontier = Frontier(connection.execute(sqlite_queries()["block_ends"]))

    def write(self, batch: WriteBatch) -> int:
        """Commit the whole batch or nothing; answers the number of rows put."""
        before = dict(self._ids), dict(self._quotes)
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            rows, last = self._put(batch)
            self._connection.execute("COMMIT")
        except BaseException:
            self._ids, self._quotes = before
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._last = last
        return rows

    def _put(self, batch: WriteBatch) -> tuple[int, Quoted | None]:
        count = self._many("put_instrument", map(instrument_row, batch.instruments))
        blocks, last = sample_rows(batch.samples, self._last)
        self._learn(batch, blocks)
        for block in blocks:
            count += self._samples(block)
        count += self._many(
            "put_print", (trade_row(self._id(t.symbol), t, self._quotes.get(clean(t.symbol), "")) for t in batch.trades)
        )
        count += self._many("put_print", (whale_row(self._id(w.trade.symbol), w) for w in batch.whales))
        count += self._many("put_own_candle", self._candles(batch.candles))
        count += self._many("put_venue_candle", self._candles(batch.venue_candles))
        count += self._many("put_gap", map(gap_row, batch.gaps))
        count += self._many("put_quiet", map(quiet_row, batch.quiet))
        count += self._many("put_aggregate", map(aggregate_row, batch.aggregates))
        if batch.metrics is not None:
            count += self._many("put_metric", metric_rows(batch.metrics))
        count += self._many("put_rule", map(rule_row, batch.rules)) + self._alerts(batch)
        count += self._many("put_removal", map(removal_row, batch.removals))
        return count + self._many("put_pin", map(pin_row, batch.pins)), last

    def _alerts(self, batch: WriteBatch) -> int:
        if not batch.alerts:
            return 0
        count = self._many("put_alert", map(alert_row, batch.alerts))
        count += self._many("put_notification", map(notification_row, batch.notifications))
        self._connection.execute(sqlite_queries()["drop_withdrawn"])
        return count

    def _candles(self, candles: list[Candle]) -> Iterable[tuple[Any, ...]]:
        return (candle_row(self._id(candle.symbol), candle) for candle in candles)

    def _many(self, query: str, rows: Iterable[tuple[Any, ...]]) -> int:
        return max(0, self._connection.executemany(sqlite_queries()[query], rows).rowcount)

    def _id(self, symbol: str) -> int:
        return self._ids[clean(symbol)]

    def _learn(self, batch: WriteBatch, blocks: list[SampleRows]) -> None:
        """Give every symbol of the batch its id."""
        wanted = {candle.symbol for candle in batch.candles} | {candle.symbol for candle in batch.venue_candles}
        wanted |= {trade.symbol for trade in batch.trades} | {whale.trade.symbol for whale in batch.whales}
        wanted |= {block.symbols[index] for block in blocks for index in np.unique(block.symbol).tolist()}
        missing = {clean(symbol) for symbol in wanted} - self._ids.keys()
        if missing:
            self._connection.executemany(sqlite_queries()["add_symbol"], ((symbol,) for symbol in sorted(missing)))
        if missing or batch.instruments:
            for symbol, symbol_id, quote in self._connection.execute(sqlite_queries()["symbol_ids"]):
                self._ids[symbol], self._quotes[symbol] = symbol_id, quote

    def pack(self, hour: Hour) -> None:
        """Pack an hour anew in a transaction of its own."""
        run, queries = self._connection.execute, sqlite_queries()
        run("BEGIN IMMEDIATE")
        try:
            run(queries["drop_blocks"], hour)
            rows = run(queries["samples"], (*hour, hour.from_ms + HOUR_MS)).fetchall()
            if rows:
                self._connection.executemany(queries["put_block"], encode(hour, decode_samples("", rows)))
            run("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                run("ROLLBACK")
            raise
        self._frontier.packed(hour)

    def _samples(self, block: SampleRows) -> int:
        ids = np.array([self._ids.get(clean(symbol), 0) for symbol in block.symbols], np.int64)[block.symbol]
        for hour in self._frontier.amended(ids, block.time):
            self._connection.execute(sqlite_queries()["drop_blocks"], hour)
            self._connection.execute(sqlite_queries()["put_block"], mark(hour))
        columns: list[Iterable[Any]] = [ids.tolist()]
        for name, column in zip(block._fields[2:], block[2:], strict=True):
            steady = name in ("sample_ms",) and column.size and bool((column == column[0]).all())
            columns.append(repeat(int(column[0]), len(block)) if steady else column.tolist())
        self._connection.executemany(PUT_SAMPLE, zip(*columns, strict=True))
        return len(block)
