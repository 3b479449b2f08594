"""`/portfolio`: what somebody owns. Everything works by forms; with JavaScript the figures move by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ...errors import InvalidRequest, RequestError, StoreError
from ...model.portfolio import CostMethod, TransactionKind
from ...model.valuation import Valuation
from ...portfolio.book import Book
from ..api.book_past import RANGES, RangeName, Step, past_of
from ..api.book_rows import TransactionBody, transaction_of
from ..api.books import rate_into, valued
from ..api.desk import DESK
from ..callers import preferences_of
from ..contexts.book import book_href, holdings_of, summary_of, worth_of
from ..contexts.book_course import CourseView, course_of
from ..contexts.book_pages import (
    FIELDS,
    KINDS,
    MOST_ROWS,
    PortfolioPage,
    PortfoliosPage,
    TransactionPage,
    entry_view,
    fields_of,
)
from ..keys import HUB, RENDERER
from ..live import LIVE
from ..live_book import book_channel
from ..owning import portfolio_owner

routes = web.RouteTableDef()
_METHODS = {CostMethod.AVERAGE: "average cost", CostMethod.FIFO: "first in, first out"}
_ONE = "/portfolio/{portfolio_id}"
_ENTRY = _ONE + "/transactions/{transaction_id}"


def goto(address: str) -> web.Response:
    """To the page that shows what was done."""
    return web.Response(status=303, headers={"Location": address, "Cache-Control": "no-store"})


async def fields(request: web.Request, *names: str) -> dict[str, str]:
    """The texts of a form."""
    form = await request.post()
    given = {name: form.get(name, "") for name in names}
    return {name: text.strip() if isinstance(text, str) else "" for name, text in given.items()}


async def book_of(request: web.Request) -> Book:
    """The book that the address names, if it is the caller's. Raises NotFound."""
    return await request.app[DESK].books.book(portfolio_owner(request), request.match_info["portfolio_id"])


@routes.get("/portfolio")
async def listed(request: web.Request) -> web.Response:
    """All portfolios with their totals."""
    return await _list(request, {}, "", 200)


async def _list(request: web.Request, entry: Mapping[str, str], mistake: str, status: int) -> web.Response:
    desk, owner = request.app[DESK], portfolio_owner(request)
    shelf = await desk.books.shelf(owner)
    gone = [(one.name, f"{book_href(one)}/restore") for one in await desk.books.bin(owner)]
    currency = _currency(request)
    bases = {book.portfolio.base_currency: book for book in shelf}
    rates = {base: rate_into(desk, book, currency) for base, book in bases.items()}
    rows = tuple(summary_of(book, valued(desk, book), rates[book.portfolio.base_currency]) for book in shelf)
    page = PortfoliosPage(
        rows, tuple(gone[:20]), {"name": "", "base_currency": "USD", "cost_method": "average", **entry}, mistake
    )
    return request.app[RENDERER].page(request, "portfolios.html", page, status=status)


@routes.post("/portfolio")
async def create(request: web.Request) -> web.Response:
    """A new portfolio; the same page with what is wrong where it cannot be."""
    entry = await fields(request, "name", "base_currency", "cost_method")
    method = CostMethod.FIFO if entry["cost_method"] == "fifo" else CostMethod.AVERAGE
    try:
        book = await request.app[DESK].books.create(
            portfolio_owner(request), entry["name"], entry["base_currency"] or "USD", method
        )
    except RequestError as error:
        return await _list(request, entry, str(error), error.status)
    return goto(book_href(book.portfolio))


