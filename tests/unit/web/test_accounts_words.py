"""What pages about accounts say of browsers, and of how much is used."""

from __future__ import annotations

import pytest

from marketwatch.web.api.settings import BudgetRow
from marketwatch.web.contexts.agents import agent_words
from marketwatch.web.contexts.settings import budget_view

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (f"Mozilla/5.0 (X11; Linux x86_64) {CHROME}", "Chrome on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Edg/120.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14.1; rv:120.0) Gecko/20100101 Firefox/120.0", "Firefox on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) Version/17.1 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        (f"Mozilla/5.0 (Linux; Android 14) {CHROME}", "Chrome on Android"),
        ("Python/3.11 aiohttp/3.14.5", "Python/3.11 aiohttp/3.14.5"),
        ("Mozilla/5.0 <b>", "Mozilla/5.0 <b>"),
        ("", ""),
    ],
)
def test_agent_is_told_in_the_words_of_people(agent: str, words: str) -> None:
    assert agent_words(agent) == words


@pytest.mark.parametrize(
    ("used", "limit", "shown"),
    [
        (790, 1000, ("790 a day", "1,000 a day", 79.0, "79.0 %", "good")),
        (800, 1000, ("800 a day", "1,000 a day", 80.0, "80.0 %", "warn")),
        (1200, 1000, ("1,200 a day", "1,000 a day", 100.0, "120.0 %", "bad")),
        (5, None, ("5 a day", "no bound", None, "\u2014", "flat")),
        (None, 10, ("\u2014", "10 a day", None, "\u2014", "flat")),
    ],
)
def test_budget_is_tight_from_four_fifths_on(
    used: float | None, limit: float | None, shown: tuple[str, str, float | None, str, str]
) -> None:
    view = budget_view(BudgetRow("Redis commands", used, limit, "a day", None))
    assert (view.used, view.limit, view.meter, view.percent, view.tone) == shown
