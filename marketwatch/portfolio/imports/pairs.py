"""Names of pairs and assets as the venues write them, taken apart."""

from __future__ import annotations

from ...model.market import DOLLARS

_MONEY = (
    "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "PYUSD", "DAI", "USD", "EUR", "GBP", "AUD", "BRL", "CAD", "CHF", "JPY",
    "TRY", "RUB", "UAH", "NGN", "ZAR", "PLN", "RON", "ARS", "MXN", "COP", "CZK", "IDRT", "BIDR", "BVND", "VAI", "EURI", "AEUR",
)  # fmt: skip
_QUOTES = (*_MONEY, "BTC", "ETH", "BNB", "XRP", "TRX", "DOGE", "DOT", "SOL")
"""Quote assets, the one that is money rather than the other first."""

FIAT = frozenset(_MONEY) - DOLLARS | {"USD"}

_KRAKEN = {
    "XBT": "BTC", "XXBT": "BTC", "XDG": "DOGE", "XXDG": "DOGE", "XETH": "ETH", "XLTC": "LTC", "XXRP": "XRP", "XXLM": "XLM",
    "XXMR": "XMR", "XZEC": "ZEC", "XETC": "ETC", "XREP": "REP", "XMLN": "MLN", "XICN": "ICN", "ZUSD": "USD", "ZEUR": "EUR",
    "ZGBP": "GBP", "ZCAD": "CAD", "ZJPY": "JPY", "ZAUD": "AUD", "ZKRW": "KRW", "ETH2": "ETH",
}  # fmt: skip
_KRAKEN_QUOTES = ("ZUSD", "ZEUR", "ZGBP", "ZCAD", "ZJPY", "ZAUD", "XXBT", "XETH", "XBT", *_QUOTES, "CHF")


def split(pair: str) -> tuple[str, str] | None:
    """Base and quote of `ETHBTC`, `BTC-USD`, `BTC/USD`; None where nobody can tell."""
    name = pair.strip().upper()
    for separator in "/-_":
        if name.count(separator) == 1:
            base, quote = name.split(separator)
            return (base, quote) if base and quote else None
    return _by_quote(name, sorted(_QUOTES, key=len, reverse=True))


def split_kraken(pair: str) -> tuple[str, str] | None:
    """The same with Kraken's own codes: `XXBTZUSD`, `ADAUSD`, `XBT/EUR`."""
    name = pair.strip().upper()
    found = split(name) if "/" in name else _by_quote(name, sorted(_KRAKEN_QUOTES, key=len, reverse=True))
    return None if found is None else (kraken_asset(found[0]), kraken_asset(found[1]))


def _by_quote(name: str, quotes: list[str]) -> tuple[str, str] | None:
    for quote in quotes:
        if name.endswith(quote) and len(name) > len(quote):
            return name[: -len(quote)], quote
    return None


def kraken_asset(name: str) -> str:
    """`XXBT`, `XBT.M`, `ETH2.S`, `DOT28.S`: the plain coin, staked or not."""
    plain, _, suffix = name.strip().upper().partition(".")
    if suffix:
        plain = plain if plain in _KRAKEN else plain.rstrip("0123456789") or plain
    return _KRAKEN.get(plain, plain)


def money_rank(code: str) -> int:
    """How much an asset is the money of a trade; the smaller, the more."""
    return _QUOTES.index(code) if code in _QUOTES else len(_QUOTES)
