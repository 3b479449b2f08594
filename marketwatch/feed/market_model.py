"""The demo market: a seeded synthetic exchange that moves in steps of 100 ms of event time and speaks Binance's wire format.

Everything that happens is a function of (listings, seed, start time): no wall clock, no iteration order, no thread enters.
Prices follow a one-factor model under a slowly changing volatility with calm and busy regimes and rare jumps; trades arrive in
clusters (each trade raises the rate of the next, Hawkes 1971, discretised); takers tend to go on in their direction; sizes are
log-normal with a Pareto tail of whales.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .market_history import DAY, HOUR, MINUTE, YEAR_S, Bars, joined, merged, past, seasonality, split_risk
from .market_listings import Listing
from .market_wire import book_frame, kline_frame, ticker_frame, trade_frame

STEP_MS = 100
_STEP_S = STEP_MS / 1000
_WHALES_PER_S = 1 / 28
_WHALE_USD = 100_000.0
_WHALE_MOST_USD = 4_000_000.0
_EXCITE = 0.55
"""Trades that one trade brings about, on average; below 1, so bursts die out."""
_MEMORY = 1.8
"""How fast the excitement of a burst fades, per second."""
_DECAY = float(np.exp(-_STEP_S * _MEMORY))
_CALM_RATE = 0.1
"""Pairs that trade less often than this, per second, know no bursts."""
_KLINE_STEPS = 20
_TICKER_STEPS = 10


class Market:
    """All pairs at one moment of event time. `step()` moves on by 100 ms and answers the frames of that span, in order."""

    def __init__(self, *, listings: Sequence[Listing], seed: int, start_ms: int) -> None:
        if start_ms % MINUTE:
            raise ValueError(f"A demo market starts on a whole minute; {start_ms} ms is none.")
        symbols = ",".join(listing.instrument.symbol for listing in listings)
        self._rng = np.random.default_rng([seed, start_ms, zlib.crc32(symbols.encode("utf-8", "surrogatepass"))])
        self.listings = tuple(listings)
        self.time_ms = self.start_ms = start_ms
        self.minutes, self.hours = past(self.listings, start_ms, self._rng)
        self._shared, self._own = split_risk(self.listings)
        count = len(self.listings)
        self._log_price = np.log([listing.price for listing in self.listings])
        self._rate = np.array([listing.rate for listing in self.listings])
        self._excited = np.zeros(count)
        self._kick = np.where(self._rate > _CALM_RATE, _EXCITE * _MEMORY, 0.0)
        self._base = self._rate * np.where(self._rate > _CALM_RATE, 1 - _EXCITE, 1.0)
        self._temper = 0.0
        self._busy = False
        self._steps = 0
        self._pairs = [Pair(listing, number, self._rng) for number, listing in enumerate(self.listings)]
        self._whale_odds = self._odds_of_a_whale()
        self._minute_ms = start_ms
        for row, pair in enumerate(self._pairs):
            pair.begin_day(self.minutes, row)

    def _odds_of_a_whale(self) -> list[float]:
        """Probability that a trade is a whale, per pair: whales go where the volume is."""
        flow = np.array([listing.rate * listing.trade_usd for listing in self.listings])
        flow = np.where(flow > 0.02 * flow.sum(), flow, 0.0) if len(flow) > 1 else flow
        return list((_WHALES_PER_S * flow / flow.sum() / self._rate).tolist())

    def step(self) -> list[bytes]:
        """The frames of `[time_ms, time_ms + 100)`; afterwards `time_ms` is the end of that span."""
        rng = self._rng
        if self._steps % 10 == 0:
            self._change_temper()
        self._move_prices()
        rate = self._base * self._activity + self._excited
        arrivals = rng.poisson(rate * _STEP_S)
        self._excited = (self._excited + arrivals * self._kick) * _DECAY
        frames: list[bytes] = []
        quoted = rng.random(len(self._pairs))
        prices = np.exp(self._log_price).tolist()
        for row, (pair, price, count) in enumerate(zip(self._pairs, prices, arrivals.tolist(), strict=True)):
            if pair.requote(price, quoted[row], rng):
                frames.append(book_frame(pair))
            if count:
                frames.extend(self._trades(pair, row, count))
        self._steps += 1
        self.time_ms += STEP_MS
        self._emit_statistics(frames)
        return frames

    def _change_temper(self) -> None:
        """Once a second: the volatility's level wanders, and now and then the regime changes."""
        rng = self._rng
        self._temper += -self._temper / 5400 + 0.35 * np.sqrt(2 / 5400) * float(rng.standard_normal())
        if rng.random() < (1 / 360 if self._busy else 1 / 1500):
            self._busy = not self._busy
        level = float(np.exp(self._temper)) * (1.8 if self._busy else 0.85)
        season = float(seasonality(self.time_ms))
        self._scale = level * np.sqrt(season * _STEP_S / YEAR_S)
        self._activity = season * level**0.7

    def _move_prices(self) -> None:
        rng = self._rng
        market = float(rng.standard_normal())
        if rng.random() < _STEP_S / 900:
            market += float(rng.standard_t(4)) * 28.0
        moves = self._shared * market + self._own * rng.standard_normal(len(self._pairs))
        if rng.random() < _STEP_S / 240:
            row = int(rng.integers(len(self._pairs)))
            moves[row] += self._own[row] * float(rng.standard_t(4)) * 30.0
        self._log_price += self._scale * moves

    def _trades(self, pair: Pair, row: int, count: int) -> list[bytes]:
        rng = self._rng
        moments = np.sort(rng.integers(0, STEP_MS, count)).tolist()
        draws = rng.random((count, 3)).tolist()
        sizes = rng.standard_normal(count).tolist()
        frames = []
        for moment, (turn, whale, tail), size in zip(moments, draws, sizes, strict=True):
            value = None
            if whale < self._whale_odds[row]:
                value = min(_WHALE_MOST_USD, _WHALE_USD * 1.02 * (1.0 - tail) ** (-1 / 1.7))
            pair.trade(turn, size, value, self.time_ms + moment)
            frames.append(trade_frame(pair, self.time_ms + moment))
        return frames

    def _emit_statistics(self, frames: list[bytes]) -> None:
        """Klines every two seconds and at the minute's end, day statistics every second, as the venue sends them."""
        ends_minute = self.time_ms % MINUTE == 0
        if ends_minute:
            frames.extend(kline_frame(pair, self._minute_ms, self.time_ms, True) for pair in self._pairs)
            self._end_minute()
        elif self._steps % _KLINE_STEPS == 0:
            frames.extend(kline_frame(pair, self._minute_ms, self.time_ms, False) for pair in self._pairs if pair.minute_trades)
        if self._steps % _TICKER_STEPS == 0:
            frames.extend(ticker_frame(pair, self.time_ms) for pair in self._pairs)

    def _end_minute(self) -> None:
        """The running minute joins the past, and the next one begins."""
        closed = np.array([pair.minute_row() for pair in self._pairs]).T
        self._join_past(np.array([self._minute_ms]), closed[:, :, None])

    def skip_to(self, time_ms: int) -> None:
        """Move on to a whole minute without a trade in between: the minutes that were slept through stay flat."""
        self._end_minute()
        times = np.arange(self._minute_ms, time_ms, MINUTE)
        prices = np.array([pair.price for pair in self._pairs])
        columns = np.zeros((8, len(self._pairs), len(times)))
        columns[:4] = prices[:, None]
        self.time_ms = time_ms
        self._join_past(times, columns)

    def _join_past(self, times: NDArray[np.int64], columns: NDArray[np.float64]) -> None:
        """Append closed minutes, and the hours that they complete; forget what is older than a day (minutes) or 30 (hours)."""
        newer = Bars(MINUTE, times, *columns)
        self.minutes = joined(self.minutes, newer)
        fresh = self.minutes.since(int(self.hours.time_ms[-1]) + HOUR)
        self.hours = joined(self.hours, merged(fresh, HOUR)).since(self.time_ms - 30 * DAY)
        self.minutes = self.minutes.since(self.time_ms - DAY - HOUR)
        self._minute_ms = int(times[-1]) + MINUTE if len(times) else self._minute_ms
        for row, pair in enumerate(self._pairs):
            pair.begin_day(self.minutes, row)


