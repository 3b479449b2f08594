"""What somebody likes to see."""

from __future__ import annotations

import asyncio
import re
from functools import cache
from typing import Annotated, Literal, get_args
from zoneinfo import available_timezones

import msgspec

from ..errors import InvalidRequest

Currency = Literal["USD", "EUR", "GBP", "CHF", "JPY", "AUD", "CAD", "BTC"]
CURRENCIES: tuple[str, ...] = get_args(Currency)
MOST_SYMBOLS = 50
_SYMBOL = re.compile(r"[A-Z0-9._-]{2,32}")
Theme = Literal["auto", "dark", "light"]


class Preferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`currency`: of sums over several coins. `time_zone`: an IANA name. `symbols`: shown first."""

    theme: Theme = "auto"
    currency: Currency = "USD"
    time_zone: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] = "UTC"
    symbols: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=2, max_length=32, pattern="^[A-Z0-9._-]+$")], ...],
        msgspec.Meta(max_length=MOST_SYMBOLS),
    ] = ()


def read_preferences(text: str) -> Preferences:
    """What is stored; the defaults where a field is of a former time."""
    try:
        return msgspec.json.decode(text, type=Preferences)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Preferences()


async def write_preferences(preferences: Preferences) -> str:
    """What to store. Raises InvalidRequest for a time zone that there is not."""
    if preferences.time_zone != "UTC" and preferences.time_zone not in await asyncio.to_thread(time_zones):
        raise InvalidRequest(
            f'The time zone "{preferences.time_zone}" is not known; it must be a name such as Europe/Berlin.',
            [{"field": "time_zone"}],
        )
    return msgspec.json.encode(preferences).decode()


def symbols_of(text: str) -> tuple[str, ...]:
    """Symbols from a line that a person typed. Raises InvalidRequest."""
    found = tuple(dict.fromkeys(part.upper() for part in re.split(r"[\s,;]+", text) if part))
    bad = [part for part in found if not _SYMBOL.fullmatch(part)]
    if bad:
        raise InvalidRequest(f'"{bad[0][:32]}" is not a symbol such as BTCUSDT.', [{"field": "symbols"}])
    if len(found) > MOST_SYMBOLS:
        raise InvalidRequest(f"{len(found)} symbols were named; at most {MOST_SYMBOLS} are kept.", [{"field": "symbols"}])
    return found


@cache
def time_zones() -> frozenset[str]:
    """The names that this machine knows. The first call reads some hundred files."""
    return frozenset(available_timezones())
