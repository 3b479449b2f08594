"""`/portfolio/{id}/import`: paste or choose a file, look at what it holds, confirm."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiohttp import web

from ...errors import RequestError
from ...portfolio.book import Book
from ...portfolio.book_desk import BookDesk
from ...portfolio.imports.read import layout
from ...portfolio.imports.table import decoded
from ..api.book_files import MAX_FILE_BYTES
from ..api.desk import DESK
from ..contexts.book import book_href
from ..contexts.book_pages import MOST_ROWS, FileView, ImportPage, file_view
from ..contexts.import_columns import ColumnsView, columns_view, mapping_of, told_of
from ..keys import RENDERER
from ..owning import portfolio_owner
from .portfolio import book_of, goto

routes = web.RouteTableDef()
_PATH = "/portfolio/{portfolio_id}/import"
_MOST_BYTES = MAX_FILE_BYTES + 200_000
_CHANGED = "The columns were changed after these rows were read; look at the rows again, then import them."
Problems = tuple[tuple[int, str, str], ...]


@routes.get(_PATH)
async def ask(request: web.Request) -> web.Response:
    """The form for a file."""
    return _page(request, await book_of(request))


def _page(
    request: web.Request,
    book: Book,
    *,
    mistake: str = "",
    problems: Problems = (),
    file: FileView | None = None,
    columns: ColumnsView | None = None,
    text: str = "",
    status: int = 200,
) -> web.Response:
    href = book_href(book.portfolio)
    page = ImportPage(href, book.portfolio.name, f"{href}/import", mistake, problems, file, columns, text)
    return request.app[RENDERER].page(request, "import.html", page, status=status)


@routes.post(_PATH)
async def take(request: web.Request) -> web.Response:
    """Shows what a file holds, read by the columns that the form names; with `confirm` it is imported, all of it or nothing."""
    book = await book_of(request)
    form = await request.clone(client_max_size=_MOST_BYTES).post()
    data = _data(form.get("file"), form.get("csv"))
    if not data.strip():
        return _page(request, book, mistake="Choose a file or paste its text first.", status=400)
    mapping = mapping_of(form)
    shown: dict[str, Any] = {}
    try:
        found = await asyncio.to_thread(layout, data, mapping)
        shown = {"columns": None if found is None else columns_view(found), "text": decoded(data)}
        if form.get("confirm") == "yes":
            if told_of(mapping) == str(form.get("told", "")):
                await _desk(request).take(portfolio_owner(request), book.portfolio.portfolio_id, data, mapping)
                return goto(book_href(book.portfolio))
            shown["mistake"] = _CHANGED
        _, seen = await _desk(request).look(portfolio_owner(request), book.portfolio.portfolio_id, data, mapping)
        return _page(request, book, file=file_view(seen), **shown)
    except RequestError as error:
        problems = tuple((int(one["line"]), str(one["column"]), str(one["message"])) for one in error.details if "line" in one)
        shown["mistake"] = str(error)
        return _page(request, book, problems=problems[:MOST_ROWS], status=error.status, **shown)


def _desk(request: web.Request) -> BookDesk:
    return request.app[DESK].books


def _data(file: Any, text: Any) -> bytes:
    """The chosen file, else the pasted text."""
    if isinstance(file, web.FileField):
        with file.file as opened:
            data = opened.read()
        if data:
            return data
    return text.encode("utf-8", "replace") if isinstance(text, str) else b""


cast("Any", take).max_bytes = _MOST_BYTES
