"""Screens that somebody may begin with."""

from __future__ import annotations

from typing import NamedTuple

from .question import Question


class Ready(NamedTuple):
    """A ready-made screen and what it looks for."""

    name: str
    says: str
    question: Question


READY = (
    Ready(
        "Falling fast",
        "Down by 1 % or more within five minutes, the deepest first.",
        Question("change(5m) <= -1", "price, change(5m), change(1h), drawdown(1h), volume(5m)", "", "change(5m)", "asc"),
    ),
    Ready(
        "Unusual volume",
        "The last five minutes traded three times as much as the hour's average five minutes.",
        Question(
            "12 * volume(5m) / volume(1h) > 3",
            "price, 12 * volume(5m) / volume(1h), change(5m), buy_ratio(5m), trade_rate(60)",
            "",
            "12 * volume(5m) / volume(1h)",
            "desc",
        ),
    ),
    Ready(
        "Oversold on minutes",
        "The relative strength index of one-minute candles is below 30.",
        Question("rsi(14, 1m) < 30", "price, rsi(14, 1m), change(5m), change(1h)", "", "rsi(14, 1m)", "asc"),
    ),
    Ready(
        "Near the day's high",
        "Within half a per cent of the highest trade of 24 hours.",
        Question("price >= 0.995 * high(24h)", "price, change(24h), change(1h), volatility(60)", "", "change(24h)", "desc"),
    ),
)
