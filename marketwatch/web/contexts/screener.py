"""The page of the screener: the form of a screen, columns that are offered, what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlencode

from ...model.portfolio import Watchlist
from ...model.screens import Screen
from ...rules.catalogue import catalogue
from ...rules.live import symbols_unwatched
from ...screener.question import DEFAULT_COLUMNS, SORT_BY_SYMBOL, Mistake, Question, Sieve, read
from ...screener.ready import READY
from ...screener.sight import ASCENDING, DESCENDING
from ...watch import Watch
from .lab import Choice, Term
from .rule_form import FieldError
from .rule_words import pointed
from .screen_rows import MatchesView, SaidView

PATH = "/screener"
_SUGGESTED = (
    "price", "change(5m)", "change(1h)", "change(24h)", "volume(5m)", "volatility(60)", "drawdown(1h)", "rsi(14, 1m)",
    "buy_ratio(5m)", "trade_rate(60)", "spread_bps", "whales(1h)",
)  # fmt: skip


class HeadView(NamedTuple):
    """A column's heading: a link that sorts by it. `sorted` is ascending, descending or empty."""

    label: str
    href: str
    sorted: str


class ChipView(NamedTuple):
    """A column that is offered: `href` adds it, or takes it out where it is `chosen`."""

    label: str
    href: str
    chosen: bool


class SavedView(NamedTuple):
    """A saved screen."""

    screen_id: str
    name: str
    href: str
    current: bool


class ReadyView(NamedTuple):
    """A ready-made screen."""

    name: str
    says: str
    filter: str
    href: str


@dataclass(frozen=True, slots=True)
class ScreenerPage:
    """`person`: whoever looks may keep screens. `saved` is the screen that is looked at or edited, `gone` those that can be
    brought back, `undo` the one that was deleted just now. `errors` by field. `matches` and `said` are None where the screen
    cannot be evaluated. `alert`: the rule editor with this condition, empty without one."""

    question: Question
    person: bool
    saved: Screen | None
    screens: tuple[SavedView, ...]
    ready: tuple[ReadyView, ...]
    lists: tuple[Choice, ...]
    chips: tuple[ChipView, ...]
    name: str
    gone: tuple[Screen, ...]
    undo: Screen | None
    errors: Mapping[str, FieldError]
    problem: str
    notes: tuple[str, ...]
    said: SaidView | None
    heads: tuple[HeadView, ...]
    matches: MatchesView | None
    alert: str
    api: str
    stream: str
    terms: tuple[Term, ...]


def address(question: Question, screen_id: str = "", path: str = PATH) -> str:
    """The page of a screen."""
    given = {
        "filter": question.filter, "columns": question.columns if question.columns != DEFAULT_COLUMNS else "",
        "in": question.watchlist_id, "sort": question.sort, "dir": question.direction, "screen": screen_id,
    }  # fmt: skip
    parameters = urlencode({name: value for name, value in given.items() if value}, errors="replace")
    return f"{path}?{parameters}" if parameters else path


def heads_of(question: Question, sieve: Sieve, screen_id: str) -> tuple[HeadView, ...]:
    """A first click sorts downwards (names upwards), a second one turns it round."""
    heads = []
    place = None if question.sort == SORT_BY_SYMBOL else sieve.place(question.sort)
    sort = question.sort if place is None else sieve.names[place]
    for label, name in (("Symbol", SORT_BY_SYMBOL), *zip(sieve.labels, sieve.names, strict=True)):
        first = ASCENDING if name == SORT_BY_SYMBOL else DESCENDING
        now = (question.direction or first) if sort == name else ""
        turned = {ASCENDING: DESCENDING, DESCENDING: ASCENDING}.get(now, first)
        href = address(question._replace(sort=name, direction=turned), screen_id)
        heads.append(HeadView(label, href, {ASCENDING: "ascending", DESCENDING: "descending"}.get(now, "")))
    return tuple(heads)


# The form


def field_errors(question: Question, mistakes: tuple[Mistake, ...]) -> dict[str, FieldError]:
    """Mistakes beside their fields, with the place in the text."""
    text = question._asdict()
    return {
        one.field: FieldError(one.sentence, *(pointed(text[one.field], one.column) if one.column else ()))
        for one in reversed(mistakes)
    }


def chips_of(question: Question, sieve: Sieve | None, screen_id: str) -> tuple[ChipView, ...]:
    """Columns that are often wanted."""
    if sieve is None:
        return ()
    have = dict(zip(sieve.names, sieve.labels, strict=True))
    chips = []
    for label, name in zip(_SUGGESTED, read(Question(columns=", ".join(_SUGGESTED))).names, strict=True):
        others = [text for key, text in have.items() if key != name]
        columns = others if name in have else [*others, label]
        chips.append(ChipView(label, address(question._replace(columns=", ".join(columns)), screen_id), name in have))
    return tuple(chips)


def notes_of(watch: Watch, sieve: Sieve | None) -> tuple[str, ...]:
    """What keeps parts of a screen unknown for good."""
    programs = () if sieve is None else sieve.programs
    missing = dict.fromkeys(name for one in programs for name in symbols_unwatched(one, watch.symbols))
    return tuple(f"{name[:40]} is not watched, so what is said of it stays unknown." for name in list(missing)[:5])


def alert_href(watch: Watch, question: Question, name: str, listed: Watchlist | None) -> str:
    """The rule editor with the condition, its symbols and a name."""
    if not question.filter.strip():
        return ""
    symbols = ""
    if listed is not None:
        known = watch.state.watchlists.get(listed.name)
        items = tuple(item.symbol for item in listed.items)
        symbols = f"watchlist/{listed.name}" if known == items else ",".join(items[:200])
    given = {"name": name or question.filter.strip()[:80], "expression": question.filter.strip(), "symbols": symbols}
    return "/alerts/rules/new?" + urlencode({key: value for key, value in given.items() if value}, errors="replace")


def saved_views(screens: list[Screen], current: str) -> tuple[SavedView, ...]:
    """The chips above the form."""
    return tuple(
        SavedView(one.screen_id, one.name, f"{PATH}?screen={one.screen_id}", one.screen_id == current) for one in screens
    )


def ready_views() -> tuple[ReadyView, ...]:
    """What somebody may begin with."""
    return tuple(ReadyView(one.name, one.says, one.question.filter, address(one.question)) for one in READY)


def list_choices(lists: list[Watchlist], chosen: str) -> tuple[Choice, ...]:
    """All symbols, or one of the person's lists."""
    found = [Choice(one.watchlist_id, f"Watchlist {one.name}", one.watchlist_id == chosen) for one in lists]
    return (Choice("", "All watched symbols", not chosen), *found)


def catalogue_terms() -> tuple[Term, ...]:
    """What a filter and a column can name."""
    return tuple(Term(one.name, one.signature, one.doc, one.example) for one in catalogue() if one.group != "holding")
