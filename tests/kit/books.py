"""Short ways to write down transactions, and generated histories."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from marketwatch.model.portfolio import CostMethod, Portfolio, Transaction, TransactionKind
from marketwatch.portfolio.entry import checked
from tests.kit.facts import T0

D = Decimal
DAY_MS = 86_400_000


def portfolio(method: str = "average", base: str = "USD", **more: Any) -> Portfolio:
    return Portfolio("p1", "owner", "Main", base, CostMethod(method), **more)


def entry(
    kind: str, coin: str, quantity: Any, price: Any = None, *, at: int = 0, base: str = "USD", **more: Any
) -> Transaction:
    """A checked transaction. `at`: seconds after T0, also its id unless `id` is given."""
    transaction_id = more.pop("id", f"t{at:09}")
    for name in ("fee", "rate"):
        if more.get(name) is not None:
            more[name] = D(str(more[name]))
    time_ms = more.pop("time_ms", T0 + 1000 * at)
    amount = None if price is None else D(str(price))
    made = Transaction(transaction_id, "p1", TransactionKind(kind), coin, D(str(quantity)), time_ms, amount, **more)
    return checked(made, base)


def plainly(one: Transaction) -> dict[str, Any]:
    """As the plain ledger takes it."""
    return {**one._asdict(), "kind": one.kind.value}


COINS = ("BTC", "ETH", "BNB", "DOGE")


def _number(rng: random.Random, most: float) -> Decimal:
    digits = rng.choice((0, 2, 4, 8, 12))
    return max(D(str(round(rng.uniform(0, most), digits))).quantize(D(1).scaleb(-digits)), D(1).scaleb(-digits))


def history(seed: int, base: str = "USD", most: int = 16) -> list[Transaction]:
    """A history of a few coins with every kind of transaction and fee. Some entries take more than is held."""
    rng = random.Random(seed)
    cash = ("USD", "USDT", "USDC") if base == "USD" else (base,)
    found = []
    for number in range(rng.randint(2, most)):
        kind = rng.choices(list(TransactionKind), (8, 6, 2, 1, 1, 1, 1, 1, 1))[0]
        coin = rng.choice(COINS if kind not in (TransactionKind.DEPOSIT, TransactionKind.WITHDRAWAL) else (*cash, "BTC"))
        currency = rng.choice([name for name in (*cash, *cash, *cash, "BTC", "EUR") if name != coin])
        fee_currency = rng.choice((coin, currency, "BNB", cash[0]))
        price = None if kind not in (TransactionKind.BUY, TransactionKind.SELL) and rng.random() < 0.4 else _number(rng, 90)
        found.append(
            entry(
                kind.value, coin, _number(rng, 3), price, at=number * 60, base=base, id=f"t{number:03}", currency=currency,
                rate=_number(rng, 50) if rng.random() < 0.6 else None,
                fee=_number(rng, 0.02) if rng.random() < 0.6 else D(0), fee_currency=fee_currency,
            )
        )  # fmt: skip
    return found


def shuffled(entries: Sequence[Transaction], seed: int) -> list[Transaction]:
    mixed = list(entries)
    random.Random(seed).shuffle(mixed)
    return mixed
