"""A file becomes a preview: its format found by its header, every row read, duplicates marked, and nothing stored yet."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, NoReturn

from ...model.portfolio import Portfolio, Transaction
from ..amounts import plain
from ..entry import checked
from ..errors import ImportRefused, TransactionError
from ..ledger import at_par
from . import binance, coinbase, generic, kraken
from .draft import Context, Draft, Parse, Reading, RowProblem, each_row
from .table import PREAMBLE, Table, headers, named, normal, records, table

MOST_PROBLEMS = 200
Key = tuple[str, str]
"""(source, external id): by which a transaction is known again."""


class Format(NamedTuple):
    """A kind of file. `needs`: normal names of columns that its header has; the format with the most of them wins."""

    name: str
    title: str
    source: str
    needs: frozenset[str]
    read: Callable[[Table, Context, Reading], None]


def _rows(parse: Parse) -> Callable[[Table, Context, Reading], None]:
    def read(table: Table, context: Context, reading: Reading) -> None:
        each_row(table, context, parse, reading)

    return read


FORMATS = (
    Format(
        "binance-trades", "Binance spot trade history", "binance",
        frozenset({"date(utc)", "pair", "side", "price", "executed", "amount", "fee"}), _rows(binance.trade),
    ),
    Format(
        "binance-trades-old", "Binance spot trade history (older layout)", "binance",
        frozenset({"date(utc)", "market", "type", "price", "amount", "total", "fee", "fee coin"}), _rows(binance.old_trade),
    ),
    Format(
        "binance-statement", "Binance transaction history", "binance",
        frozenset({"utc time", "account", "operation", "coin", "change"}), binance.statement,
    ),
    Format(
        "coinbase", "Coinbase transaction history", "coinbase",
        frozenset({"timestamp", "transaction type", "asset", "quantity transacted"}), _rows(coinbase.parse),
    ),
    Format(
        "kraken-trades", "Kraken trades", "kraken",
        frozenset({"txid", "ordertxid", "pair", "time", "type", "price", "cost", "fee", "vol"}), _rows(kraken.trade),
    ),
    Format(
        "kraken-ledgers", "Kraken ledgers", "kraken",
        frozenset({"txid", "refid", "time", "type", "asset", "amount", "fee"}), kraken.ledgers,
    ),
)  # fmt: skip
_GENERIC = "generic"


class Layout(NamedTuple):
    """The columns of a file of no known venue. `columns`: normal names, by which a mapping may call them; `titles`: as written;
    `sample`: the cells below them; `fields`: the column of each field, as far as titles or a mapping tell."""

    columns: tuple[str, ...]
    titles: tuple[str, ...]
    sample: tuple[str, ...]
    fields: Mapping[str, str]


class PreviewRow(NamedTuple):
    """A transaction that the file holds. `duplicate`: the portfolio has it already, or the file twice under one id."""

    line: int
    transaction: Transaction
    duplicate: bool


class Preview(NamedTuple):
    """What an import would do. `columns`: titles of the file; `mapping`: which column is which field (generic files only)."""

    format: str
    title: str
    columns: tuple[str, ...]
    mapping: Mapping[str, str]
    rows: tuple[PreviewRow, ...]
    problems: tuple[RowProblem, ...]
    skipped: tuple[RowProblem, ...]

    @property
    def new(self) -> list[Transaction]:
        """What would be added, all or nothing. Raises ImportRefused while any row has a problem."""
        if self.problems:
            count = len(self.problems)
            first = self.problems[0]
            what = "1 row cannot be read" if count == 1 else f"{count} rows cannot be read"
            details = [one._asdict() for one in self.problems[:MOST_PROBLEMS]]
            raise ImportRefused(f"Nothing was imported: {what}, the first in line {first.line}: {first.message}", details)
        return [row.transaction for row in self.rows if not row.duplicate]


def key_of(one: Transaction) -> Key:
    """By which a transaction is known again."""
    return one.source, one.external_id or one.transaction_id


def preview(
    data: bytes,
    portfolio: Portfolio,
    known: Collection[Key] = (),
    *,
    import_id: str | None = None,
    mapping: Mapping[str, str] | None = None,
) -> Preview:
    """Read a CSV file. `known`: keys of the portfolio's transactions. `mapping`: column titles by field, for a generic file
    whose titles do not speak for themselves; "" is no column. Raises ImportRefused, and nothing else, for what is no such file
    at all."""
    found = records(data)
    format_, header = _detect(found, mapping) or _unknown()
    read = table(found, header)
    fields = _fields(read.columns, read.titles, mapping) if format_ is None else {}
    reading = Reading()
    context = Context(portfolio.base_currency, at_par(portfolio.base_currency))
    if format_ is None:
        each_row(read, context, partial(generic.parse, mapping=fields), reading)
    else:
        format_.read(read, context, reading)
    rows = _rows_of(reading, portfolio, known, "csv" if format_ is None else format_.source, import_id)
    titles = dict(zip(read.columns, read.titles, strict=True))
    return Preview(
        _GENERIC if format_ is None else format_.name,
        "CSV" if format_ is None else format_.title,
        read.titles,
        {field: titles[column] for field, column in fields.items()},
        rows,
        tuple(sorted(reading.problems)),
        tuple(reading.skipped),
    )


def layout(data: bytes, mapping: Mapping[str, str] | None = None) -> Layout | None:
    """Which column holds what, where that can be told: None for a file that is known by its header. `mapping` as above, and
    what it says of columns that are not there is left out. Raises ImportRefused for what is no CSV."""
    found = records(data, PREAMBLE + 1)
    format_, header = _detect(found, mapping) or (None, _likely(found))
    if format_ is not None:
        return None
    columns, titles = named(found[header][1])
    below = found[header + 1][1] if header + 1 < len(found) else []
    sample = tuple(cell.strip() for cell in [*below, *[""] * len(columns)][: len(columns)])
    fields = {field: name for field, name in _told(columns, titles, mapping) if name is not None}
    return Layout(columns, titles, sample, fields)


def _detect(found: list[tuple[int, list[str]]], mapping: Mapping[str, str] | None) -> tuple[Format | None, int] | None:
    """The format and the number of its header's record; no format is the generic one. None: nothing known."""
    heads = list(headers(found))
    if mapping is None:
        matches = [(len(one.needs), one, at) for at, names in heads for one in FORMATS if one.needs <= names]
        if matches:
            _, best, at = max(matches, key=lambda match: (match[0], -match[2]))
            return best, at
    wanted = {normal(title) for title in (mapping or {}).values() if title}
    for at, names in heads:
        if (wanted and wanted <= names) or set(generic.NEEDED) <= generic.mapping_of(names).keys():
            return None, at
    return None if mapping is None else (None, _likely(found))


