"""What the Binance feed says about quiet symbols, with its line up and with its line down."""

from __future__ import annotations

from typing import Any

import pytest

from marketwatch.clock import ManualClock
from marketwatch.config import Settings
from marketwatch.feed.binance import BinanceFeed
from marketwatch.model.market import GapReason, Staleness, Trade


def trade(number: int) -> Trade:
    return Trade("BTCUSDT", number, 100.0, 1.0, 1_790_000_000_000 + number, False, 1)


@pytest.mark.parametrize(("line_is_up", "reason"), [(True, GapReason.SILENCE), (False, GapReason.DISCONNECT)])
async def test_symbol_that_falls_silent_is_stale_and_its_gap_names_the_cause(
    monkeypatch: pytest.MonkeyPatch, line_is_up: bool, reason: GapReason
) -> None:
    clock, heard = ManualClock(1_790_000_000_000), list[Any]()
    feed = BinanceFeed(settings=Settings.of(symbols=("BTCUSDT",)), clock=clock, publish=heard.append)
    feed._started(("BTCUSDT",))
    (line,) = feed._lines = feed._make_lines()
    monkeypatch.setattr(type(line), "up", property(lambda _: line_is_up))
    feed.ledger.admit([trade(1)])
    if not line_is_up:
        feed.on_down(line, "The line broke.")
    await clock.advance(400.0)
    feed._watch(clock.monotonic())
    feed.ledger.admit([trade(5)])
    assert [(fact.symbol, fact.stale) for fact in heard if isinstance(fact, Staleness)] == [("BTCUSDT", True)]
    assert [hole.reason for hole in feed.ledger.take_changed()] == [reason]
