"""The fake venue for a whole program: a slice of the recordings, and the settings that lead there."""

from __future__ import annotations

from marketwatch.clock import SystemClock

from .fake_binance import FakeBinance, recorded_tape
from .scaled_clock import ScaledClock

SYMBOLS = "BTCUSDT,ETHUSDT"


def venue_of(first_s: float | None, *, skip_s: float = 100.0, speed: float = 1.0, loop: bool = False) -> FakeBinance:
    """The fake venue with a slice of the recordings, in real time or faster; `loop`: again and again."""
    tape = recorded_tape(skip_s=skip_s, first_s=first_s)
    return FakeBinance(tape, clock=ScaledClock(start_ms=SystemClock().now_ms(), speed=speed), history_days=2, loop=loop)


def env_for(venue: FakeBinance, **more: str) -> dict[str, str]:
    """Settings that lead the program to the fake venue."""
    return {
        "BINANCE_WS_URL": venue.ws_url,
        "BINANCE_REST_URL": venue.rest_url,
        "COINBASE_WS_URL": "ws://127.0.0.1:9",
        "COINBASE_REST_URL": "http://127.0.0.1:9",
        "MARKETWATCH_SYMBOLS": SYMBOLS,
        "MARKETWATCH_STORE_TRADES": "on",
        **more,
    }
