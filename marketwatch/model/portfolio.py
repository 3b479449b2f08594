"""What a person owns: portfolios, their transactions, and what follows from them. Immutable facts.

Money and quantities are `Decimal`, never float. Times are integer milliseconds since the epoch, UTC. Unknown is None.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

LOCAL_OWNER = "owner"
"""Owner of everything where there are no accounts."""

NOTHING = Decimal(0)


class CostMethod(StrEnum):
    """How the cost of what is sold is found; fixed for the life of a portfolio."""

    AVERAGE = "average"
    FIFO = "fifo"


class TransactionKind(StrEnum):
    """What happened. The kinds of `EXTERNAL` move value over the portfolio's border; the others happen inside."""

    BUY = "buy"
    SELL = "sell"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRANSFER_IN = "transfer_in"
    TRANSFER_OUT = "transfer_out"
    FEE = "fee"
    REWARD = "reward"
    AIRDROP = "airdrop"


TRADES = frozenset({TransactionKind.BUY, TransactionKind.SELL})
EXTERNAL = frozenset(
    {TransactionKind.DEPOSIT, TransactionKind.WITHDRAWAL, TransactionKind.TRANSFER_IN, TransactionKind.TRANSFER_OUT}
)
INCOMING = frozenset({TransactionKind.DEPOSIT, TransactionKind.TRANSFER_IN, TransactionKind.REWARD, TransactionKind.AIRDROP})


class Portfolio(NamedTuple):
    """One book of one owner. `version` grows with every change of the row; `deleted_ms` not None: in the bin, restorable.
    `trouble`: another program has made something of its row that cannot be read; the sentence says what, and how to mend it."""

    portfolio_id: str
    owner_id: str
    name: str
    base_currency: str = "USD"
    cost_method: CostMethod = CostMethod.AVERAGE
    created_ms: int = 0
    updated_ms: int = 0
    version: int = 1
    deleted_ms: int | None = None
    trouble: str = ""


class Transaction(NamedTuple):
    """One entry of a book.

    `quantity` of `coin` moves (always positive; the kind says in which direction). `price` is in `currency` per unit of `coin`;
    for a trade it is needed, for what comes in it is the cost that comes along. `rate`: base currency per unit of `currency` at
    that time, where `currency` is neither the base currency nor at par with it. `fee` is paid in `fee_currency` (empty: in
    `currency`). `external_id` is the id at the `source` (`binance`, `kraken` ...), by which the same row is known again.
    `sequence` orders entries of the same millisecond.
    """

    transaction_id: str
    portfolio_id: str
    kind: TransactionKind
    coin: str
    quantity: Decimal
    time_ms: int
    price: Decimal | None = None
    currency: str = ""
    rate: Decimal | None = None
    fee: Decimal = NOTHING
    fee_currency: str = ""
    note: str = ""
    source: str = "manual"
    external_id: str | None = None
    import_id: str | None = None
    sequence: int = 0
    version: int = 1


class Lot(NamedTuple):
    """A part of a position that came in at one time, and what it cost in the base currency."""

    quantity: Decimal
    cost: Decimal
    time_ms: int
    transaction_id: str


class Position(NamedTuple):
    """What is held of one coin. `cost`, `realized` and `income` are in the base currency, purchase fees are part of the cost.

    `cost_known` false: some of it came in without a price and counts with cost 0. `lots`: oldest first, FIFO only.
    """

    coin: str
    quantity: Decimal
    cost: Decimal
    realized: Decimal
    income: Decimal
    cost_known: bool = True
    lots: tuple[Lot, ...] = ()

    @property
    def average_cost(self) -> Decimal | None:
        """Cost of one unit; None when nothing is held."""
        return self.cost / self.quantity if self.quantity else None


class Remark(NamedTuple):
    """What a bookkeeper would note beside an entry: it was booked, under the assumption that the sentence names."""

    transaction_id: str
    message: str


class Move(NamedTuple):
    """A change of one asset. `value`: what was paid into it (positive) or drawn from it in the base currency, 0 for what was
    earned or spent; None: at the market's price."""

    time_ms: int
    asset: str
    quantity: Decimal
    value: Decimal | None


class Flow(NamedTuple):
    """Value that crossed the portfolio's border: `quantity` of `asset`, positive inwards. `value` None: at the market's price.

    `implied`: nobody entered it; a purchase took more than the cash at hand.
    """

    time_ms: int
    asset: str
    quantity: Decimal
    value: Decimal | None
    implied: bool = False


class Statement(NamedTuple):
    """The state of a ledger after its last transaction, all money in the base currency.

    ``net_invested + realized + income - expenses == cash + sum of the positions' costs``, exactly. `fees` is a memo of all that
    was paid in fees (those of trades are contained in costs and `realized`, the others in `expenses`). `implied`: the part of
    `net_invested` that nobody entered. `remarks`: the first hundred, `more_remarks` tells how many there were beyond.
    """

    transactions: int
    cash: dict[str, Decimal]
    positions: tuple[Position, ...]
    net_invested: Decimal
    implied: Decimal
    realized: Decimal
    income: Decimal
    expenses: Decimal
    fees: Decimal
    remarks: tuple[Remark, ...]
    more_remarks: int = 0

    @property
    def cash_total(self) -> Decimal:
        """All cash, at par."""
        return sum(self.cash.values(), NOTHING)

    @property
    def cost(self) -> Decimal:
        """What the open positions cost."""
        return sum((position.cost for position in self.positions), NOTHING)


class WatchlistItem(NamedTuple):
    """A symbol of a watchlist, watched or not."""

    symbol: str
    note: str = ""


class Watchlist(NamedTuple):
    """An ordered list of symbols of one owner; rules call it `watchlist/NAME`. `position`: its place among
    the owner's lists."""

    watchlist_id: str
    owner_id: str
    name: str
    items: tuple[WatchlistItem, ...] = ()
    position: int = 0
    version: int = 1
