"""Alerts about somebody's own money: whose they are, and what of them others may know."""

from __future__ import annotations

import re
from typing import Any

from .alerts import Alert, Rule
from .portfolio import LOCAL_OWNER

AUTHOR = "owner_id"
"""What the context of an alert about money calls the author of its rule."""
_MONEY = re.compile(r"\b(?:portfolio|position)\s*\(")


def author_of(alert: Alert) -> str | None:
    """The person whose money an alert is about; None for one about the market or the program."""
    author = alert.context.get(AUTHOR)
    if isinstance(author, str):
        return author
    rule = alert.context.get("rule")  # alerts of before 0.2.0 do not name an author
    if isinstance(rule, dict) and _MONEY.search(f"{rule.get('expression')} {rule.get('recover')}"):
        return LOCAL_OWNER
    return None


def told_to(alert: Alert, asker: str = "") -> Alert:
    """The alert as `asker` may know it, "" for everybody: without the figures of somebody else's money, and then with `private`
    in its context. When it fired is no secret."""
    author = author_of(alert)
    if author is None or author == asker:
        return alert
    terms = alert.context.get("terms")
    hidden: dict[str, Any] = {**alert.context, "private": True}
    if isinstance(terms, dict):
        hidden["terms"] = {key: None if _MONEY.search(str(key)) else value for key, value in terms.items()}
    value = None if _MONEY.search(alert.metric) else alert.trigger_value
    return alert._replace(trigger_value=value, context=hidden)


def is_private(alert: Alert) -> bool:
    """Whether `told_to` has left something out."""
    return alert.context.get("private") is True


def is_money(term: str) -> bool:
    """Whether a term, by its text, is a figure of somebody's own money."""
    return _MONEY.search(term) is not None


def asks_money(rule: Rule) -> bool:
    """Whether a rule, by its text, looks at the portfolios of its author; also where it does not compile now."""
    return is_money(f"{rule.expression} {rule.recover}".lower())


def open_context(alert: Alert) -> dict[str, Any]:
    """The context as interfaces tell it: who the author is stays here."""
    return {name: value for name, value in alert.context.items() if name != AUTHOR}
