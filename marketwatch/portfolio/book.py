"""A portfolio with everything that was entered into it, and the ledger that follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..errors import Conflict, NotFound
from ..model.portfolio import Portfolio, Transaction
from .entry import checked, order
from .errors import LedgerError, TransactionError
from .ledger import Ledger, named
from .marks import Kept

MOST_ENTRIES = 200_000


class Book(NamedTuple):
    """`entries`: in the order in which they are booked. `ledger` is None where the stored entries contradict each other, which
    `trouble` explains; taking the wrong one out mends it. `sealed`: they cannot even be read, so nothing may be written."""

    portfolio: Portfolio
    entries: tuple[Transaction, ...]
    ledger: Ledger | None
    trouble: str = ""
    sealed: bool = False

    @property
    def kept(self) -> Kept:
        """The portfolio with its ledger. Raises Conflict where there is none."""
        if self.ledger is None:
            raise Conflict(f"The portfolio {self.portfolio.name!r} cannot be valued: {self.trouble}")
        return Kept(self.portfolio, self.ledger)

    def entry(self, transaction_id: str) -> Transaction:
        """Raises NotFound."""
        for one in self.entries:
            if one.transaction_id == transaction_id:
                return one
        shown = transaction_id if len(transaction_id) <= 64 else transaction_id[:61] + "..."
        raise NotFound(f"The portfolio {self.portfolio.name!r} has no transaction {shown!r}.")


def opened(portfolio: Portfolio, entries: Iterable[Transaction]) -> Book:
    """The book of stored entries, each of them checked again: other programs may write into the database too."""
    ordered = tuple(sorted(entries, key=order))
    try:
        for entry in ordered:
            _sound(entry, portfolio.base_currency)
        return Book(portfolio, ordered, Ledger.replay(portfolio, ordered))
    except LedgerError as error:
        return Book(portfolio, ordered, None, str(error))


def unreadable(portfolio: Portfolio, trouble: str) -> Book:
    """The book of a row, or of entries, of which one is none."""
    return Book(portfolio, (), None, trouble, sealed=True)


def _sound(entry: Transaction, base_currency: str) -> None:
    try:
        checked(entry, base_currency)
    except TransactionError as error:
        why = str(error).rstrip(".")
        raise LedgerError(
            f"The {named(entry)}, cannot be booked: {why[:1].lower()}{why[1:]}; another program has written that, so correct "
            "or delete it.",
            entry.transaction_id,
        ) from None


def rewritten(book: Book, put: Sequence[Transaction], drop: Sequence[str]) -> Book:
    """The book with entries put in or replaced and others dropped. Raises LedgerError.

    Entries behind all others are appended to a fork of the ledger, anything else is booked anew; both say the same. Raises
    Conflict for a sealed book."""
    if book.sealed:
        raise Conflict(f"Nothing can be written into the portfolio {book.portfolio.name!r}: {book.trouble}")
    added = sorted(put, key=order)
    known = {one.transaction_id for one in book.entries}
    new = known.isdisjoint(one.transaction_id for one in added)
    if added and new and not drop and book.ledger is not None and book.ledger.follows(added[0]):
        return Book(book.portfolio, (*book.entries, *added), _continued(book.ledger, added))
    by_id = {one.transaction_id: one for one in book.entries}
    for gone in drop:
        by_id.pop(gone, None)
    by_id |= {one.transaction_id: one for one in put}
    ordered = tuple(sorted(by_id.values(), key=order))
    return Book(book.portfolio, ordered, Ledger.replay(book.portfolio, ordered))


def _continued(ledger: Ledger, added: Sequence[Transaction]) -> Ledger:
    """A fork with further entries; the ledger itself stays as it is."""
    fork = ledger.fork()
    for one in added:
        fork.append(one)
    return fork
