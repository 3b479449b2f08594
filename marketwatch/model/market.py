"""What happens on a market: trades, quotes, candles, gaps, and the batches in which they travel over the bus.

Times are integer milliseconds since the epoch, UTC. Prices and quantities are float64 (analytics); `value_usd` is price
times quantity where the quote asset is a dollar or a dollar stablecoin. Unknown is None (or NaN in arrays).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DOLLARS = frozenset({"USD", "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "DAI", "USDP", "PYUSD"})


class Source(StrEnum):
    """Where the numbers of a running watch come from; shown on every page and in every API answer."""

    LIVE = "live"
    DEMO = "demo"
    RECORDED = "recorded"
    REPLAY = "replay"


class Trade(NamedTuple):
    """One print. `trade_id` is the venue's id in the continuity space of the stream.

    `trades` is the number of venue trades folded into this print (an aggTrade holds `l - f + 1`). In a stream of single
    trades a print that was refilled from aggregates covers the ids `trade_id - trades + 1 .. trade_id`.
    `buyer_is_maker` true means that the taker sold.
    """

    symbol: str
    trade_id: int
    price: float
    quantity: float
    time_ms: int
    buyer_is_maker: bool
    trades: int = 1


class Quote(NamedTuple):
    """Best bid and ask. `time_ms` is the receipt time where the venue sends none (Binance bookTicker)."""

    symbol: str
    bid: float
    bid_quantity: float
    ask: float
    ask_quantity: float
    time_ms: int


class Ticker(NamedTuple):
    """The venue's own rolling 24 h statistics of a symbol. Volumes in base and in quote units."""

    symbol: str
    price: float
    open_24h: float
    high_24h: float
    low_24h: float
    volume_24h: float
    quote_volume_24h: float
    time_ms: int


class Candle(NamedTuple):
    """`[time_ms, time_ms + interval)` in UTC. `closed` false: still changing. `gap` true: some of its span was not seen.

    An interval without a trade carries the previous close in all four prices, volume 0 and `trades` 0.
    """

    symbol: str
    interval: str
    time_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    trades: int
    taker_buy_volume: float
    closed: bool = True
    gap: bool = False


class Instrument(NamedTuple):
    """A trading pair as the venue lists it. `tick_size` and `lot_step` None: the venue did not say."""

    symbol: str
    base: str
    quote: str
    tick_size: Decimal | None = None
    lot_step: Decimal | None = None
    trading: bool = True

    @property
    def price_decimals(self) -> int:
        """Digits after the point that a price of this pair has (2 where unknown)."""
        if self.tick_size is None:
            return 2
        exponent = self.tick_size.normalize().as_tuple().exponent
        return max(0, -exponent) if isinstance(exponent, int) else 2

    @property
    def in_dollars(self) -> bool:
        """Price times quantity is a sum of US dollars, near enough for a whale's size."""
        return self.quote in DOLLARS


class GapReason(StrEnum):
    """Why trades of a span are missing."""

    ID_JUMP = "id_jump"
    DISCONNECT = "disconnect"
    SILENCE = "silence"
    OVERFLOW = "overflow"
    RESTART = "restart"


class GapState(StrEnum):
    """OPEN: being refilled. CLOSED: every id was refilled. LOST: given up; stays visible."""

    OPEN = "open"
    CLOSED = "closed"
    LOST = "lost"


class Gap(NamedTuple):
    """A span of trades of one symbol that did not arrive. `from_id`/`to_id` inclusive, None where ids are unknown.

    `gap_id` is the same in every later fact about the same gap: the newest fact replaces the older ones.
    `refilled` counts the ids that came in after all.
    """

    gap_id: str
    venue: str
    symbol: str
    reason: GapReason
    state: GapState
    from_ms: int
    to_ms: int
    from_id: int | None = None
    to_id: int | None = None
    refilled: int = 0


class Whale(NamedTuple):
    """A trade whose value in dollars reached the symbol's threshold."""

    trade: Trade
    value_usd: float
    threshold_usd: float


# Batches: what travels over the bus. A feed publishes one of each kind at most per gulp, in this order.


class Trades(NamedTuple):
    """New trades in the order of arrival. `refill`: fetched later to close a gap, so they are late by nature."""

    venue: str
    received_ms: int
    trades: list[Trade]
    refill: bool = False


class Quotes(NamedTuple):
    """The newest quote of each symbol that had one in the gulp."""

    venue: str
    received_ms: int
    quotes: list[Quote]


class Tickers(NamedTuple):
    """The newest rolling statistics of each symbol that had one in the gulp."""

    venue: str
    received_ms: int
    tickers: list[Ticker]


class Pulse(NamedTuple):
    """Event time has reached `time_ms`: what lets sample steps close on a quiet market. Published by the feed, never by a timer
    of the core, so that a recording carries its own time."""

    venue: str
    time_ms: int


class Staleness(NamedTuple):
    """A symbol went quiet for longer than is usual for it (`stale`), or came back. `since_ms`: its last data."""

    venue: str
    symbol: str
    stale: bool
    since_ms: int


class QuietCause(StrEnum):
    """Why the rules of a symbol rested. STALE: it was quiet for longer than is usual for it. GAP: the feed was down or trades
    were missing when the steps were first told; what was refilled since does not change that."""

    STALE = "stale"
    GAP = "gap"


class QuietSpan(NamedTuple):
    """Sample steps that start in `[from_ms, to_ms)`, at which the rules of a symbol rested. `is_open`: it went on at `to_ms`,
    and this is said again every minute."""

    symbol: str
    cause: QuietCause
    from_ms: int
    to_ms: int
    is_open: bool = False
    venue: str = ""

    @property
    def until_ms(self) -> int:
        """Up to where it may reach: of an open one the next words may be two minutes away."""
        return self.to_ms + 120_000 if self.is_open else self.to_ms


class VenueCandles(NamedTuple):
    """Candles as the venue counts them, live or from its history. `history`: fetched to warm up, not streamed."""

    venue: str
    candles: list[Candle]
    history: bool = False


class Closes(NamedTuple):
    """Closing prices of one symbol and interval, by the open times of their candles, oldest first. NaN where a candle tells
    nothing of its own time."""

    time_ms: NDArray[np.int64]
    price: NDArray[np.float64]


class ClosedCandles(NamedTuple):
    """Our own candles that closed at one sample step. `revision`: amended by a trade that came late."""

    candles: list[Candle]
    revision: bool = False


class Whales(NamedTuple):
    """Whale trades found in one batch."""

    whales: list[Whale]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """One step of the sample grid for all symbols: columns of shape `(len(symbols),)`, float64 if not noted.

    The step covers `[time_ms, time_ms + sample_ms)` of event time. Without a trade in the step `trades` is 0, volumes are 0
    and the four prices are the last known price (sample and hold). `price` is NaN where no price is known yet, and where
    `gap` is true because the feed of that symbol was down for the whole step. `first_id`/`last_id`: int64, 0 without a trade.
    `revised` holds the indices of the symbols that this fact amends when it replaces an earlier one of the same time
    (None: the first fact of its time).
    """

    time_ms: int
    sample_ms: int
    symbols: tuple[str, ...]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    price: NDArray[np.float64]
    volume: NDArray[np.float64]
    notional: NDArray[np.float64]
    taker_buy_volume: NDArray[np.float64]
    trades: NDArray[np.int64]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    first_id: NDArray[np.int64]
    last_id: NDArray[np.int64]
    gap: NDArray[np.bool_]
    revised: NDArray[np.intp] | None = None
