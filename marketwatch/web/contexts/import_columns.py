"""Which column of a file holds what: the selects of the import page, and what they say when they come back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from ...portfolio.imports.generic import FIELDS, NEEDED
from ...portfolio.imports.read import Layout

PREFIX = "map-"
_MOST_COLUMNS = 100
_MOST_NAME = 200
_MOST_SHOWN = 40
_LABELS = {
    "coin": "Coin",
    "currency": "Currency of the price",
    "fee_currency": "Currency of the fee",
    "id": "Number at the venue",
    "rate": "Exchange rate",
}


class ColumnView(NamedTuple):
    """A column to choose; `label` has what stands below its title in the file."""

    value: str
    label: str


class FieldView(NamedTuple):
    """A field of a transaction and the column that holds it, empty where none does."""

    name: str
    label: str
    needed: bool
    chosen: str


class ColumnsView(NamedTuple):
    """A select for each field. `told`: the choice as one text, by which it is known whether it was changed."""

    fields: tuple[FieldView, ...]
    columns: tuple[ColumnView, ...]
    told: str


def columns_view(layout: Layout) -> ColumnsView:
    """The selects with the columns that are told or guessed."""
    listed = zip(layout.columns, layout.titles, layout.sample, strict=True)
    columns = tuple(ColumnView(name, _label(title, cell)) for name, title, cell in listed if title and len(name) <= _MOST_NAME)
    columns = columns[:_MOST_COLUMNS]
    offered = {column.value for column in columns}
    chosen = {field: layout.fields.get(field, "") for field in FIELDS}
    chosen = {field: name if name in offered else "" for field, name in chosen.items()}
    fields = tuple(
        FieldView(PREFIX + field, _LABELS.get(field, field.capitalize()), field in NEEDED, name)
        for field, name in chosen.items()
    )
    return ColumnsView(fields, columns, told_of(chosen))


def mapping_of(form: Mapping[str, object]) -> dict[str, str] | None:
    """What the selects of a form say; None where it has none."""
    given = {field: form.get(PREFIX + field) for field in FIELDS}
    found = {field: text[:_MOST_NAME] for field, text in given.items() if isinstance(text, str)}
    return found or None


def told_of(mapping: Mapping[str, str] | None) -> str:
    """A mapping as one text, the same for equal ones."""
    return urlencode({field: name for field, name in sorted((mapping or {}).items()) if name}, errors="replace")


def _label(title: str, cell: str) -> str:
    return f"{_short(title)} · {_short(cell)}" if cell else _short(title)


def _short(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."
