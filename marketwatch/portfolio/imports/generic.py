"""The format of our own: documented in docs/portfolio.md, and what exports are written in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...model.portfolio import TransactionKind
from .draft import CellError, Context, Draft, code, moment, note, number, number_or_none
from .table import Row

FIELDS = (
    "time", "type", "coin", "quantity", "price", "currency", "rate", "fee", "fee_currency", "note", "source", "id",
)  # fmt: skip
"""Columns of an export, in this order; the first four are needed."""

NEEDED = FIELDS[:4]
_OTHER_NAMES = {
    "time": ("time", "date", "timestamp", "datetime", "date(utc)"),
    "type": ("type", "kind", "side", "transaction type"),
    "coin": ("coin", "asset", "coin id", "base"),
    "quantity": ("quantity", "amount", "size", "volume"),
    "price": ("price", "unit price", "purchase price"),
    "currency": ("currency", "quote", "price currency"),
    "rate": ("rate", "exchange rate"),
    "fee": ("fee", "fees", "commission"),
    "fee_currency": ("fee currency", "fee coin", "fee asset"),
    "note": ("note", "notes", "comment", "remark"),
    "source": ("source",),
    "id": ("id", "external id", "transaction id", "txid"),
}
_KINDS = {kind.value: kind for kind in TransactionKind} | {
    "staking": TransactionKind.REWARD,
    "interest": TransactionKind.REWARD,
    "withdraw": TransactionKind.WITHDRAWAL,
    "transfer in": TransactionKind.TRANSFER_IN,
    "transfer out": TransactionKind.TRANSFER_OUT,
    "receive": TransactionKind.TRANSFER_IN,
    "send": TransactionKind.TRANSFER_OUT,
}
_GUARDED = ("'=", "'+", "'-", "'@", "'\t", "'\r")


def mapping_of(columns: Iterable[str]) -> dict[str, str]:
    """Which of `columns` (normal names) holds which field, as far as names tell."""
    known = list(columns)
    found = {}
    for field, names in _OTHER_NAMES.items():
        match = next((name for name in names if name in known), None)
        if match is not None:
            found[field] = match
    return found


def parse(row: Row, _context: Context, mapping: Mapping[str, str]) -> Iterable[Draft]:
    """One transaction a row."""
    columns = {field: mapping.get(field, "") for field in FIELDS}
    written = row.text(columns["type"]).lower()
    kind = _KINDS.get(written) or _KINDS.get(written.replace("-", "_").replace(" ", "_"))
    if kind is None:
        known = ", ".join(kind.value for kind in TransactionKind)
        raise CellError(columns["type"], f"{written[:40]!r} is no type of transaction; write one of {known}.")
    fee = number_or_none(row, columns["fee"])
    yield Draft(
        line=row.line,
        kind=kind,
        coin=code(row, columns["coin"]),
        quantity=number(row, columns["quantity"]),
        time_ms=moment(row, columns["time"]),
        price=number_or_none(row, columns["price"]),
        currency=code(row, columns["currency"]) if row.text(columns["currency"]) else "",
        rate=number_or_none(row, columns["rate"]),
        fee=fee if fee is not None else Draft._field_defaults["fee"],
        fee_currency=code(row, columns["fee_currency"]) if row.text(columns["fee_currency"]) else "",
        note=unguarded(note(row, columns["note"])),
        external_id=unguarded(row.text(columns["id"]))[:200],
        source=unguarded(row.text(columns["source"]))[:40],
    )


def guarded(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe goes before what would begin one."""
    return f"'{text}" if text.startswith(tuple(guard[1] for guard in _GUARDED)) or text.startswith(_GUARDED) else text


def unguarded(text: str) -> str:
    """The text that was guarded."""
    return text[1:] if text.startswith(_GUARDED) or (text[:1] == "'" and text[1:].startswith(_GUARDED)) else text
