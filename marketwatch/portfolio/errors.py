"""Errors of the books, for people: one sentence that names value, place and remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import Conflict, InvalidRequest


class LedgerError(Conflict):
    """A transaction that cannot be booked after those before it. `transaction_id` names it."""

    def __init__(self, message: str, transaction_id: str) -> None:
        super().__init__(message, [{"transaction_id": transaction_id}])
        self.transaction_id = transaction_id


class TransactionError(InvalidRequest):
    """A transaction that is impossible in itself. `field` names what is wrong with it."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message, [{"field": field}])
        self.field = field


class EntryUnreadable(Conflict):
    """A stored transaction that another program has made into something that is none. `transaction_id` names it."""

    def __init__(self, message: str, transaction_id: str) -> None:
        super().__init__(message, [{"transaction_id": transaction_id}])
        self.transaction_id = transaction_id


class ImportRefused(InvalidRequest):
    """A file that cannot be imported. `details` hold line, column and a sentence for each row that is wrong."""

    def __init__(self, message: str, details: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message, details)
