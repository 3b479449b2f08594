"""A ledger written a second time, with plain Decimal loops and lists: what the program's ledger is held against.

It knows nothing of the program's classes. Entries are dicts; everything that happens is first written into a journal of signed
lines (asset, quantity, cost), and balances are sums over the journal. Costs of what leaves are found by looking at the
journal's open lines, not at running totals.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal, getcontext
from typing import Any

ZERO = Decimal(0)
ATOM = Decimal("1e-18")
DOLLAR_LIKE = ("USD", "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "DAI", "USDP", "PYUSD")


class Refused(Exception):
    """More leaves than there is, or a fee takes everything."""


class PlainLedger:
    """Call `book` for each entry in order."""

    def __init__(self, base: str, fifo: bool) -> None:
        self.cash_names = DOLLAR_LIKE if base in DOLLAR_LIKE else (base,)
        self.fifo = fifo
        self.stock: dict[str, list[list[Decimal]]] = {}
        self.cash_lines: list[tuple[str, Decimal]] = []
        self.outside = ZERO
        self.unasked = ZERO
        self.profit: dict[str, Decimal] = {}
        self.earned = ZERO
        self.spent = ZERO
        self.profit_total = ZERO

    def cash(self) -> Decimal:
        return sum((amount for _, amount in self.cash_lines), ZERO)

    def cash_of(self, name: str) -> Decimal:
        return sum((amount for own, amount in self.cash_lines if own == name), ZERO)

    def quantity(self, coin: str) -> Decimal:
        return sum((line[0] for line in self.stock.get(coin, [])), ZERO)

    def cost(self, coin: str) -> Decimal:
        return sum((line[1] for line in self.stock.get(coin, [])), ZERO)

    def pay(self, name: str, amount: Decimal) -> None:
        lacking = amount - self.cash()
        if lacking > 0:
            self.cash_lines.append((name, lacking))
            self.outside += lacking
            self.unasked += lacking
        self.cash_lines.append((name, -amount))

    def remove(self, coin: str, amount: Decimal) -> Decimal:
        """By FIFO line after line; by average all lines are first melted into one."""
        lines = self.stock.setdefault(coin, [])
        if not self.fifo and lines:
            lines[:] = [[self.quantity(coin), self.cost(coin)]]
        gone = ZERO
        while amount > 0:
            have, paid = lines[0]
            if have <= amount:
                gone, amount = gone + paid, amount - have
                lines.pop(0)
            else:
                share = (paid * amount / have).quantize(ATOM, ROUND_DOWN)
                lines[0] = [have - amount, paid - share]
                gone, amount = gone + share, ZERO
        return gone

    def lose(self, asset: str, amount: Decimal) -> Decimal:
        if asset in self.cash_names:
            self.pay(asset, amount)
            return amount
        return self.remove(asset, amount)

    def gain(self, asset: str, amount: Decimal, cost: Decimal) -> None:
        if asset in self.cash_names:
            if amount < 0:
                self.pay(asset, -amount)
            else:
                self.cash_lines.append((asset, amount))
        else:
            self.stock.setdefault(asset, []).append([amount, cost])

    def foreign_fee(self, asset: str, amount: Decimal) -> Decimal:
        if asset not in self.cash_names:
            amount = min(amount, self.quantity(asset))
        return self.lose(asset, amount) if amount else ZERO

    def enough(self, asset: str, amount: Decimal) -> None:
        there = self.cash() if asset in self.cash_names else self.quantity(asset)
        if there < amount:
            raise Refused

    def value(self, entry: dict[str, Any]) -> Decimal | None:
        if entry["coin"] in self.cash_names:
            return entry["quantity"]  # type: ignore[no-any-return]
        if entry["price"] is None:
            return None
        worth: Decimal = entry["quantity"] * entry["price"]
        if entry["currency"] not in self.cash_names:
            return None if entry["rate"] is None else worth * entry["rate"]
        return worth

    def book(self, entry: dict[str, Any]) -> None:
        getcontext().prec = 200
        kind = entry["kind"]
        if kind in ("buy", "sell"):
            self.exchange(entry)
        elif kind in ("deposit", "transfer_in", "reward", "airdrop"):
            self.incoming(entry, earned=kind in ("reward", "airdrop"))
        elif kind in ("withdrawal", "transfer_out"):
            self.outgoing(entry)
        else:
            self.enough(entry["coin"], entry["quantity"])
            self.spent += self.lose(entry["coin"], entry["quantity"])

    def incoming(self, entry: dict[str, Any], *, earned: bool) -> None:
        coin, amount, fee = entry["coin"], entry["quantity"], entry["fee"]
        worth = self.value(entry) or ZERO
        own = fee if entry["fee_currency"] == coin else ZERO
        if own and own >= amount:
            raise Refused
        if earned:
            self.earned += worth
        else:
            self.outside += worth
        if coin in self.cash_names:
            self.spent += own
        self.gain(coin, amount - own, worth)
        if fee and not own:
            self.spent += self.foreign_fee(entry["fee_currency"], fee)

    def outgoing(self, entry: dict[str, Any]) -> None:
        coin, amount, fee = entry["coin"], entry["quantity"], entry["fee"]
        own = fee if entry["fee_currency"] == coin else ZERO
        self.enough(coin, amount + own)
        self.outside -= self.lose(coin, amount)
        if own:
            self.spent += self.lose(coin, own)
        elif fee:
            self.spent += self.foreign_fee(entry["fee_currency"], fee)

    def exchange(self, entry: dict[str, Any]) -> None:
        coin, amount, money, fee = entry["coin"], entry["quantity"], entry["currency"], entry["fee"]
        paid_in = entry["fee_currency"]
        total = amount * entry["price"]
        if entry["kind"] == "buy":
            self.purchase(coin, amount, money, total, fee, paid_in, entry["rate"])
        else:
            self.sale(coin, amount, money, total, fee, paid_in, entry["rate"])

    def purchase(
        self, coin: str, amount: Decimal, money: str, total: Decimal, fee: Decimal, paid_in: str, rate: Decimal | None
    ) -> None:
        charged = total + (fee if paid_in == money else ZERO)
        arrives = amount - (fee if paid_in == coin else ZERO)
        if money not in self.cash_names:
            self.enough(money, charged)
        if coin not in self.cash_names and arrives <= 0:
            raise Refused
        cost = self.lose(money, charged)
        extra = self.foreign_fee(paid_in, fee) if paid_in not in (money, coin) else ZERO
        if coin in self.cash_names:
            book = arrives
        elif money in self.cash_names or rate is None:
            book = cost + extra
        else:
            book = charged * rate + extra
        self.note_profit(coin if money in self.cash_names else money, book - cost - extra)
        self.gain(coin, arrives, book)

    def sale(
        self, coin: str, amount: Decimal, money: str, total: Decimal, fee: Decimal, paid_in: str, rate: Decimal | None
    ) -> None:
        leaves = amount + (fee if paid_in == coin else ZERO)
        arrives = total - (fee if paid_in == money else ZERO)
        if coin not in self.cash_names:
            self.enough(coin, leaves)
        if money not in self.cash_names and arrives <= 0:
            raise Refused
        cost = self.lose(coin, leaves)
        extra = self.foreign_fee(paid_in, fee) if paid_in not in (money, coin) else ZERO
        if money in self.cash_names:
            book = arrives
        elif coin in self.cash_names or rate is None:
            book = cost + extra
        else:
            book = arrives * rate
        self.note_profit(money if coin in self.cash_names else coin, book - cost - extra)
        self.gain(money, arrives, book)

    def note_profit(self, coin: str, amount: Decimal) -> None:
        self.profit_total += amount
        if coin not in self.cash_names:
            self.profit[coin] = self.profit.get(coin, ZERO) + amount