def _likely(found: list[tuple[int, list[str]]]) -> int:
    """The record that looks most like a header: most titles that are known, then the most cells."""
    scored = ((len(generic.mapping_of(names)), len(names), -at) for at, names in headers(found))
    return -max(scored)[2]


def _unknown() -> NoReturn:
    known = ", ".join(one.title for one in FORMATS)
    needed = "of any other CSV say which columns hold time, type, coin and quantity"
    raise ImportRefused(f"The header of this file is not known. Known are: {known}; {needed}.")


def _told(columns: Sequence[str], titles: Sequence[str], mapping: Mapping[str, str] | None) -> Iterator[tuple[str, str | None]]:
    """Each field with its column, as far as titles tell; then those of the mapping, None where it names no column."""
    told = mapping or {}
    yield from ((field, name) for field, name in generic.mapping_of(columns).items() if field not in told)
    for field, title in told.items():
        if title:
            yield field, next((name for name, own in zip(columns, titles, strict=True) if title in (own, name)), None)


def _fields(columns: Sequence[str], titles: Sequence[str], mapping: Mapping[str, str] | None) -> dict[str, str]:
    fields = {}
    for field, column in _told(columns, titles, mapping):
        if field not in generic.FIELDS or column is None:
            title = (mapping or {}).get(field, "")
            raise ImportRefused(f"The column {title[:40]!r} for {field[:40]!r} is not in this file, or there is no such field.")
        fields[field] = column
    for field in generic.NEEDED:
        if field not in fields:
            raise ImportRefused(f"No column holds the {field}; say which one does.")
    return fields


def _rows_of(
    reading: Reading, portfolio: Portfolio, known: Collection[Key], source: str, import_id: str | None
) -> tuple[PreviewRow, ...]:
    """Checked transactions, oldest first, in the file's order within a moment (which may run backwards)."""
    drafts = reading.drafts
    if drafts and drafts[0].time_ms > drafts[-1].time_ms:
        drafts = drafts[::-1]
    drafts = sorted(drafts, key=lambda one: one.time_ms)
    taken, seen = set(known), Counter[str]()
    rows: list[PreviewRow] = []
    last_ms, sequence = -1, 0
    for draft in drafts:
        sequence = sequence + 1 if draft.time_ms == last_ms else 0
        last_ms = draft.time_ms
        try:
            one = _transaction(draft, portfolio, source, import_id, seen, sequence)
        except TransactionError as error:
            reading.problems.append(RowProblem(draft.line, error.field, str(error)))
            continue
        key = key_of(one)
        rows.append(PreviewRow(draft.line, one, key in taken))
        taken.add(key)
    return tuple(rows)


def _transaction(
    draft: Draft, portfolio: Portfolio, source: str, import_id: str | None, seen: Counter[str], sequence: int
) -> Transaction:
    """With an id that is the same whenever the row is imported again. Equal rows without an id are told apart by number."""
    own = draft.source or source
    external = draft.external_id
    if not external:
        content = "|".join(
            (own, draft.kind, draft.coin, plain(draft.quantity), str(draft.time_ms), str(draft.price), draft.currency,
             plain(draft.fee), draft.fee_currency)
        )  # fmt: skip
        digest = hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:24]
        seen[digest] += 1
        external = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    name = f"{portfolio.portfolio_id}\n{own}\n{external}".encode("utf-8", "replace")
    made = Transaction(
        hashlib.sha256(name).hexdigest()[:24], portfolio.portfolio_id, draft.kind, draft.coin, draft.quantity, draft.time_ms,
        draft.price, draft.currency, draft.rate, draft.fee, draft.fee_currency, draft.note, own, external, import_id, sequence,
    )  # fmt: skip
    return checked(made, portfolio.base_currency)
