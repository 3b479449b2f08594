"""The page of a rule: how it stands for each symbol, what it raised, its versions, and the form to change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple
from urllib.parse import urlencode

from ...alerts.compiled import of_money_alone
from ...model.alerts import Alert, AlertState, Rule
from ...model.private import asks_money, is_money
from ...watch import RuleFacts, Watch
from .. import format as fmt
from ..authors import NOBODY, Reader
from .alert_words import MARKET, PORTFOLIO, figure, moment, subject
from .alerts import PastView, Query, past_of
from .frame import symbol_href
from .rule_form import Entry, FormView
from .rule_words import details, differences, muted, rule_href

_DAY_MS = 86_400_000
_MOST_STANDINGS = 60
_MOST_EPISODES = 30


class StandingView(NamedTuple):
    """How a rule stands for a symbol. `tone`: `down` fires, `warn` pends or cannot say anything, else soft."""

    symbol: str
    href: str
    state: str
    tone: str
    reason: str
    values: str


class VersionView(NamedTuple):
    """A version with what it changed: label, before, now."""

    number: int
    current: bool
    changes: tuple[tuple[str, str, str], ...]
    expression: str


@dataclass(frozen=True, slots=True)
class RulePage:
    """The page `/alerts/rules/...`. `mine`: it may be changed here; else `file` says where it stands.

    `removed`: it was deleted. `more`: so many symbols are not listed. `figures`: label, figure and a small word."""

    rule: Rule
    address: str
    details: str
    mine: bool
    file: str
    removed: bool
    muted: str
    form: FormView
    standings: tuple[StandingView, ...]
    more: int
    episodes: tuple[PastView, ...]
    figures: tuple[tuple[str, str, str], ...]
    versions: tuple[VersionView, ...]
    lab: str
    copy: str
    problem: str
    author: str = ""
    """Who wrote it, in words; "" where the reader may not know."""
    hand: str = ""
    """Where it is handed over; "" where the reader may not."""
    money: str = ""
    """Whose portfolios it looks at, in a sentence."""


@dataclass(frozen=True, slots=True)
class AuthorPage:
    """Handing a rule over. `choices`: names of accounts, for admins. `refusal`: why it cannot be."""

    rule: Rule
    address: str
    author: str
    choices: tuple[str, ...]
    refusal: str = ""
    username: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class NewRulePage:
    """The page `/alerts/rules/new`."""

    form: FormView


@dataclass(frozen=True, slots=True)
class DeletePage:
    """Whether a rule is really to be deleted."""

    rule: Rule
    address: str
    firing: int


def rule_page(
    watch: Watch,
    rule: Rule,
    versions: Sequence[Rule],
    episodes: Sequence[Alert],
    form: FormView,
    *,
    facts: RuleFacts | None,
    now_ms: int,
    file: str,
    removed: bool = False,
    problem: str = "",
    reader: Reader = NOBODY,
    may_hand: bool = False,
) -> RulePage:
    """The whole page. `versions` and `episodes`: newest first. `reader`: who looks, for its author and figures of their own
    money; `may_hand`: they may hand it over."""
    names, more = _names(watch, rule)
    past = [alert for alert in episodes if alert.state is not AlertState.PENDING]
    return RulePage(
        rule=rule,
        address=rule_href(rule.rule_id),
        details=details(rule),
        mine=rule.origin != "file",
        file=file,
        removed=removed,
        muted=muted(rule, now_ms),
        form=form,
        standings=() if removed else tuple(_standings(watch, rule, names, facts, reader.user_id)),
        more=more,
        episodes=past_of(watch, past[:_MOST_EPISODES], Query(), now_ms).alerts,
        figures=_figures(past, now_ms),
        versions=_versions(versions, rule),
        lab=Entry.of_rule(rule).lab(),
        copy="/alerts/rules/new?" + urlencode({"copy": rule.rule_id}),
        problem=problem,
        author=reader.says(rule),
        hand=rule_href(rule.rule_id) + "/author" if may_hand and not removed else "",
        money=_money(rule, reader),
    )


def _money(rule: Rule, reader: Reader) -> str:
    """Whose portfolios a rule looks at, where there are several people."""
    if reader.names is None or not asks_money(rule):
        return ""
    if rule.owner_id == reader.user_id:
        return "It looks at your portfolios; others see that it fires, and no figures."
    return "It looks at the portfolios of whoever wrote it, and tells its figures to them alone."


def _names(watch: Watch, rule: Rule) -> tuple[list[str], int]:
    """Symbols that a rule may be about, with what is going on first; and how many are left out."""
    going_on = [alert.symbol for alert in watch.state.alerts.values() if alert.rule_id == rule.rule_id]
    wanted = [name for name in watch.symbols if rule.symbols == (MARKET,) or name in rule.symbols]
    lists = [one.removeprefix("watchlist/") for one in rule.symbols if one.startswith("watchlist/")]
    wanted += [name for one in lists for name in watch.state.watchlists.get(one, ()) if name in watch.instruments]
    names = list(dict.fromkeys([name for name in going_on if name in watch.instruments] + wanted)) or list(watch.symbols[:1])
    return names[:_MOST_STANDINGS], max(0, len(names) - _MOST_STANDINGS)


def _standings(watch: Watch, rule: Rule, names: Sequence[str], facts: RuleFacts | None, asker: str) -> list[StandingView]:
    found, alone = [], of_money_alone(rule.expression)
    for name in names[:1] if alone else names:
        standing = None if facts is None else facts.standing(rule.rule_id, name)
        if standing is None:
            continue
        if standing.side == "paused" and len(names) > 1 and rule.enabled and "not about" in standing.reason:
            continue
        phase = standing.phase.name.lower()
        state = phase if standing.side is None or phase != "normal" else standing.side
        tone = {"firing": "down", "recovering": "down", "normal": "soft"}.get(state, "warn")
        known = {term: None if asker != rule.owner_id and is_money(term) else one for term, one in standing.values.items()}
        values = ", ".join(f"{term} {figure(value)}" for term, value in list(known.items())[:6])
        said = (PORTFOLIO, "") if alone else (subject(name, watch), symbol_href(name))
        found.append(StandingView(*said, state, tone, standing.reason, values))
    return found


def _figures(past: Sequence[Alert], now_ms: int) -> tuple[tuple[str, str, str], ...]:
    """How often it fired and for how long."""
    day = sum(now_ms - alert.fired_ms <= _DAY_MS for alert in past)
    week = sum(now_ms - alert.fired_ms <= 7 * _DAY_MS for alert in past)
    lasted = [alert.resolved_ms - alert.fired_ms for alert in past if alert.resolved_ms is not None]
    seen = sum(alert.acknowledged_ms is not None for alert in past)
    return (
        ("Last 24 hours", fmt.whole(day), "fired"),
        ("Last 7 days", fmt.whole(week), "fired"),
        ("Lasted", fmt.long_duration(median(lasted)) if lasted else fmt.UNKNOWN, "in the median" if lasted else ""),
        ("Last fired", moment(past[0].fired_ms, now_ms) if past else fmt.UNKNOWN, ""),
        ("Acknowledged", fmt.whole(seen), f"of {len(past)}" if past else ""),
    )


def _versions(versions: Sequence[Rule], rule: Rule) -> tuple[VersionView, ...]:
    older = [*versions[1:], None]
    return tuple(
        VersionView(one.version, one.version == rule.version, differences(one, before), one.expression)
        for one, before in zip(versions, older, strict=False)
    )