@routes.get(_ONE)
async def show(request: web.Request) -> web.Response:
    """One portfolio: what it is worth, what it holds, how it went, what was entered."""
    desk = request.app[DESK]
    book = await book_of(request)
    one = book.portfolio
    value = valued(desk, book)
    at = request.query.get("from", "0")
    start = min(int(at), len(book.entries)) if at.isascii() and at.isdigit() and len(at) < 9 else 0
    shown = book.entries[::-1][start : start + MOST_ROWS]
    href, more = book_href(one), len(book.entries) - start - len(shown)
    deleted = one.deleted_ms is not None
    live = value is not None and not deleted
    page = PortfolioPage(
        href=href,
        name=one.name,
        detail=one.base_currency if one.trouble else f"{one.base_currency} · {_METHODS[one.cost_method]}",
        worth=None if value is None else worth_of(value, rate_into(desk, book, _currency(request))),
        holdings=None if value is None else holdings_of(value),
        course=await _course(request, book, value),
        entries=tuple(entry_view(entry, one) for entry in shown),
        more=len(book.entries),
        earlier=f"{href}?from={start + MOST_ROWS}#entries" if more > 0 else "",
        later=f"{href}?from={max(0, start - MOST_ROWS)}#entries" if start else "",
        undo=deleted,
        trouble=book.trouble or ("" if value is not None else f"No market is open yet. {desk.slot.waiting}"),
        stream=request.app[LIVE].stream_address(_channel(request), f"portfolio/{one.portfolio_id}") if live else "",
    )
    return request.app[RENDERER].page(request, "portfolio.html", page)


async def _course(request: web.Request, book: Book, now: Valuation | None) -> CourseView | None:
    """The past of the span that the address asks for; None where it cannot be told now."""
    desk = request.app[DESK]
    if desk.slot.current is None or book.ledger is None:
        return None
    name, step = _span(request)
    try:
        did = await desk.appraiser.performance(book.kept, desk.market_now_ms(), now)
        try:
            past = await past_of(desk, book, name, step, now)
        except InvalidRequest:
            step = "1d"
            past = await past_of(desk, book, name, step, now)
    except StoreError:
        desk.telemetry.errors.labels("store_read").inc()
        return None
    return course_of(past, did, book.portfolio.base_currency, book_href(book.portfolio), name, step)


def _span(request: web.Request) -> tuple[RangeName, Step]:
    """Range and step by name; what is not one of them is the usual one."""
    names = [one for one in RANGES if one == request.query.get("range")]
    name: RangeName = names[0] if names else "all"
    steps = [one for one in RANGES[name].steps if one == request.query.get("interval")]
    return name, steps[0] if steps else RANGES[name].steps[0]


def _channel(request: web.Request) -> str:
    return book_channel(portfolio_owner(request), request.match_info["portfolio_id"], _currency(request))


def _currency(request: web.Request) -> str:
    """In which the caller wants to read sums; empty where nobody said so."""
    likes = preferences_of(request)
    return likes.currency if likes is not None else ""


@routes.get("/stream/portfolio/{portfolio_id}")
async def stream(request: web.Request) -> web.StreamResponse:
    """Fragments of one portfolio's page, each second."""
    await book_of(request)
    name = _channel(request)
    first = request.app[LIVE].since(name, request.query.get("since", ""))
    return await request.app[HUB].serve(request, name, first=first)


@routes.post(_ONE + "/rename")
async def rename(request: web.Request) -> web.Response:
    """Another name."""
    entry = await fields(request, "name")
    book = await request.app[DESK].books.rename(portfolio_owner(request), request.match_info["portfolio_id"], entry["name"])
    return goto(book_href(book.portfolio))


@routes.post(_ONE + "/delete")
async def delete(request: web.Request) -> web.Response:
    """Into the bin; the page says how to take that back."""
    book = await request.app[DESK].books.remove(portfolio_owner(request), request.match_info["portfolio_id"])
    return goto(book_href(book.portfolio))


@routes.post(_ONE + "/restore")
async def restore(request: web.Request) -> web.Response:
    """Out of the bin."""
    book = await request.app[DESK].books.restore(portfolio_owner(request), request.match_info["portfolio_id"])
    return goto(book_href(book.portfolio))


