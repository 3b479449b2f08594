"""Files of portfolios: `import` takes the CSV of an exchange, `export` writes CSV or JSON."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any, Literal, cast

import msgspec
from aiohttp import web
from msgspec import Meta

from ...portfolio.export import to_csv, to_json
from ...portfolio.imports.read import Preview
from ..guard import allow
from ..owning import portfolio_owner
from .action import Action
from .book_rows import Id, PortfolioRow, TransactionRow, transaction_row
from .books import row_of
from .desk import DESK, Desk
from .endpoint import Parameters

MAX_FILE_BYTES = 5_000_000
_MOST_ROWS = 1000


class ImportQuery(msgspec.Struct, frozen=True):
    """Which portfolio; `preview=true`: nothing is stored, whatever the body says."""

    portfolio_id: Id
    preview: Literal["true", "false"] | None = None


class ImportBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A CSV file as text. `mapping`: titles of columns by field, for a file whose titles do not speak for themselves; "" is
    no column. `preview`: only say what would be imported."""

    csv: Annotated[str, Meta(max_length=MAX_FILE_BYTES)]
    preview: bool = False
    mapping: dict[Annotated[str, Meta(max_length=40)], Annotated[str, Meta(max_length=200)]] = {}


class ImportRow(msgspec.Struct, frozen=True):
    """A transaction of the file. `duplicate`: the portfolio has it already, so it is left out."""

    line: int
    duplicate: bool
    transaction: TransactionRow


class FileProblem(msgspec.Struct, frozen=True):
    """What is wrong with a row, or why it is no transaction."""

    line: int
    column: str
    message: str


class ImportAnswer(msgspec.Struct, frozen=True):
    """What an import did, or would do. `rows`, `problems` and `skipped` hold a thousand at most, the counts count all."""

    preview: bool
    format: str
    title: str
    columns: list[str]
    mapping: dict[str, str]
    new: int
    duplicates: int
    imported: int
    import_id: str | None
    rows: list[ImportRow]
    problem_count: int
    problems: list[FileProblem]
    skipped: list[FileProblem]
    portfolio: PortfolioRow


class ExportQuery(msgspec.Struct, frozen=True):
    """Which portfolio, and as what."""

    portfolio_id: Id
    format: Annotated[Literal["csv", "json"], Meta(description="Kind of file", extra={"expects": "csv or json"})] = "csv"


def from_csv(data: bytes) -> ImportBody:
    """A body of text/csv, in whatever encoding exports come."""
    return ImportBody(csv=data.decode("utf-8-sig", "strict") if _is_utf8(data) else data.decode("latin-1"))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


async def take(desk: Desk, query: ImportQuery, body: ImportBody, owner: str) -> ImportAnswer:
    """All or nothing. Raises ImportRefused with every row that is wrong, unless it is only a preview."""
    data = body.csv.encode("utf-8", "replace")
    only_look = body.preview if query.preview is None else query.preview == "true"
    if only_look:
        book, found = await desk.books.look(owner, query.portfolio_id, data, body.mapping)
        return answer_of(found, row_of(desk, book), None)
    book, found, import_id = await desk.books.take(owner, query.portfolio_id, data, body.mapping)
    return answer_of(found, row_of(desk, book), import_id)


def answer_of(found: Preview, portfolio: PortfolioRow, import_id: str | None) -> ImportAnswer:
    """`import_id` None: nothing was imported."""
    duplicates = sum(row.duplicate for row in found.rows)
    new = len(found.rows) - duplicates
    return ImportAnswer(
        preview=import_id is None,
        format=found.format,
        title=found.title,
        columns=list(found.columns),
        mapping=dict(found.mapping),
        new=new,
        duplicates=duplicates,
        imported=0 if import_id is None else new,
        import_id=import_id if new else None,
        rows=[ImportRow(row.line, row.duplicate, transaction_row(row.transaction)) for row in found.rows[:_MOST_ROWS]],
        problem_count=len(found.problems),
        problems=[FileProblem(*one) for one in found.problems[:_MOST_ROWS]],
        skipped=[FileProblem(*one) for one in found.skipped[:_MOST_ROWS]],
        portfolio=portfolio,
    )


EXPORT_PATH = "/api/portfolio/{portfolio_id}/export"
_export_parameters = Parameters(ExportQuery)


@allow("viewer")
async def export(request: web.Request) -> web.Response:
    """The transactions as a file: CSV in the format that the import takes, or JSON with everything."""
    desk = request.app[DESK]
    query = _export_parameters.parse(request)
    book = await desk.books.book(portfolio_owner(request), query.portfolio_id)
    if query.format == "csv":
        body = (await asyncio.to_thread(to_csv, book.entries)).encode()
    else:
        body = await asyncio.to_thread(to_json, book.portfolio, book.entries)
    name = re.sub(r"[^A-Za-z0-9]+", "-", book.portfolio.name).strip("-")[:40] or "portfolio"
    return web.Response(
        body=body,
        content_type="text/csv" if query.format == "csv" else "application/json",
        charset="utf-8" if query.format == "csv" else None,
        headers={"Content-Disposition": f'attachment; filename="{name}.{query.format}"', "Cache-Control": "no-store"},
    )


_any_export = cast("Any", export)
_any_export.budget, _any_export.label = "data", EXPORT_PATH

ACTIONS: tuple[Action[Any], ...] = (
    Action(
        "POST", "/api/portfolio/{portfolio_id}/import", "Import the file of an exchange", ImportQuery, ImportBody, ImportAnswer,
        take, "portfolios", "import_transactions",
        description="All rows or none; the file may be the body itself, as text/csv. Up to 5 MB. Rows that cannot be read are "
        "listed in `details`, with line, column and a sentence.",
        conflicts=True, owned=True, max_bytes=MAX_FILE_BYTES + 100_000, from_csv=from_csv,
    ),
)  # fmt: skip
