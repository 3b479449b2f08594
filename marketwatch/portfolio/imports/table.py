"""Bytes of a file as a table of text: encoding, separator and header found out, everything bounded."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ..errors import ImportRefused

MOST_BYTES = 10_000_000
MOST_ROWS = 100_000
MOST_CELL = 10_000
PREAMBLE = 12
"""The header is one of so many records at the beginning."""

_SEPARATORS = ",;\t|"


class Row(NamedTuple):
    """One record. `line`: where it ends in the file, counted from 1. Cells by normal name of their column."""

    line: int
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """A cell without spaces at its ends; empty where the column is missing."""
        return self.cells.get(column, "").strip()


class Table(NamedTuple):
    """A header and what stands below it. `columns`: normal names in order; `titles`: as written."""

    columns: tuple[str, ...]
    titles: tuple[str, ...]
    rows: list[Row]


def normal(title: str) -> str:
    """How column titles are compared: small letters, one space between words, no byte order mark."""
    return " ".join(title.replace("\ufeff", "").replace("_", " ").lower().split())


def records(data: bytes, most: int = 0) -> list[tuple[int, list[str]]]:
    """The non-empty records of a file with their lines, all of them or the first `most`. Raises ImportRefused."""
    if len(data) > MOST_BYTES:
        raise ImportRefused(f"The file has {len(data):,} bytes; {MOST_BYTES:,} are the most. Export a shorter span.")
    text = decoded(data)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    found = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.append((reader.line_num, cells))
            if len(found) == most:
                break
            if len(found) > MOST_ROWS:
                raise ImportRefused(f"The file has more than {MOST_ROWS:,} rows. Export a shorter span.")
    except csv.Error as error:
        raise ImportRefused(f"Line {reader.line_num} is not CSV: {error}.") from error
    if not found:
        raise ImportRefused("The file is empty.")
    return found


def decoded(data: bytes) -> str:
    """Text of UTF-8 or UTF-16 (by its byte order mark), else of Windows-1252. Raises ImportRefused for what is no text."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return text
    raise ImportRefused("The file is no text; export it as CSV, not as a spreadsheet or an archive.")


def _separator(text: str) -> str:
    """The separator that the first lines use most."""
    head = text[:20_000].splitlines()[:PREAMBLE]
    return max(_SEPARATORS, key=lambda separator: max((line.count(separator) for line in head), default=0))


def table(found: list[tuple[int, list[str]]], header: int) -> Table:
    """The table below the record of number `header`. Rows with too many cells or too long ones raise ImportRefused."""
    columns, titles = named(found[header][1])
    rows = []
    for line, cells in found[header + 1 :]:
        if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
            problem = f"Line {line} has {len(cells)} cells where the header has {len(columns)}"
            raise ImportRefused(f"{problem}; a comma inside a number or a text may need quotes.")
        if any(len(cell) > MOST_CELL for cell in cells):
            raise ImportRefused(f"Line {line} has a cell of more than {MOST_CELL:,} characters.")
        rows.append(Row(line, dict(zip(columns, cells, strict=False))))
    return Table(columns, titles, rows)


def named(header: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Normal names and titles of the columns below these cells."""
    titles = tuple(cell.strip().replace("\ufeff", "") for cell in header)
    return tuple(_unique(normal(title) for title in titles)), titles


def _unique(names: Iterable[str]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name} {seen[name]}"


def headers(found: list[tuple[int, list[str]]]) -> Iterator[tuple[int, frozenset[str]]]:
    """Records that may be the header, the first ones, as sets of normal names."""
    for number, (_, cells) in enumerate(found[:PREAMBLE]):
        columns, titles = named(cells)
        yield number, frozenset(name for name, title in zip(columns, titles, strict=True) if title)
