"""The kinds of parameters that endpoints share: what they accept, in words, in OpenAPI and in code."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from msgspec import Meta

MAX_COINS = 50
_EPOCH_MS = re.compile(r"\d{1,15}")
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:[Zz]|[+-]\d\d:?\d\d)?)?")
_LATEST_MS = 253_402_300_799_999


def read_time(text: str) -> int:
    """Epoch milliseconds, or an ISO 8601 time (UTC unless it names an offset), in milliseconds. Raises ValueError.

    A number is always milliseconds: the unit is never guessed from the size.
    """
    if _EPOCH_MS.fullmatch(text):
        value = int(text)
    elif _ISO.fullmatch(text):
        moment = datetime.fromisoformat(text.upper().replace(",", "."))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        value = round(moment.timestamp() * 1000)
    else:
        raise ValueError(text)
    if not 0 <= value <= _LATEST_MS:
        raise ValueError(text)
    return value


_TIME_WORDS = "an ISO 8601 time such as 2026-11-20T08:31:00Z, or milliseconds since the epoch"
_TIME_SCHEMA = {
    "anyOf": [
        {"type": "string", "format": "date-time", "pattern": r"^(19[7-9]\d|[2-9]\d{3})-"},
        {"type": "integer", "minimum": 0, "maximum": _LATEST_MS},
    ]
}
_COIN_WORDS = "a symbol (BTCUSDT), a base asset (BTC) or a coin name (bitcoin)"

CoinId = Annotated[
    str, Meta(min_length=1, max_length=64, description=_COIN_WORDS, extra={"expects": _COIN_WORDS, "example": "BTCUSDT"})
]
CoinList = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^,]+$")]],
    Meta(
        min_length=1,
        max_length=MAX_COINS,
        description="Coins separated by commas",
        extra={
            "expects": f"1 to {MAX_COINS} coins separated by commas, such as bitcoin,ETHUSDT",
            "list": True,
            "example": ["BTC"],
        },
    ),
]
Interval = Annotated[
    Literal["1s", "1m", "5m", "15m", "1h", "4h", "1d"],
    Meta(description="Length of a candle", extra={"expects": "one of 1s, 1m, 5m, 15m, 1h, 4h, 1d"}),
]
Period = Annotated[Literal["24h", "7d", "30d"], Meta(description="How far back", extra={"expects": "one of 24h, 7d, 30d"})]
From = Annotated[
    int, Meta(description="Start, inclusive", extra={"expects": _TIME_WORDS, "read": read_time, "schema": _TIME_SCHEMA})
]
To = Annotated[
    int, Meta(description="End, exclusive", extra={"expects": _TIME_WORDS, "read": read_time, "schema": _TIME_SCHEMA})
]
Limit = Annotated[
    int,
    Meta(ge=1, le=1000, description="At most so many", extra={"expects": "a whole number from 1 to 1000", "number": True}),
]
Window = Annotated[
    int,
    Meta(ge=2, le=500, description="Length in candles", extra={"expects": "a whole number from 2 to 500", "number": True}),
]
Usd = Annotated[
    float,
    Meta(ge=0, le=1e15, description="In US dollars", extra={"expects": "a number of dollars, 0 or more", "number": True}),
]
