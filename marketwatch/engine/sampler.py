"""The sampler: folds trades into one sample per symbol and step of an event-time grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..bus import Publish
from ..model.market import Gap, Pulse, Quote, Quotes, Trade, Trades
from ..model.system import FeedState, FeedStatus
from .fold import Fold, fold, merge
from .outages import Outages
from .steps import ASK, BID, PRICE, TRADES, Retained, Step, steps_held

AHEAD_MS = 10_000
"""A trade further ahead of everything seen so far does not move the grid by itself."""
_NEVER = -(2**62)
_WITNESSES = 5


class Sampler:
    """A grid of `sample_ms` in event time; a step closes for ALL symbols once event time reaches its end + `lateness_ms`.

    Event time is the largest trade time or `Pulse` seen. A trade more than `AHEAD_MS` ahead of it (plus the local time that
    went by) waits until five trades agree, so one absurd time closes nothing; those that nobody confirms count in `future`.
    Trades of an open step may come in any order and any batches: the sample is the same to the bit. Later ones amend the
    closed step, and the steps after it that hold its price, by `Samples` with `revised` (the last 120 s, fewer with very many
    symbols); still later ones count in `late_dropped`. Revisions are gathered and go out, each step once, before the next step
    closes or at the next pulse. `unknown` counts trades of symbols that are not watched.

    When event time jumps further than the steps held for revision (a laptop that slept, two recordings in a row), only that
    many steps are emitted, all marked as a gap; the ones before them are left out, which subscribers see by the times.
    """

    def __init__(self, *, symbols: Sequence[str], sample_ms: int, lateness_ms: int, publish: Publish) -> None:
        self.symbols = tuple(symbols)
        self.sample_ms = sample_ms
        self.lateness_ms = lateness_ms
        self.late_dropped = 0
        self.unknown = 0
        self.future = 0
        self.amended = 0
        self._publish = publish
        self._index = {symbol: number for number, symbol in enumerate(self.symbols)}
        self._retained = Retained(steps_held(sample_ms, len(self.symbols)))
        self._outages = Outages(self._index)
        self._open: dict[int, dict[str, list[Trade]]] = {}
        self._quotes: dict[str, Quote] = {}
        self._price = np.full(len(self.symbols), np.nan)
        self._spread = np.full((2, len(self.symbols)), np.nan)
        self._doubtful: list[Trade] = []
        self._begun = self._emitted = False
        self._next = 0
        self._floor_ms = self._due_ms = _NEVER
        self._event_ms = 0
        self._received_ms = 0

    def on_trades(self, batch: Trades) -> None:
        """Fold a batch. Steps close, and are published, in the middle of it: how trades are cut into batches is all one."""
        sample_ms, due, floor = self.sample_ms, self._due_ms, self._floor_ms
        late: list[Trade] = []
        number, bucket = _NEVER, dict[str, list[Trade]]()
        if self._outages.ending and batch.trades:
            self._outages.end(batch.trades[0][4])
        for trade in batch.trades:
            time_ms = trade[4]
            if time_ms >= due:
                admitted = self._admit(trade, batch.received_ms)
                due, floor, number = self._due_ms, self._floor_ms, _NEVER
                if not admitted:
                    continue
            if time_ms < floor:
                if not self._reach_back(time_ms):
                    late.append(trade)
                    continue
                due, floor, number = self._due_ms, self._floor_ms, _NEVER
            if time_ms // sample_ms != number:
                number = time_ms // sample_ms
                bucket = self._open.setdefault(number, {})
            known = bucket.get(trade[0])
            if known is not None:
                known.append(trade)
            elif trade[0] in self._index:
                bucket[trade[0]] = [trade]
            else:
                self.unknown += 1
        self._seen(batch)
        if late:
            self._amend(late)

    def on_quotes(self, batch: Quotes) -> None:
        """Keep the newest quote; the sample shows the one of its closing. Quotes never move the grid."""
        for quote in batch.quotes:
            self._quotes[quote[0]] = quote

    def on_pulse(self, pulse: Pulse) -> None:
        """Event time is at least this; closes the steps of a quiet market."""
        if not self._begun:
            self._begin(pulse.time_ms)
        if self._outages.ending:
            self._outages.end(pulse.time_ms)
        if pulse.time_ms >= self._due_ms:
            self._advance(pulse.time_ms)
        self._event_ms = max(self._event_ms, pulse.time_ms)
        if self._doubtful:
            self._reconsider(self._received_ms)
        self._flush()

    def on_feed_status(self, status: FeedStatus) -> None:
        """A feed that is down makes the steps without trades gaps; one that ended closes what is still open."""
        if status.state is FeedState.ENDED:
            if self._open:
                self._advance((max(self._open) + 1) * self.sample_ms + self.lateness_ms)
            self._flush()
        else:
            self._outages.on_state(status.state, self._event_ms)

    def on_gap(self, gap: Gap) -> None:
        """OPEN and LOST make the symbol's steps without trades in the span gaps, CLOSED lets them hold the price again."""
        symbol = self._index.get(gap.symbol)
        if symbol is None:
            return
        self._outages.on_gap(gap)
        held = np.nan
        for position, step in enumerate(self._retained):
            if not step.counts[TRADES, symbol] and self._outages.overlaps(gap, *self._span(step.number)):
                lost = self._outages.is_lost(gap)
                if lost and not step.gap[symbol]:
                    self._retained.amend(position, symbol).lose(symbol)
                elif not lost and step.gap[symbol] and not np.isnan(held):
                    self._retained.amend(position, symbol).hold(symbol, float(held))
            price = self._retained.at(position).prices[PRICE, symbol]
            held = held if np.isnan(price) else price

    # The grid

    def _span(self, number: int) -> tuple[int, int]:
        return number * self.sample_ms, (number + 1) * self.sample_ms

    def _begin(self, time_ms: int) -> None:
        self._begun = True
        self._event_ms = time_ms
        self._move_to(time_ms // self.sample_ms)

    def _move_to(self, number: int) -> None:
        self._next = number
        self._floor_ms, end_ms = self._span(number)
        self._due_ms = end_ms + self.lateness_ms

    def _seen(self, batch: Trades) -> None:
        if batch.trades:
            self._event_ms = max(self._event_ms, min(batch.trades[-1][4], self._due_ms - 1))

    def _admit(self, trade: Trade, received_ms: int) -> bool:
        """Whether a trade at or beyond the next closing time may move the grid; if so, it has."""
        time_ms = trade[4]
        if not self._begun:
            self._begin(time_ms)
            self._received_ms = received_ms
            return True
        if time_ms > self._event_ms + AHEAD_MS + max(0, received_ms - self._received_ms):
            return self._witness(trade, received_ms)
        self._advance(time_ms)
        self._received_ms = received_ms
        self._reconsider(received_ms)
        return True

    def _witness(self, trade: Trade, received_ms: int) -> bool:
        """Keep a doubtful trade aside; the fifth one that agrees is believed, and so are the others."""
        self.future += 1
        self._doubtful = [*(other for other in self._doubtful if abs(other[4] - trade[4]) <= AHEAD_MS), trade]
        if len(self._doubtful) < _WITNESSES:
            return False
        self._advance(min(other[4] for other in self._doubtful))
        self._received_ms = received_ms
        self._reconsider(received_ms)
        return False

    def _reconsider(self, received_ms: int) -> None:
        """Event time moved: take in the doubtful trades that it has come near to, forget the others."""
        doubtful, self._doubtful = self._doubtful, []
        near = [trade for trade in doubtful if trade[4] <= self._event_ms + AHEAD_MS]
        if near:
            self.future -= len(near)
            self.on_trades(Trades("", received_ms, near))

    def _reach_back(self, time_ms: int) -> bool:
        """Before the first sample went out, an earlier trade moves the beginning back; from far off it replaces it."""
        if self._emitted:
            return False
        if time_ms < self._event_ms - max(AHEAD_MS, 2 * self.lateness_ms):
            self.future += sum(len(trades) for bucket in self._open.values() for trades in bucket.values())
            self._open.clear()
            self._event_ms = time_ms
        self._move_to(time_ms // self.sample_ms)
        return True

    def _advance(self, time_ms: int) -> None:
        """Event time has reached `time_ms`: close every step that is due."""
        last = (time_ms - self.lateness_ms) // self.sample_ms - 1
        if last - self._next >= self._retained.capacity:
            self._leap(last, time_ms)
        self._event_ms = max(self._event_ms, time_ms)
        while self._next <= last:
            self._close(self._next)

    def _leap(self, last: int, time_ms: int) -> None:
        """Close what holds trades, then leave out all but the newest steps of a long silence."""
        self._outages.add(self._event_ms, time_ms)
        filled = [number for number, bucket in self._open.items() if bucket and number <= last]
        while filled and self._next <= max(filled):
            self._close(self._next)
        self._move_to(max(self._next, last - self._retained.capacity + 1))

    # One step

    def _close(self, number: int) -> None:
        self._flush()
        step = Step.empty(number, self._price)
        bucket = self._open.pop(number, None)
        self._move_to(number + 1)
        self._emitted = True
        if bucket:
            self._fill(step, bucket)
        down = self._outages.mark(step.gap, *self._span(number))
        if step.gap.any():
            step.gap &= step.counts[TRADES] == 0
            step.prices[:4, step.gap] = np.nan
        self._quote(step, down)
        self._retained.append(step)
        self._publish(step.samples(self.sample_ms, self.symbols))

    def _fill(self, step: Step, bucket: dict[str, list[Trade]]) -> None:
        where = np.array([self._index[symbol] for symbol in bucket], np.intp)
        folds = [fold(trades) for trades in bucket.values()]
        step.prices[:7, where] = np.array([one.prices for one in folds]).T
        step.counts[:, where] = np.array([one.counts for one in folds], np.int64).T
        self._price[where] = step.prices[PRICE, where]

    def _quote(self, step: Step, down: bool) -> None:
        if down:
            self._quotes.clear()
            self._spread[:] = np.nan
        for symbol, quote in self._quotes.items():
            number = self._index.get(symbol)
            if number is not None:
                self._spread[0, number], self._spread[1, number] = quote[1], quote[3]
        self._quotes.clear()
        step.prices[BID : ASK + 1] = self._spread

    # Late trades

    def _amend(self, late: list[Trade]) -> None:
        by_step: dict[tuple[int, str], list[Trade]] = {}
        for trade in late:
            by_step.setdefault((trade[4] // self.sample_ms, trade[0]), []).append(trade)
        for (number, name), trades in sorted(by_step.items()):
            symbol, position = self._index.get(name), self._retained.position(number)
            if symbol is None:
                self.unknown += len(trades)
            elif position is None:
                self.late_dropped += len(trades)
            else:
                self._merge(position, symbol, trades)

    def _merge(self, position: int, symbol: int, trades: list[Trade]) -> None:
        before = self._retained.at(position)
        prices: list[float] = before.prices[:7, symbol].tolist()
        counts: list[int] = before.counts[:, symbol].tolist()
        fresh = [trade for trade in trades if not counts[0] or trade[1] not in (counts[1], counts[2])]
        if not fresh:
            return
        amended: Fold = merge(prices, counts, fold(fresh))
        step = self._retained.amend(position, symbol)
        step.prices[:7, symbol], step.counts[:, symbol], step.gap[symbol] = amended.prices, amended.counts, False
        if self._retained.hold_on(position, symbol, amended.prices[3]):
            self._price[symbol] = amended.prices[3]

    def _flush(self) -> None:
        def tell(step: Step, revised: NDArray[np.intp]) -> None:
            self._publish(step.samples(self.sample_ms, self.symbols, revised))

        self.amended += self._retained.flush(tell)
