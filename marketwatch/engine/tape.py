"""The tape: the trades of the last ten minutes or so, in compact arrays, bounded in bytes over all symbols."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from ..model.market import Trade, Trades

_CHUNK = 2048
_SPAN_MS = 600_000
_TAIL = 50
_FIELDS = np.dtype(
    [("id", "i8"), ("price", "f8"), ("quantity", "f8"), ("time", "i8"), ("trades", "i4"), ("maker", "?")], align=False
)


class _Chunk:
    """Trades of all symbols that arrived together, grouped by symbol; `starts[k]:starts[k + 1]` are the rows of symbol k."""

    __slots__ = ("median_ms", "newest_ms", "oldest_ms", "rows", "starts")

    def __init__(self, codes: NDArray[np.intp], trades: list[Trade], symbols: int) -> None:
        _, ids, prices, quantities, times, makers, prints = zip(*trades, strict=True)
        rows = np.empty(len(trades), _FIELDS)
        columns = (ids, prices, quantities, times, prints, makers)
        for name, column in zip(("id", "price", "quantity", "time", "trades", "maker"), columns, strict=True):
            rows[name] = column
        order = np.argsort(codes, kind="stable")
        self.rows = rows[order]
        self.starts = np.searchsorted(codes[order], np.arange(symbols + 1)).astype(np.int32)
        self.oldest_ms, self.newest_ms = int(rows["time"].min()), int(rows["time"].max())
        self.median_ms = int(np.median(rows["time"]))

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes + self.starts.nbytes

    def of(self, code: int) -> NDArray[np.void]:
        return self.rows[self.starts[code] : self.starts[code + 1]]


def _trades(symbol: str, rows: NDArray[np.void]) -> list[Trade]:
    return [
        Trade(symbol, trade_id, price, quantity, time_ms, maker, prints)
        for trade_id, price, quantity, time_ms, prints, maker in rows.tolist()
    ]


def _newest(rows: NDArray[np.void], limit: int) -> NDArray[np.void]:
    return rows if len(rows) <= limit else rows[np.lexsort((rows["id"], rows["time"]))[-limit:]]


class Tape:
    """Recent trades per symbol: ten minutes while they fit into `max_bytes`, and at least the newest 50 of a quiet symbol.

    Adding a batch costs a few nanoseconds a trade; every 2,048 trades are packed into a chunk (37 bytes a trade). The oldest
    chunk goes first.
    """

    def __init__(self, *, symbols: Sequence[str], max_bytes: int) -> None:
        self._symbols = tuple(symbols)
        self._index = {symbol: code for code, symbol in enumerate(self._symbols)}
        self._max_bytes = max_bytes
        self._pending: list[Trade] = []
        self._chunks: deque[_Chunk] = deque()
        self._tails: dict[int, list[Trade]] = {}
        self._held = np.zeros(len(self._symbols), np.int64)
        self.bytes = 0

    def on_trades(self, batch: Trades) -> None:
        self._pending += batch.trades
        if len(self._pending) >= _CHUNK:
            self._pack()

    def recent(self, symbol: str, limit: int = 50) -> list[Trade]:
        """The newest trades by (time, id), newest first; empty for a symbol that is not watched."""
        code = self._index.get(symbol)
        if code is None or limit <= 0:
            return []
        found = [trade for trade in self._pending if trade[0] == symbol]
        found.sort(key=itemgetter(4, 1), reverse=True)
        for chunk in reversed(self._chunks):
            if len(found) >= limit and chunk.newest_ms < found[limit - 1][4]:
                continue
            found += _trades(symbol, _newest(chunk.of(code), limit))
            found.sort(key=itemgetter(4, 1), reverse=True)
        if len(found) < limit:
            found += self._tails.get(code, [])
            found.sort(key=itemgetter(4, 1), reverse=True)
        return found[:limit]

    def between(self, symbol: str, from_ms: int, to_ms: int) -> list[Trade]:
        """Held trades with `from_ms <= time_ms < to_ms`, oldest first by (time, id)."""
        code = self._index.get(symbol)
        if code is None:
            return []
        found = [trade for trade in self._tails.get(code, []) if from_ms <= trade[4] < to_ms]
        for chunk in self._chunks:
            if chunk.newest_ms >= from_ms and chunk.oldest_ms < to_ms:
                rows = chunk.of(code)
                found += _trades(symbol, rows[(rows["time"] >= from_ms) & (rows["time"] < to_ms)])
        found += [trade for trade in self._pending if trade[0] == symbol and from_ms <= trade[4] < to_ms]
        return sorted(found, key=itemgetter(4, 1))

    def _pack(self) -> None:
        index = self._index
        trades, self._pending = self._pending, []
        codes = np.array([index.get(trade[0], -1) for trade in trades], np.intp)
        if (codes < 0).any():
            trades = [trade for trade in trades if trade[0] in index]
            codes = codes[codes >= 0]
        if not trades:
            return
        chunk = _Chunk(codes, trades, len(self._symbols))
        self._chunks.append(chunk)
        self._held += np.diff(chunk.starts)
        self.bytes += chunk.nbytes
        while self.bytes > self._max_bytes or chunk.median_ms - self._chunks[0].newest_ms > _SPAN_MS:
            self._evict()
            if not self._chunks:
                break

    def _evict(self) -> None:
        """Drop the oldest chunk, keeping what is needed so that each symbol has its newest 50."""
        chunk = self._chunks.popleft()
        self.bytes -= chunk.nbytes
        self._held -= np.diff(chunk.starts)
        short = np.flatnonzero((np.diff(chunk.starts) > 0) & (self._held < _TAIL))
        for code in short.tolist():
            kept = self._tails.get(code, []) + _trades(self._symbols[code], chunk.of(code)[-_TAIL:])
            self._tails[code] = kept[-_TAIL:]
        for code in [code for code in self._tails if self._held[code] >= _TAIL]:
            del self._tails[code]