class Pair:
    """One pair's book top, trade counter, running minute and day."""

    def __init__(self, listing: Listing, number: int, rng: np.random.Generator) -> None:
        self.symbol = listing.instrument.symbol
        self.stream = self.symbol.lower()
        self.tick, self.lot = listing.tick, listing.lot
        self.decimals = listing.instrument.price_decimals
        self.quote_usd = listing.quote_usd
        self._spread = max(1, round(0.00012 * listing.price / listing.tick)) if listing.trade_usd * listing.rate < 2000 else 1
        self._median_usd = listing.trade_usd / float(np.exp(1.35**2 / 2))
        self._requote_odds = min(1.0, 0.03 + listing.rate / 8)
        self.trade_id = int(rng.integers(10_000_000, 900_000_000)) + number
        self.update_id = int(rng.integers(1_000_000_000, 90_000_000_000))
        self.buys = bool(rng.random() < 0.5)
        self.price = listing.price
        self.quantity = 0.0
        self.bid = self.ask = 0.0
        self.bid_quantity = self.ask_quantity = 0.0
        self._reset_minute(listing.price)

    def _reset_minute(self, price: float) -> None:
        self.open = self.high = self.low = price
        self.volume = self.quote_volume = self.bought = self.bought_quote = 0.0
        self.minute_trades = 0
        self.first_id = -1

    def requote(self, price: float, draw: float, rng: np.random.Generator) -> bool:
        """Follow the price with bid and ask; true when the top of the book changed, in price or in size."""
        tick = self.tick
        bid = round((int(price / tick - self._spread / 2 + 0.5)) * tick, 8)
        bid = max(bid, tick)
        if bid == self.bid and draw > self._requote_odds:
            return False
        self.bid, self.ask = bid, round(bid + self._spread * tick, 8)
        first, second = rng.standard_exponential(2).tolist()
        depth = 12.0 * self._median_usd / self.quote_usd / bid
        self.bid_quantity = max(self.lot, self._lots(first * depth))
        self.ask_quantity = max(self.lot, self._lots(second * depth))
        self.update_id += 1 + int(draw * 7)
        return True

    def trade(self, turn: float, size: float, value_usd: float | None, time_ms: int) -> None:
        """Take from the book: usually on the same side as the trade before. `value_usd` None: a usual size."""
        if turn > 0.8:
            self.buys = not self.buys
        value = self._median_usd * float(np.exp(1.35 * size)) if value_usd is None else value_usd
        price = self.ask if self.buys else self.bid
        if value_usd is not None:
            price = round(price + (self.tick if self.buys else -self.tick), 8) or self.tick
        self.price = price
        self.quantity = max(self.lot, self._lots(value / self.quote_usd / price))
        self.trade_id += 1
        self._count()

    def _lots(self, quantity: float) -> float:
        return round(round(quantity / self.lot) * self.lot, 8)

    def _count(self) -> None:
        price, quantity = self.price, self.quantity
        if not self.minute_trades:
            self.open = self.high = self.low = price
            self.first_id = self.trade_id
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.minute_trades += 1
        self.volume += quantity
        self.quote_volume += price * quantity
        if self.buys:
            self.bought += quantity
            self.bought_quote += price * quantity

    def minute_row(self) -> tuple[float, ...]:
        """The running minute as a column of `Bars`; starts the next one."""
        row = (self.open, self.high, self.low, self.price, self.volume, self.quote_volume, self.minute_trades, self.bought)
        self._reset_minute(self.price)
        return row

    def begin_day(self, minutes: Bars, row: int) -> None:
        """Take the statistics of the last 1439 closed minutes: with the running one they are a day."""
        last: NDArray[np.float64] = minutes.volume[row, -1439:]
        self.day_open = float(minutes.open[row, -1439:][0])
        self.day_high = float(minutes.high[row, -1439:].max())
        self.day_low = float(minutes.low[row, -1439:].min())
        self.day_volume = float(last.sum())
        self.day_quote_volume = float(minutes.quote_volume[row, -1439:].sum())
