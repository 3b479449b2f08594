"""Search over symbols, rules and pages."""

from __future__ import annotations

from dataclasses import dataclass

from ...model.market import Instrument
from ...watch import Watch
from .frame import symbol_href
from .names import coin_name
from .rule_words import rule_href

_MOST = 12
_PAGES = (
    ("Overview", "/", "The market table", "market table gainers losers volatile home"),
    ("Alerts", "/alerts", "What fires, what fired, the rules", "alerts rules history firing pending notices"),
    ("New rule", "/alerts/rules/new", "Write a rule that wakes you", "write create alert rule editor"),
    ("Screener", "/screener", "Which symbols meet a condition now", "screener screen filter scan find columns saved screens"),
    ("Status", "/status", "Feeds, gaps, store, memory", "feeds gaps store memory version settings health"),
    ("API", "/api/docs", "Documentation of the interface", "openapi swagger json docs interface"),
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found."""

    label: str
    href: str
    note: str
    kind: str
    symbol: str = ""
    """What can be put into a watchlist."""


@dataclass(frozen=True, slots=True)
class SearchView:
    """What was found for `text`; `more` hits are not shown."""

    text: str
    hits: tuple[Hit, ...]
    more: int
    keeps: bool = False
    """Whoever asks has watchlists."""


def search(watch: Watch | None, text: str) -> SearchView:
    """Symbols whose symbol, base or name holds the text, best matches first, then rules and pages; nothing for no text."""
    needle = text.strip().casefold()[:40]
    if not needle:
        return SearchView("", (), 0)
    ranked = sorted(
        (rank, order, instrument)
        for order, instrument in enumerate(watch.instruments.values() if watch is not None else ())
        if (rank := _rank(instrument, needle)) is not None
    )
    hits = [
        Hit(instrument.base, symbol_href(instrument.symbol), coin_name(instrument.base), instrument.symbol, instrument.symbol)
        for _, _, instrument in ranked
    ]
    rules = [] if watch is None else sorted(watch.state.rules.values(), key=lambda rule: (rule.name.casefold(), rule.rule_id))
    hits += [
        Hit(rule.name, rule_href(rule.rule_id), rule.expression, "rule")
        for rule in rules
        if needle in rule.name.casefold() or needle in rule.expression.casefold()
    ]
    hits += [Hit(label, href, note, "page") for label, href, note, words in _PAGES if needle in f"{label} {words}".casefold()]
    return SearchView(text.strip()[:40], tuple(hits[:_MOST]), max(0, len(hits) - _MOST))


def _rank(instrument: Instrument, needle: str) -> int | None:
    symbol, base, name = instrument.symbol.casefold(), instrument.base.casefold(), coin_name(instrument.base).casefold()
    if needle in (symbol, base, name):
        return 0
    if symbol.startswith(needle) or name.startswith(needle):
        return 1
    return 2 if needle in symbol or needle in name else None
