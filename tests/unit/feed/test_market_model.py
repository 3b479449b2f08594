"""The demo market itself: deterministic, consistent with its past, plausible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketwatch.feed.binance_parse import Gulp, parse_many
from marketwatch.feed.market_history import DAY, HOUR, MINUTE, merged
from marketwatch.feed.market_listings import listings
from marketwatch.feed.market_model import STEP_MS, Market

EIGHT = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "TRXUSDT")
START = 1_790_000_040_000


def market(symbols: tuple[str, ...] = EIGHT, seed: int = 7, start_ms: int = START) -> Market:
    return Market(listings=listings(symbols), seed=seed, start_ms=start_ms)


def frames(market: Market, steps: int) -> list[bytes]:
    return [frame for _ in range(steps) for frame in market.step()]


def read(frames: list[bytes]) -> Gulp:
    gulp = Gulp()
    parse_many(frames, gulp, received_ms=START)
    return gulp


def test_market_with_the_same_seed_gives_the_same_bytes() -> None:
    assert frames(market(), 1300) == frames(market(), 1300)


@pytest.mark.parametrize("other", [market(seed=8), market(start_ms=START + MINUTE), market(symbols=EIGHT[:7])])
def test_market_with_another_seed_start_or_list_differs(other: Market) -> None:
    assert frames(other, 50) != frames(market(), 50)


def test_every_frame_is_read_by_the_binance_parser() -> None:
    gulp = read(frames(market(), 1300))
    assert (gulp.rejected, gulp.unknown) == ({}, {})
    assert {trade.symbol for trade in gulp.trades} == set(EIGHT)
    assert set(gulp.quotes) == set(gulp.tickers) == set(EIGHT)


def test_trade_ids_step_by_one_and_times_never_go_back() -> None:
    trades = read(frames(market(), 1300)).trades
    for symbol in EIGHT:
        own = [trade for trade in trades if trade.symbol == symbol]
        ids = [trade.trade_id for trade in own]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        times = [trade.time_ms for trade in own]
        assert times == sorted(times)


def test_trades_lie_inside_their_step() -> None:
    running = market()
    for _ in range(200):
        from_ms = running.time_ms
        assert all(from_ms <= trade.time_ms < from_ms + STEP_MS for trade in read(running.step()).trades)


def test_closed_kline_equals_the_candle_of_its_trades() -> None:
    gulp = read(frames(market(), 1200))
    for minute in (START, START + MINUTE):
        kline = gulp.candles[("BTCUSDT", "1m", minute)]
        own = [t for t in gulp.trades if t.symbol == "BTCUSDT" and minute <= t.time_ms < minute + MINUTE]
        assert kline.closed
        assert (kline.open, kline.close) == (own[0].price, own[-1].price)
        assert (kline.high, kline.low) == (max(t.price for t in own), min(t.price for t in own))
        assert kline.trades == len(own)
        assert kline.volume == pytest.approx(sum(t.quantity for t in own), abs=1e-6)
        assert kline.taker_buy_volume == pytest.approx(sum(t.quantity for t in own if not t.buyer_is_maker), abs=1e-6)


def test_past_ends_where_the_live_path_begins() -> None:
    running = market()
    closes = running.minutes.close[:, -1]
    assert closes == pytest.approx([listing.price for listing in running.listings], rel=1e-4)
    first = {trade.symbol: trade.price for trade in reversed(read(frames(running, 20)).trades)}
    assert first["BTCUSDT"] == pytest.approx(closes[0], rel=2e-3)


@given(start=st.integers(1_700_000_000_000 // MINUTE, 1_800_000_000_000 // MINUTE))
@settings(max_examples=10, deadline=None)
def test_past_covers_a_day_of_minutes_and_a_month_of_hours_for_any_start(start: int) -> None:
    running = market(symbols=("BTCUSDT", "PEPEUSDT"), start_ms=start * MINUTE)
    minutes, hours = running.minutes, running.hours
    assert minutes.time_ms[0] <= running.start_ms - DAY
    assert minutes.time_ms[-1] == running.start_ms - MINUTE
    assert set(np.diff(minutes.time_ms)) == {MINUTE}
    assert set(np.diff(hours.time_ms)) == {HOUR}
    assert hours.time_ms[0] <= running.start_ms - 29 * DAY
    assert 0 <= running.start_ms - (hours.time_ms[-1] + HOUR) < HOUR


def test_hours_of_the_last_day_are_made_of_its_minutes() -> None:
    running = market()
    hours = merged(running.minutes, HOUR)
    same = np.isin(running.hours.time_ms, hours.time_ms)
    assert same.sum() == len(hours.time_ms) >= 24
    for own, made in zip(running.hours[2:], hours[2:], strict=True):
        assert np.array_equal(own[:, same], made)


def test_bars_are_sound() -> None:
    for bars in (market().minutes, market().hours):
        assert (bars.low <= np.minimum(bars.open, bars.close)).all()
        assert (bars.high >= np.maximum(bars.open, bars.close)).all()
        assert (bars.low > 0).all()
        assert (bars.volume >= bars.taker_buy_volume).all()


def test_closed_minutes_join_the_past() -> None:
    running = market()
    frames(running, 1800)
    assert running.minutes.time_ms[-1] == running.start_ms + 2 * MINUTE
    assert set(np.diff(running.minutes.time_ms)) == {MINUTE}


def test_skip_leaves_flat_minutes_and_goes_on() -> None:
    running = market()
    frames(running, 70)
    running.skip_to(START + 3 * HOUR)
    assert set(np.diff(running.minutes.time_ms)) == {MINUTE}
    assert running.minutes.time_ms[-1] == START + 3 * HOUR - MINUTE
    assert running.minutes.volume[0, -1] == 0
    assert read(frames(running, 20)).trades[0].time_ms >= START + 3 * HOUR


def test_day_looks_like_a_market() -> None:
    running = market()
    gulp = read(frames(running, 3000))
    rate = len(gulp.trades) / 300
    assert 50 < rate < 400
    whales = sum(trade.price * trade.quantity >= 100_000 for trade in gulp.trades)
    assert 3 <= whales <= 40
    assert 2 <= sum(trade.symbol == "TRXUSDT" for trade in gulp.trades) <= 25
    for ticker in gulp.tickers.values():
        assert abs(ticker.price / ticker.open_24h - 1) < 0.25
        assert ticker.low_24h <= ticker.price <= ticker.high_24h
    for quote in gulp.quotes.values():
        assert 0 < quote.bid < quote.ask < quote.bid * 1.002


def test_all_pairs_of_a_quote_are_about_a_hundred_and_twenty() -> None:
    pairs = listings(("all:USDT",))
    assert 100 <= len(pairs) <= 140
    assert len({pair.instrument.symbol for pair in pairs}) == len(pairs)


@given(symbol=st.text(min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_any_symbol_gets_a_market_that_the_parser_reads(symbol: str) -> None:
    running = market(symbols=(symbol,))
    gulp = read(frames(running, 60))
    assert gulp.rejected == {}
    assert set(gulp.tickers) == {symbol}


def test_market_that_starts_inside_a_minute_is_refused() -> None:
    with pytest.raises(ValueError, match="whole minute"):
        market(start_ms=START + 1)
