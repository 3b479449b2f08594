"""Silence, judged by each symbol's own habit: data is what counts, not pings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..model.market import Staleness

_SHARE = 0.05
_PROOF = 10
_UNPROVEN_S = 300.0
_LONGEST_S = 3_600.0
_TIMES_MEAN = 20.0
_TIMES_PEAK = 3.0


class Rhythm:
    """The usual time between two arrivals of one stream, and from it how long a silence is still usual.

    `threshold_s` = max(floor, 20 x mean, 3 x recent longest pause), at most an hour; five minutes before ten
    arrivals are known.
    """

    __slots__ = ("count", "last", "mean", "peak")

    def __init__(self, now: float) -> None:
        self.last = now
        self.mean = 0.0
        self.peak = 0.0
        self.count = 0

    def beat(self, now: float) -> None:
        pause = now - self.last
        self.last = now
        self.count += 1
        if self.count > 1:
            self.mean += _SHARE * (pause - self.mean) if self.count > _PROOF else (pause - self.mean) / (self.count - 1)
            self.peak = max(pause, self.peak * 0.99)

    @property
    def proven(self) -> bool:
        """Enough arrivals to know a habit."""
        return self.count >= _PROOF

    def resume(self, now: float) -> None:
        """The line was down: the pause says nothing about the stream."""
        self.last = now

    def threshold_s(self, floor_s: float, longest_s: float = _LONGEST_S) -> float:
        if not self.proven:
            return min(_UNPROVEN_S, longest_s)
        return min(max(floor_s, _TIMES_MEAN * self.mean, _TIMES_PEAK * self.peak), longest_s)

    def silent(self, now: float, floor_s: float) -> bool:
        return now - self.last > self.threshold_s(floor_s)


class Watchdog:
    """Which symbols went quiet for longer than is usual for them. Trades and all data together are judged apart.

    Times are monotonic seconds.
    """

    def __init__(self, symbols: Sequence[str], *, stale_s: float, now: float) -> None:
        self._stale_s = stale_s
        self._trades = {symbol: Rhythm(now) for symbol in symbols}
        self._any = {symbol: Rhythm(now) for symbol in symbols}
        self._stale: set[str] = set()
        self._checked_s = 0.0

    @property
    def stale(self) -> frozenset[str]:
        return frozenset(self._stale)

    def saw(self, trades: Iterable[str], others: Iterable[str], now: float) -> list[str]:
        """Data of these symbols arrived; answers those that were stale and are back."""
        back: list[str] = []
        for symbol in trades:
            rhythm = self._trades.get(symbol)
            if rhythm is not None:
                rhythm.beat(now)
                self._any[symbol].beat(now)
                if symbol in self._stale:
                    back.append(symbol)
        for symbol in others:
            rhythm = self._any.get(symbol)
            if rhythm is not None:
                rhythm.beat(now)
                if symbol in self._stale and not self._trades[symbol].silent(now, self._stale_s):
                    back.append(symbol)
        self._stale.difference_update(back)
        return list(dict.fromkeys(back))

    def check(self, now: float) -> list[tuple[str, float]]:
        """Symbols that have just become stale, with the silence in seconds."""
        found: list[tuple[str, float]] = []
        for symbol, trades in self._trades.items():
            both = self._any[symbol]
            if symbol not in self._stale and (trades.silent(now, self._stale_s) or both.silent(now, self._stale_s)):
                self._stale.add(symbol)
                found.append((symbol, now - max(trades.last, both.last if both.silent(now, self._stale_s) else trades.last)))
        return found

    def resumed(self, symbols: Iterable[str], now: float) -> None:
        """A line came back: silence is counted from now."""
        for symbol in symbols:
            self._trades[symbol].resume(now)
            self._any[symbol].resume(now)

    def follow(self, venue: str, trades: Iterable[str], others: Iterable[str], time_ms: int) -> list[Staleness]:
        """For a feed that lives in event time: what it has to tell when this data arrived at `time_ms` of it. Symbols that are
        back at once, symbols that went quiet once a second."""
        now = time_ms / 1000
        told = [Staleness(venue, symbol, False, time_ms) for symbol in self.saw(trades, others, now)]
        if now - self._checked_s >= 1.0:
            self._checked_s = now
            told += [Staleness(venue, symbol, True, time_ms - int(silent_s * 1000)) for symbol, silent_s in self.check(now)]
        return told
