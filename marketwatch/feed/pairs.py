"""A pair's name taken apart, where a venue or a recording tells nothing but the name and the prices."""

from __future__ import annotations

from decimal import Decimal

from ..model.market import Instrument

_QUOTES = ("FDUSD", "USDT", "USDC", "TUSD", "BUSD", "USDP", "USD", "EUR", "GBP", "TRY", "DAI", "BTC", "ETH", "BNB")


def split_symbol(symbol: str) -> tuple[str, str]:
    """Base and quote: `BTCUSDT` gives BTC and USDT, `BTC-USD` BTC and USD; without a known quote, USDT is taken."""
    if "-" in symbol.strip("-"):
        base, _, quote = symbol.rpartition("-")
        return base, quote
    for quote in _QUOTES:
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol.removesuffix(quote), quote
    return symbol, "USDT"


def inferred_instrument(symbol: str, decimals: int | None) -> Instrument:
    """An instrument known by its name and by the digits after the point that its prices were seen with."""
    base, quote = split_symbol(symbol)
    tick = None if decimals is None else Decimal(1).scaleb(-min(max(decimals, 0), 12))
    return Instrument(symbol, base, quote, tick, None)


def decimals_of(price: str) -> int:
    """Digits after the point without trailing zeros: 2 for `61837.63000000`, 0 for `12`."""
    _, _, fraction = price.partition(".")
    return len(fraction.rstrip("0"))
