"""The ledger: ordered transactions folded into cash, positions, realised profit and what crossed the border.

Rules, as a bookkeeper would sign them (docs/portfolio.md says them at length):

- Currencies at par with the base currency are cash: the base currency itself, and the dollar with its stablecoins where the
  base is one of them. Everything else is a position with a cost, an ordinary foreign currency as well.
- A purchase's fee is part of the cost, a sale's fee lessens the proceeds. A fee in the coin that was bought reduces what comes
  in. A fee in a third coin takes that coin out of its position at cost; where less is held, the rest counts with cost 0, and a
  remark says so.
- A coin traded against a coin is a sale at `rate`; without a rate the cost moves on to what was bought and nothing is realised.
- More cannot leave than is held: LedgerError. A purchase (or a fee) beyond the cash at hand counts as paid in from outside at
  that moment, with a remark, since people record what they bought and seldom the money before.
- What is transferred out leaves at cost. Rewards are income at their price, airdrops cost nothing unless they have a price.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from decimal import Decimal, localcontext

from ..model.market import DOLLARS
from ..model.portfolio import NOTHING, CostMethod, Flow, Move, Portfolio, Remark, Statement, Transaction, TransactionKind
from .amounts import EXACT, plain
from .entry import order
from .errors import LedgerError
from .holding import Holding, holding
from .trail import Trail

MOST_REMARKS = 100
"""More are counted only."""


def at_par(base_currency: str) -> frozenset[str]:
    """Currencies that count as cash of `base_currency`, one for one."""
    return DOLLARS if base_currency in DOLLARS else frozenset({base_currency})


class Ledger:
    """A fold that can go on: `append` takes the next transaction in order. A refused one leaves the ledger as it was.

    `moves`, `trail` (the same as columns) and `flows` grow along, in the order of time: what performance is computed from.
    """

    def __init__(self, base_currency: str, method: CostMethod) -> None:
        self.base_currency = base_currency
        self.method = method
        self.par = at_par(base_currency)
        self.moves: list[Move] = []
        self.flows: list[Flow] = []
        self.trail = Trail()
        self.last: tuple[int, int, int, str] | None = None
        self.count = 0
        self._cash: dict[str, Decimal] = {}
        self._pool = NOTHING
        self._holdings: dict[str, Holding] = {}
        self._net_invested = self._implied = self._realized = self._income = self._expenses = self._fees = NOTHING
        self._remarks: list[Remark] = []
        self._unsaid = 0

    @classmethod
    def replay(cls, portfolio: Portfolio, transactions: Iterable[Transaction]) -> Ledger:
        """A fresh ledger of all transactions (checked ones), in whatever order they are given. Raises LedgerError."""
        ledger = cls(portfolio.base_currency, portfolio.cost_method)
        for entry in sorted(transactions, key=order):
            ledger.append(entry)
        return ledger

    def fork(self) -> Ledger:
        """A copy that goes its own way: to try what comes next, and to keep this one as it is."""
        found = copy(self)
        found.moves, found.flows, found.trail = self.moves[:], self.flows[:], self.trail.fork()
        found._cash, found._remarks = self._cash.copy(), self._remarks[:]
        found._holdings = {coin: one.fork() for coin, one in self._holdings.items()}
        return found

    def follows(self, entry: Transaction) -> bool:
        """Whether `entry` may be appended; an earlier one asks for a replay."""
        return self.last is None or order(entry) > self.last

    def append(self, entry: Transaction) -> None:
        """Book the next transaction. Raises LedgerError; then nothing has changed."""
        with localcontext(EXACT):
            match entry.kind:
                case TransactionKind.BUY | TransactionKind.SELL:
                    self._trade(entry)
                case TransactionKind.DEPOSIT | TransactionKind.TRANSFER_IN:
                    self._receive(entry)
                case TransactionKind.REWARD | TransactionKind.AIRDROP:
                    self._earn(entry)
                case TransactionKind.WITHDRAWAL | TransactionKind.TRANSFER_OUT:
                    self._send(entry)
                case TransactionKind.FEE:
                    self._charge(entry)
        self.last = order(entry)
        self.count += 1

    def statement(self) -> Statement:
        """The state after the last transaction."""
        return Statement(
            self.count,
            {currency: held for currency, held in sorted(self._cash.items()) if held},
            tuple(one.position() for _, one in sorted(self._holdings.items())),
            self._net_invested, self._implied, self._realized, self._income, self._expenses, self._fees,
            tuple(self._remarks), self._unsaid,
        )  # fmt: skip

    # The kinds

    def _trade(self, entry: Transaction) -> None:
        coin, money = (entry.coin, entry.quantity), (entry.currency, entry.quantity * (entry.price or NOTHING))
        (give, given), (get, got) = (money, coin) if entry.kind is TransactionKind.BUY else (coin, money)
        fee_give = entry.fee if entry.fee_currency == give else NOTHING
        fee_get = entry.fee if entry.fee_currency == get else NOTHING
        self._require(entry, give, given + fee_give)
        if get not in self.par and got <= fee_get:
            what = f"The fee of {plain(fee_get)} {get} leaves nothing of the {plain(got)} {get} that come in"
            raise LedgerError(f"{what} ({named(entry)}); correct quantity, price or fee.", entry.transaction_id)
        out = self._take(entry, give, given + fee_give)
        fee = self._fee_from_elsewhere(entry, entry.fee - fee_give - fee_get)
        value = self._value_of_trade(entry, give, get, given + fee_give, got - fee_get, out, fee)
        self._note_fee(entry, give, fee_give)
        self._note_fee(entry, get, fee_get)
        self._realize(give, get, value - out - fee)
        if give not in self.par:
            self._move(entry, give, -given - fee_give, -(value - fee if entry.kind is TransactionKind.BUY else value))
        self._put(entry, get, got - fee_get, value)

    def _value_of_trade(
        self, entry: Transaction, give: str, get: str, given: Decimal, received: Decimal, out: Decimal, fee: Decimal
    ) -> Decimal:
        """What the incoming side is worth in the books; less what the outgoing side cost, it is the profit."""
        if get in self.par:
            return received
        if give in self.par:
            return out + fee
        if entry.rate is None:
            self._remark(entry, f"No rate is given, so the cost of the {give} moves on to the {get} and nothing is realised")
            return out + fee
        return given * entry.rate + fee if entry.kind is TransactionKind.BUY else received * entry.rate

    def _receive(self, entry: Transaction) -> None:
        """Deposit, transfer in: comes from outside at its price."""
        value = self._worth(entry)
        received = self._less_own_fee(entry)
        if value is None:
            self._remark(entry, f"No price in the base currency is given, so the {entry.coin} counts with cost 0")
        self._net_invested += value or NOTHING
        self.flows.append(Flow(entry.time_ms, entry.coin, entry.quantity, value))
        self._put(entry, entry.coin, received, value or NOTHING, unknown=value is None)
        self._other_fee(entry)

    def _earn(self, entry: Transaction) -> None:
        """Reward, airdrop: comes from nowhere; its price, where given, is income and cost."""
        value = self._worth(entry) or NOTHING
        received = self._less_own_fee(entry)
        self._income += value
        if entry.coin not in self.par:
            self._holding(entry.coin).income += value
        self._put(entry, entry.coin, received, value, earned=True)
        self._other_fee(entry)

    def _send(self, entry: Transaction) -> None:
        """Withdrawal, transfer out: leaves at cost; its fee is an expense."""
        own = entry.fee if entry.fee_currency == entry.coin else NOTHING
        self._require(entry, entry.coin, entry.quantity + own)
        self._net_invested -= self._take(entry, entry.coin, entry.quantity)
        value = self._worth(entry)
        self.flows.append(Flow(entry.time_ms, entry.coin, -entry.quantity, None if value is None else -value))
        if entry.coin not in self.par:
            self._move(entry, entry.coin, -entry.quantity, None if value is None else -value)
        if own:
            self._spend(entry, entry.coin, own)
        self._other_fee(entry)

    def _charge(self, entry: Transaction) -> None:
        """A fee of its own: a coin at cost, cash as it is."""
        self._require(entry, entry.coin, entry.quantity)
        self._spend(entry, entry.coin, entry.quantity)

    def _spend(self, entry: Transaction, asset: str, quantity: Decimal) -> None:
        """An expense, out of what is held."""
        spent = self._take(entry, asset, quantity)
        if asset not in self.par:
            self._move(entry, asset, -quantity, NOTHING)
        self._expenses += spent
        self._fees += spent

    # Fees

    def _less_own_fee(self, entry: Transaction) -> Decimal:
        """What comes in when a fee in the same asset is taken off."""
        if not entry.fee or entry.fee_currency != entry.coin:
            return entry.quantity
        if entry.fee >= entry.quantity:
            raise LedgerError(f"The fee takes all of what comes in ({named(entry)}); correct the fee.", entry.transaction_id)
        self._note_fee(entry, entry.coin, entry.fee)
        self._expenses += entry.fee if entry.coin in self.par else NOTHING
        return entry.quantity - entry.fee

    def _other_fee(self, entry: Transaction) -> None:
        """The fee of what is no trade, where it is paid in another asset: an expense."""
        if entry.fee_currency != entry.coin:
            self._expenses += self._fee_from_elsewhere(entry, entry.fee)

    def _fee_from_elsewhere(self, entry: Transaction, fee: Decimal) -> Decimal:
        """Pay a fee in cash or in a third coin; answers what it cost."""
        currency = entry.fee_currency
        held = fee if currency in self.par or not fee else min(fee, self._held(currency))
        if held < fee:
            missing = f"{plain(fee - held)} {currency} of the fee were not held"
            self._remark(entry, f"{missing}, so they count as paid from outside with cost 0")
        if not held:
            return NOTHING
        spent = self._take(entry, currency, held)
        if currency not in self.par:
            self._move(entry, currency, -held, None)
        self._fees += spent
        return spent

    def _note_fee(self, entry: Transaction, currency: str, fee: Decimal) -> None:
        """The memo of a fee that a trade already contains."""
        if not fee:
            return
        if currency in self.par:
            self._fees += fee
        elif currency == entry.coin and entry.price is not None:
            factor = NOTHING + 1 if entry.currency in self.par else entry.rate
            self._fees += NOTHING if factor is None else fee * entry.price * factor
        elif currency == entry.currency and entry.rate is not None:
            self._fees += fee * entry.rate

    # Assets

    def _holding(self, coin: str) -> Holding:
        found = self._holdings.get(coin)
        if found is None:
            found = self._holdings[coin] = holding(coin, self.method)
        return found

    def _held(self, coin: str) -> Decimal:
        found = self._holdings.get(coin)
        return NOTHING if found is None else found.quantity

    def _worth(self, entry: Transaction) -> Decimal | None:
        """The value in the base currency that the entry itself names."""
        if entry.coin in self.par:
            return entry.quantity
        if entry.price is None:
            return None
        if entry.currency in self.par:
            return entry.quantity * entry.price
        return None if entry.rate is None else entry.quantity * entry.price * entry.rate

    def _require(self, entry: Transaction, asset: str, quantity: Decimal) -> None:
        """Refuse what takes more than is there. Cash may be short for a purchase only."""
        if asset in self.par:
            short = self._pool < quantity and entry.kind is not TransactionKind.BUY and entry.kind is not TransactionKind.SELL
            held = self._pool
        else:
            held = self._held(asset)
            short = held < quantity
        if short:
            what = f"The {named(entry)} takes {plain(quantity)} {asset} where {plain(held)} are held at that time"
            raise LedgerError(f"{what}; enter what came in before it, or correct the quantity.", entry.transaction_id)

    def _take(self, entry: Transaction, asset: str, quantity: Decimal) -> Decimal:
        """Remove an asset; answers its cost (cash: itself). Cash that is missing is paid in from outside first."""
        if asset not in self.par:
            return self._holding(asset).take(quantity)
        if self._pool < quantity:
            self._pay_in(entry, asset, quantity - self._pool)
        self._change_cash(entry, asset, -quantity)
        return quantity

    def _change_cash(self, entry: Transaction, currency: str, quantity: Decimal) -> None:
        self._cash[currency] = self._cash.get(currency, NOTHING) + quantity
        self._pool += quantity
        self._move(entry, currency, quantity, quantity)

    def _move(self, entry: Transaction, asset: str, quantity: Decimal, value: Decimal | None) -> None:
        self.moves.append(Move(entry.time_ms, asset, quantity, value))
        self.trail.add(entry.time_ms, asset, quantity)

    def _pay_in(self, entry: Transaction, currency: str, missing: Decimal) -> None:
        self._change_cash(entry, currency, missing)
        self._net_invested += missing
        self._implied += missing
        self.flows.append(Flow(entry.time_ms, currency, missing, missing, implied=True))
        self._remark(entry, f"The cash at hand was short of {plain(missing)} {currency}, which count as paid in from outside")

    def _put(
        self, entry: Transaction, asset: str, quantity: Decimal, value: Decimal, *, unknown: bool = False, earned: bool = False
    ) -> None:
        """Add an asset at its cost; cash that a sale's fee exceeds is taken instead."""
        if asset in self.par:
            if quantity < 0:
                self._take(entry, asset, -quantity)
            else:
                self._change_cash(entry, asset, quantity)
            return
        one = self._holding(asset)
        one.put(quantity, value, entry.time_ms, entry.transaction_id)
        one.cost_known = one.cost_known and not unknown
        self._move(entry, asset, quantity, NOTHING if earned else None if unknown else value)

    def _realize(self, give: str, get: str, gain: Decimal) -> None:
        """Profit of a trade: of the coin that was sold, or of the one that was paid for when cash is given."""
        self._realized += gain
        coin = get if give in self.par else give
        if coin not in self.par:
            self._holding(coin).realized += gain

    def _remark(self, entry: Transaction, what: str) -> None:
        if len(self._remarks) >= MOST_REMARKS:
            self._unsaid += 1
            return
        self._remarks.append(Remark(entry.transaction_id, f"{what} ({named(entry)})."))


def named(entry: Transaction) -> str:
    """`buy of 1.5 BTC, transaction 8f3a`."""
    return f"{entry.kind.value.replace('_', ' ')} of {plain(entry.quantity)} {entry.coin}, transaction {entry.transaction_id}"
