"""Coinbase recordings of both dialects: counts, continuity, and the maker's side checked against the quotes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from marketwatch.feed.coinbase_parse import CoinbaseGulp, parse_many
from marketwatch.feed.recorded_lines import Recording


def gulp_of(path: Path) -> CoinbaseGulp:
    gulp = CoinbaseGulp()
    parse_many([line.frame for line in Recording(path).read()], gulp, received_ms=0)
    return gulp


def test_exchange_recording_holds_its_matches(recorded: Path) -> None:
    gulp = gulp_of(recorded / "coinbase" / "COINBASE.ws.28.0")
    assert len(gulp.trades) == 97 + 10
    assert gulp.rejected == {}
    assert gulp.unknown == {}
    assert len(gulp.tickers) == len(gulp.quotes) == 10


def test_exchange_trade_ids_step_by_one_after_the_last_match(recorded: Path) -> None:
    ids: dict[str, list[int]] = {}
    for trade in gulp_of(recorded / "coinbase" / "COINBASE.ws.28.0").trades:
        ids.setdefault(trade.symbol, []).append(trade.trade_id)
    for numbers in ids.values():
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_advanced_recording_is_contiguous_in_sequence_and_trade_ids(recorded: Path) -> None:
    gulp = gulp_of(recorded / "coinbase" / "COINBASE.jsonl.zst")
    assert len(gulp.trades) == 279
    for symbol in ("BTC-USD", "ETH-USD"):
        numbers = [trade.trade_id for trade in gulp.trades if trade.symbol == symbol]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    missing = set(range(gulp.sequences[0], gulp.sequences[-1] + 1)) - set(gulp.sequences)
    assert len(missing) == gulp.rejected["size"] == 1


def test_side_is_the_makers_as_the_quotes_show(recorded: Path) -> None:
    """A trade at the ask was taken by a buyer. Where bid and ask tell, they have to agree with our reading of `side`."""
    agreeing: Counter[bool] = Counter()
    gulp = CoinbaseGulp()
    for line in Recording(recorded / "coinbase" / "COINBASE.jsonl.zst").read():
        before = dict(gulp.quotes)
        seen = len(gulp.trades)
        parse_many([line.frame], gulp, received_ms=0)
        for trade in gulp.trades[seen:]:
            quote = before.get(trade.symbol)
            if quote is not None and trade.price in (quote.bid, quote.ask):
                agreeing[trade.buyer_is_maker == (trade.price == quote.bid)] += 1
    assert agreeing[True] > 50
    assert agreeing[True] > 10 * agreeing[False]


@pytest.mark.parametrize("name", ["real_single_messages.jsonl", "tardis_node_coinbase_messages.jsonl"])
def test_single_frames_are_read_or_skipped(recorded: Path, name: str) -> None:
    gulp = gulp_of(recorded / "coinbase" / name)
    assert gulp.messages >= 9
    assert gulp.rejected == {}
