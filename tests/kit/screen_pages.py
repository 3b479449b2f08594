"""The page of the screener, made of one text wherever somebody could have written it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from marketwatch.model.screens import Screen
from marketwatch.screener.question import Question
from marketwatch.web.contexts.lab import Choice, Term
from marketwatch.web.contexts.rule_form import FieldError
from marketwatch.web.contexts.screen_rows import MatchesView, MatchView, SaidView, UnknownView, trouble
from marketwatch.web.contexts.screener import ChipView, HeadView, SavedView, ScreenerPage, ready_views
from marketwatch.web.format import NOTHING, Signed


def screen_pages(text: str) -> Iterator[tuple[str, Any]]:
    """Templates with their contexts; a page without anything as well."""
    row = MatchView(3, text, "/symbols/x", "/watchlist?add=x", (Signed(text, "up"), NOTHING))
    some, none = MatchesView((row, row._replace(key=4)), 4, True), MatchesView((), 4, False)
    said = SaidView(text, text, (UnknownView(text, (text, text), 2),))
    saved = Screen("s1", "owner", text, text, text, text, text, text)
    wrong = FieldError(text, text, text, text)
    for matches in (some, none, none._replace(filtered=True)):
        yield "fragments/_matches.html", matches
    yield "fragments/_match.html", row
    for screened in (said, SaidView(text, "", ()), trouble(text)):
        yield "fragments/_screened.html", screened
    yield (
        "screener.html",
        ScreenerPage(
            question=Question(text, text, text, text, "desc"),
            person=True,
            saved=saved,
            screens=(SavedView("s1", text, "/screener?screen=s1", True), SavedView("s2", text, "/screener?screen=s2", False)),
            ready=ready_views(),
            lists=(Choice("", text, False), Choice("w1", text, True)),
            chips=(ChipView(text, "/screener", True), ChipView(text, "/screener", False)),
            name=text,
            gone=(saved,),
            undo=saved,
            errors={"filter": wrong, "columns": FieldError(text)},
            problem=text,
            notes=(text,),
            said=said,
            heads=(HeadView(text, "/screener", "ascending"), HeadView(text, "/screener", "")),
            matches=some,
            alert="/alerts/rules/new",
            api="/api/screener",
            stream="/stream/screener",
            terms=(Term("price", text, text, text),),
        ),
    )
    yield "screener.html", ScreenerPage(
        question=Question(), person=False, saved=None, screens=(), ready=ready_views(), lists=(Choice("", text, True),),
        chips=(), name="", gone=(), undo=None, errors={},
        problem="", notes=(), said=None, heads=(), matches=None, alert="", api="",
        stream="", terms=(),
    )  # fmt: skip