@routes.get(_ONE + "/transactions/new")
async def new(request: web.Request) -> web.Response:
    """An empty form."""
    book = await book_of(request)
    given = {name: request.query.get(name, "")[:60] for name in ("coin_id", "type")}
    return _form(request, book, {"type": "buy", **{name: text for name, text in given.items() if text}})


@routes.get(_ENTRY)
async def edit(request: web.Request) -> web.Response:
    """The form of a transaction."""
    book = await book_of(request)
    return _form(request, book, fields_of(book.entry(request.match_info["transaction_id"])))


def _form(request: web.Request, book: Book, entry: Mapping[str, str], error: RequestError | None = None) -> web.Response:
    href, known = book_href(book.portfolio), request.match_info.get("transaction_id", "")
    field = next((str(one["field"]) for one in error.details if "field" in one), "") if error is not None else ""
    page = TransactionPage(
        title="Change a transaction" if known else "New transaction",
        back=href,
        name=book.portfolio.name,
        action=f"{href}/transactions/{known}" if known else f"{href}/transactions",
        drop=f"{href}/transactions/{known}/delete" if known else "",
        base=book.portfolio.base_currency,
        entry={**dict.fromkeys((*FIELDS, "version"), ""), **entry},
        kinds=KINDS,
        mistake="" if error is None else str(error),
        field={"coin": "coin_id"}.get(field, field),
    )
    status = 200 if error is None else error.status
    return request.app[RENDERER].page(request, "transaction.html", page, status=status)


@routes.post(_ONE + "/transactions")
async def enter(request: web.Request) -> web.Response:
    """Books a transaction; the form again with what is wrong where it cannot be."""
    entry = await fields(request, *FIELDS)
    desk, owner, portfolio_id = request.app[DESK], portfolio_owner(request), request.match_info["portfolio_id"]
    try:
        await desk.books.add(owner, portfolio_id, transaction_of(desk, _body(entry)))
    except RequestError as error:
        return _form(request, await book_of(request), entry, error)
    return goto(f"/portfolio/{portfolio_id}")


@routes.post(_ENTRY)
async def change(request: web.Request) -> web.Response:
    """Books it anew."""
    entry = await fields(request, *FIELDS, "version")
    desk, owner, portfolio_id = request.app[DESK], portfolio_owner(request), request.match_info["portfolio_id"]
    given = entry["version"]
    version = int(given) if given.isascii() and given.isdigit() and len(given) < 10 else None
    try:
        made = transaction_of(desk, _body(entry))
        await desk.books.change(owner, portfolio_id, request.match_info["transaction_id"], made, version)
    except RequestError as error:
        return _form(request, await book_of(request), entry, error)
    return goto(f"/portfolio/{portfolio_id}")


@routes.post(_ENTRY + "/delete")
async def drop(request: web.Request) -> web.Response:
    """Takes it out; the form again with the reason where the books need it."""
    desk, owner, portfolio_id = request.app[DESK], portfolio_owner(request), request.match_info["portfolio_id"]
    transaction_id = request.match_info["transaction_id"]
    try:
        await desk.books.drop(owner, portfolio_id, [transaction_id])
    except RequestError as error:
        book = await book_of(request)
        return _form(request, book, fields_of(book.entry(transaction_id)), error)
    return goto(f"/portfolio/{portfolio_id}")


def _body(entry: Mapping[str, str]) -> TransactionBody:
    """The form as the API would be sent it; an empty field is one that was left out."""
    kind = entry["type"] if entry["type"] in set(TransactionKind) else TransactionKind.BUY.value
    given: dict[str, Any] = {name: entry[name] or None for name in ("price", "rate", "time")}
    return TransactionBody(
        type=TransactionKind(kind),
        coin_id=entry["coin_id"],
        quantity=entry["quantity"],
        fee=entry["fee"] or "0",
        currency=entry["currency"],
        fee_currency=entry["fee_currency"],
        note=entry["note"][:500],
        **given,
    )
