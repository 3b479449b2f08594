"""The world of the fake venue: moves a tape through venue time, keeps the ledgers, says which frames are due. Pure, no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from .venue_ledger import MINUTE_MS, Aggregate, Ledger, Row
from .venue_tape import Tape, TapeEvent, VenueTrade, moved_event

_TICK_OFFSET_MS = 300


class Frame(NamedTuple):
    """One message of one stream, before it is wrapped for a connection. `ids`: the prints it tells, `(first, last)`."""

    stream: str
    symbol: str
    kind: str
    body: Any
    ids: tuple[int, int] | None = None


class Emit(Protocol):
    def __call__(self, frame: Frame, /) -> None: ...


class Market:
    """Plays `tape`; `advance(to_ms)` makes everything due until then happen, in order, and emits its frames.

    Candle and ticker frames come once a second, 300 ms after the second, when every print of it was sent; `wanted(stream)`
    spares the making of those that nobody reads. `loop`: at its end the tape begins anew with higher ids and later times.
    """

    def __init__(
        self,
        tape: Tape,
        *,
        now_ms: int,
        emit: Emit,
        wanted: Callable[[str], bool] = lambda stream: True,
        loop: bool = False,
        seed: int = 1,
        history_days: int = 31,
    ) -> None:
        self.tape = tape
        self.now_ms = now_ms
        self.loop = loop
        self._emit = emit
        self._wanted = wanted
        self._index = -1
        self._shift_ms = 0
        self._id_shift: dict[str, int] = dict.fromkeys(tape.symbols, 0)
        self._lap_ids = Counter(event.symbol for event in tape.events if event.kind == "trade")
        self._halted: dict[str, int] = {}
        self._changed: set[str] = set()
        self._next_tick = now_ms // 1000 * 1000 + _TICK_OFFSET_MS
        self._closed_minute = now_ms // MINUTE_MS * MINUTE_MS - MINUTE_MS
        first = {event.symbol: event for event in reversed(tape.events) if event.kind == "trade"}
        self.ledgers = {
            symbol: Ledger(symbol, now_ms, float(first[symbol].body["p"]) if symbol in first else 1.0, seed, history_days)
            for symbol in tape.symbols
        }

    @property
    def playing(self) -> bool:
        return self._index >= 0

    @property
    def done(self) -> bool:
        """The tape has ended (never with `loop`)."""
        return self._index >= len(self.tape.events)

    @property
    def end_ms(self) -> int:
        """Venue time of the end of this lap."""
        return self.tape.end_ms + self._shift_ms

    def start(self, at_ms: int) -> None:
        """Begin the tape at venue time `at_ms`."""
        self._index, self._shift_ms = 0, at_ms - self.tape.start_ms

    def halt(self, for_ms: int, symbol: str | None = None) -> None:
        """Nothing trades for a while and no id is used up: the tape waits, or the events of one symbol never happen."""
        if symbol is None:
            self._shift_ms += for_ms
        else:
            self._halted[symbol] = self.now_ms + for_ms

    def next_ms(self) -> int:
        """When the next event of the tape or the next tick is due."""
        if not self.playing or self.done:
            return self._next_tick
        return min(self._next_tick, self.tape.events[self._index].at_ms + self._shift_ms)

    def advance(self, to_ms: int) -> None:
        """Let everything happen that is due until `to_ms`."""
        while (due := self.next_ms()) <= to_ms:
            self.now_ms = max(self.now_ms, due)
            if due == self._next_tick:
                self._tick(due)
            else:
                self._happen(self.tape.events[self._index])
        self.now_ms = max(self.now_ms, to_ms)

    def _happen(self, event: TapeEvent) -> None:
        self._index += 1
        symbol = event.symbol
        halted = event.at_ms + self._shift_ms < self._halted.get(symbol, 0)
        if halted:
            self._id_shift[symbol] -= event.kind == "trade"
        else:
            moved = moved_event(event, self._shift_ms, self._id_shift[symbol])
            if moved.kind == "trade":
                self._trade(moved)
            else:
                self._emit(Frame(moved.stream, symbol, moved.kind, moved.body))
        if self.done and self.loop:
            self._rewind()

    def _rewind(self) -> None:
        self._index = 0
        self._shift_ms += self.tape.end_ms - self.tape.start_ms + 1
        for symbol, count in self._lap_ids.items():
            self._id_shift[symbol] += count

    def _trade(self, event: TapeEvent) -> None:
        trade = event.trade
        self._changed.add(trade.symbol)
        self._emit(Frame(event.stream, trade.symbol, "trade", event.body, (trade.trade_id, trade.trade_id)))
        for order in self.ledgers[trade.symbol].add(trade, event.ends_order):
            body = {"e": "aggTrade", "E": event.body["E"], "s": trade.symbol, **order.row()}
            self._emit(Frame(f"{trade.symbol.lower()}@aggTrade", trade.symbol, "aggTrade", body, _ids(order)))

    def _tick(self, at_ms: int) -> None:
        self._next_tick += 1000
        minute = (at_ms - _TICK_OFFSET_MS) // MINUTE_MS * MINUTE_MS
        for start in range(self._closed_minute + MINUTE_MS, minute, MINUTE_MS):
            for ledger in self.ledgers.values():
                self._emit_kline(ledger, start, at_ms, closed=True)
            self._closed_minute = start
        array = []
        for symbol in sorted(self._changed):
            self._emit_kline(self.ledgers[symbol], minute, at_ms, closed=False)
            stream = f"{symbol.lower()}@miniTicker"
            if self._wanted(stream) or self._wanted("!miniTicker@arr"):
                array.append(mini_ticker(self.ledgers[symbol], at_ms))
                self._emit(Frame(stream, symbol, "ticker", array[-1]))
        if array:
            self._emit(Frame("!miniTicker@arr", "", "tickers", array))
        self._changed.clear()

    def _emit_kline(self, ledger: Ledger, start_ms: int, at_ms: int, *, closed: bool) -> None:
        stream = f"{ledger.symbol.lower()}@kline_1m"
        if self._wanted(stream):
            body = {"e": "kline", "E": at_ms, "s": ledger.symbol, "k": kline(ledger, start_ms, closed)}
            self._emit(Frame(stream, ledger.symbol, "kline", body))


def _ids(order: Aggregate) -> tuple[int, int]:
    return order.first_id, order.last_id


def kline(ledger: Ledger, start_ms: int, closed: bool) -> dict[str, Any]:
    """The `k` of a kline frame."""
    minute = ledger.minutes.get(start_ms)
    row = ledger.minute_row(start_ms).rest(MINUTE_MS)
    return {"t": row[0], "T": row[6], "s": ledger.symbol, "i": "1m", "f": minute.first_id if minute else -1,
            "L": minute.last_id if minute else -1, "o": row[1], "c": row[4], "h": row[2], "l": row[3], "v": row[5], "n": row[8],
            "x": closed, "q": row[7], "V": row[9], "Q": row[10], "B": "0"}  # fmt: skip


def mini_ticker(ledger: Ledger, now_ms: int) -> dict[str, Any]:
    """The rolling 24 h statistics as the stream tells them."""
    day: Row = ledger.day(now_ms)
    text = day.rest(0)
    return {"e": "24hrMiniTicker", "E": now_ms, "s": ledger.symbol, "c": text[4], "o": text[1], "h": text[2], "l": text[3],
            "v": text[5], "q": text[7]}  # fmt: skip


__all__ = ("Emit", "Frame", "Market", "VenueTrade", "kline", "mini_ticker")
