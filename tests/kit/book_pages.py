"""Contexts of the pages of portfolios and watchlists, made of one text wherever somebody could have written it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from marketwatch.portfolio.imports.read import Layout
from marketwatch.web.contexts.book import (
    FigureView,
    HoldingsView,
    PositionView,
    SliceView,
    SummaryView,
    WorthView,
)
from marketwatch.web.contexts.book_course import ChoiceView, CourseView
from marketwatch.web.contexts.book_pages import (
    FIELDS,
    EntryView,
    FileRow,
    FileView,
    ImportPage,
    ItemView,
    ListView,
    PortfolioPage,
    PortfoliosPage,
    TransactionPage,
    WatchlistsPage,
)
from marketwatch.web.contexts.import_columns import columns_view
from marketwatch.web.format import NOTHING


def book_pages(text: str) -> Iterator[tuple[str, Any]]:
    """Templates with their contexts; a page without anything as well."""
    figure = FigureView(text, text, text)
    worth = WorthView((figure,), text, text)
    part = SliceView(0, text, text, "50.00", "-0.00")
    row = PositionView("position-x", text, "/symbols/x", text, text, text, text, text, NOTHING, NOTHING, NOTHING, text, 0)
    holdings = HoldingsView((row, replace(row, key="position-y")), (part,), 1, text)
    choices = (ChoiceView(text, "/portfolio/p?range=all#course", True),)
    line, shown = ("0,0 1,1",), (figure,)
    course = CourseView(
        choices, choices, line, (), (), line, text, text, text, text, text, text, shown, shown, gaps=text, note=text
    )
    entry = EntryView("/portfolio/p/transactions/t", text, text, text, text, text, text, text)
    yield "fragments/_worth.html", worth
    yield "fragments/_holdings.html", holdings
    yield "fragments/_holdings.html", HoldingsView((), (), 0, "")
    summary = SummaryView("/portfolio/p", text, text, text, text, NOTHING, NOTHING, NOTHING, text, text)
    fields = dict.fromkeys((*FIELDS, "version", "name", "base_currency", "cost_method"), text)
    yield "portfolios.html", PortfoliosPage((summary,), ((text, "/portfolio/p/restore"),), fields, text)
    yield "portfolios.html", PortfoliosPage((), (), fields, "")
    given = ("/portfolio/p", text, text)
    later = ("/portfolio/p?from=9", "/portfolio/p?from=0")
    yield (
        "portfolio.html",
        PortfolioPage(*given, worth, holdings, course, (entry,), 1, *later, False, text, "/stream/portfolio/p"),
    )
    yield "portfolio.html", PortfolioPage(*given, None, None, None, (), 0, "", "", True, "", "")
    form = (text, "/portfolio/p", text, "/portfolio/p/transactions", "/portfolio/p/transactions/t/delete", text)
    yield "transaction.html", TransactionPage(*form, fields, (("buy", text),), text, "price")
    wrong = ((1, text, text),)
    selects = columns_view(Layout((text, "b"), (text, "B"), (text, ""), {"time": text}))
    read = FileRow(1, True, text, text, text, text, text, text)
    for problems in (wrong, ()):
        file = FileView(text, 1, 1, (read,), 2, problems, len(problems), wrong)
        for columns in (None, selects):
            yield "import.html", ImportPage("/portfolio/p", text, "/portfolio/p/import", text, wrong, file, columns, text)
    yield "import.html", ImportPage("/portfolio/p", text, "/portfolio/p/import", "", (), None, None, "")
    item = ItemView(text, "/symbols/x", text, text, NOTHING)
    yield "watchlists.html", WatchlistsPage((ListView("w", text, 1, (item, item)),), text, (text,), text)
    yield "watchlists.html", WatchlistsPage((), "", (), "")
