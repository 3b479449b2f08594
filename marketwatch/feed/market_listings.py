"""What the demo market lists: bases with a price level, a day's volume and a temper, and the pairs made of them.

The levels are of the order that these coins have had; they are a stage set, not data.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from ..model.market import DOLLARS, Instrument
from .pairs import split_symbol

_QUIET_RATE = 1 / 40

# base: (price in dollars, volume of a day in million dollars, annual volatility, beta to the market)
_LISTED: dict[str, tuple[float, float, float, float]] = {
    "BTC": (61_600.0, 1500, 0.45, 1.0), "ETH": (2_680.0, 1150, 0.58, 1.15), "SOL": (155.0, 390, 0.78, 1.35),
    "BNB": (512.0, 190, 0.48, 0.85), "XRP": (0.6120, 240, 0.65, 0.95), "DOGE": (0.10520, 130, 0.82, 1.3),
    "ADA": (0.3480, 52, 0.70, 1.15), "TRX": (0.1284, 1.2, 0.38, 0.5), "AVAX": (22.40, 44, 0.80, 1.3),
    "LINK": (10.62, 40, 0.74, 1.2), "TON": (6.480, 46, 0.72, 0.95), "DOT": (4.610, 22, 0.70, 1.2),
    "SHIB": (0.00001395, 34, 0.85, 1.3), "LTC": (62.30, 26, 0.60, 0.95), "BCH": (352.0, 21, 0.68, 1.05),
    "NEAR": (4.120, 36, 0.86, 1.35), "UNI": (6.180, 19, 0.78, 1.2), "ICP": (7.820, 12, 0.78, 1.2),
    "APT": (6.240, 24, 0.82, 1.3), "PEPE": (0.00000812, 66, 1.05, 1.6), "ETC": (19.10, 14, 0.64, 1.1),
    "XLM": (0.0992, 9, 0.58, 0.9), "FET": (0.892, 28, 0.98, 1.45), "SUI": (0.942, 58, 0.98, 1.4),
    "ATOM": (4.760, 10, 0.68, 1.15), "FIL": (3.680, 13, 0.78, 1.25), "HBAR": (0.0548, 8, 0.76, 1.15),
    "RENDER": (5.080, 17, 0.92, 1.4), "IMX": (1.164, 9, 0.88, 1.35), "ARB": (0.562, 26, 0.86, 1.35),
    "OP": (1.412, 22, 0.88, 1.35), "INJ": (18.20, 18, 0.94, 1.4), "STX": (1.480, 12, 0.90, 1.35),
    "VET": (0.02180, 7, 0.74, 1.15), "GRT": (0.1410, 8, 0.86, 1.3), "AAVE": (102.4, 24, 0.82, 1.25),
    "MKR": (2_014.0, 10, 0.72, 1.1), "ALGO": (0.1264, 6, 0.70, 1.15), "RUNE": (3.640, 16, 0.96, 1.4),
    "SEI": (0.2920, 14, 0.98, 1.4), "TIA": (5.320, 28, 1.02, 1.4), "WIF": (1.632, 48, 1.20, 1.6),
    "BONK": (0.00001874, 27, 1.10, 1.55), "FLOKI": (0.0001246, 16, 1.08, 1.5), "JUP": (0.842, 14, 0.98, 1.4),
    "PYTH": (0.2860, 9, 0.96, 1.35), "LDO": (1.046, 11, 0.90, 1.3), "CRV": (0.2790, 13, 0.94, 1.3),
    "SAND": (0.2560, 7, 0.80, 1.25), "MANA": (0.2680, 6, 0.78, 1.25), "AXS": (4.870, 6, 0.80, 1.25),
    "GALA": (0.01820, 12, 0.92, 1.35), "APE": (0.642, 7, 0.88, 1.3), "CHZ": (0.0552, 6, 0.72, 1.1),
    "EOS": (0.478, 6, 0.62, 1.05), "XTZ": (0.672, 4, 0.66, 1.1), "THETA": (1.252, 6, 0.82, 1.25),
    "FTM": (0.368, 24, 1.00, 1.4), "EGLD": (26.40, 4, 0.74, 1.15), "FLOW": (0.548, 4, 0.74, 1.15),
    "NEO": (9.420, 4, 0.64, 1.05), "KAVA": (0.318, 3, 0.72, 1.1), "QNT": (66.80, 3, 0.68, 1.0),
    "SNX": (1.334, 4, 0.86, 1.25), "COMP": (43.20, 4, 0.78, 1.15), "ZEC": (36.40, 9, 0.76, 1.0),
    "DASH": (22.80, 4, 0.64, 1.0), "IOTA": (0.1188, 3, 0.70, 1.1), "ENA": (0.312, 22, 1.15, 1.45),
    "WLD": (1.562, 34, 1.10, 1.45), "ORDI": (29.60, 26, 1.12, 1.45), "STRK": (0.382, 9, 1.00, 1.35),
    "DYDX": (0.962, 8, 0.94, 1.3), "ENS": (17.20, 9, 0.92, 1.25), "1INCH": (0.2440, 3, 0.80, 1.2),
    "BLUR": (0.1580, 6, 0.98, 1.35),
}  # fmt: skip

_UNPRICED = (
    "ACE", "AEVO", "AGLD", "AI", "ALICE", "ALT", "ANKR", "AR", "ARKM", "ASTR", "AUDIO", "BAND", "BAT", "BEL", "BICO",
    "BOME", "CAKE", "CELO", "CELR", "CFX", "CKB", "COTI", "CTSI", "CVX", "CYBER", "DENT", "DODO", "DUSK", "EDU", "ENJ",
    "FLUX", "GAS", "GLM", "GMT", "GMX", "HIGH", "HOOK", "HOT", "ICX", "ID", "ILV", "IOST", "IOTX", "JASMY", "JOE", "JTO",
    "KLAY", "KSM", "LPT", "LQTY",
)  # fmt: skip

_FIAT = {"EUR": 1.09, "GBP": 1.28, "TRY": 0.0298}
_TICKS = {
    "BTC": "0.01",
    "ETH": "0.01",
    "BNB": "0.01",
    "DOGE": "0.00001",
    "ADA": "0.0001",
    "TRX": "0.00001",
    "SHIB": "0.00000001",
}


class Listing(NamedTuple):
    """A pair of the demo market. `price` in quote units; `rate` trades a second on average; `trade_usd` the mean value of a
    trade in dollars; `volatility` per root year; `quote_usd` dollars per quote unit."""

    instrument: Instrument
    price: float
    rate: float
    trade_usd: float
    volatility: float
    beta: float
    quote_usd: float

    @property
    def tick(self) -> float:
        return float(self.instrument.tick_size or 0.01)

    @property
    def lot(self) -> float:
        return float(self.instrument.lot_step or 1.0)


def listings(symbols: Sequence[str]) -> list[Listing]:
    """The pairs behind `settings.symbols`: named pairs in their order, or everything quoted in X for `all:X`."""
    if len(symbols) == 1 and symbols[0].startswith("all:"):
        quote = symbols[0].removeprefix("all:").upper()
        return [_listing(base + quote, base, quote) for base in (*_LISTED, *_UNPRICED) if base != quote]
    return [_listing(symbol, *split_symbol(symbol)) for symbol in dict.fromkeys(symbols)]


def _listing(symbol: str, base: str, quote: str) -> Listing:
    price_usd, volume, volatility, beta = _LISTED.get(base) or _plausible(base)
    quote_usd = 1.0 if quote in DOLLARS else _FIAT.get(quote) or (_LISTED.get(quote) or _plausible(quote))[0]
    price = price_usd / quote_usd
    volume_usd = volume * 1e6 * (1.0 if quote in DOLLARS else 0.05)
    rate = _QUIET_RATE if base == "TRX" else 38.0 * (volume_usd / 1.5e9) ** 0.75
    exact = _TICKS.get(base) if quote in DOLLARS else None
    tick = Decimal(exact) if exact else _power_of_ten(max(-8, min(-2, math.floor(math.log10(price)) - 3)))
    lot = _power_of_ten(max(-5, min(0, -math.floor(math.log10(price_usd)) - 1)))
    instrument = Instrument(symbol, base, quote, tick, lot)
    return Listing(instrument, price, rate, volume_usd / 86_400 / rate, volatility, beta, quote_usd)


def _power_of_ten(exponent: int) -> Decimal:
    return Decimal(f"{Decimal(1).scaleb(exponent):f}")


def _plausible(base: str) -> tuple[float, float, float, float]:
    """A level for a base that nobody priced: the same for the same name, everywhere."""
    draw = zlib.crc32(base.encode("utf-8", "surrogatepass"))
    level = 10.0 ** (-1.5 + 3.0 * (draw % 1009) / 1008)
    return round(level, 4), 1.5 + draw // 1009 % 60 / 10, 0.7 + draw % 37 / 100, 1.0 + draw % 41 / 100
