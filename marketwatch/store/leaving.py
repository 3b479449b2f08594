"""What goes with an account: the steps of one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..model.private import author_of, is_money, is_private, told_to
from .alert_rows import alert_row, decode_alert
from .reads import Bulk, Reads, Step
from .rows import END_MS, FIRST_MS

_OWN = (
    "drop_tokens_of", "drop_sessions_of", "drop_keys_of", "drop_recovery_codes", "drop_resets_of", "drop_invitations_of",
    "drop_transactions_of", "drop_portfolios_of", "drop_watchlist_items_of", "drop_watchlists_of", "drop_screens_of",
)  # fmt: skip
_MOST_ALERTS = 100_000


class _Rules(NamedTuple):
    """Of the rules of somebody: ids that go as a whole, ids that ever looked at their money, and (id, version) of what goes."""

    gone: list[str]
    money: list[str]
    versions: list[tuple[str, int]]


async def leaving(database: Reads, user_id: str, at_ms: int) -> list[Step | Bulk]:
    """Delete the account of `user_id` and all that is its own; the step that must change a row is that about the account.

    A rule whose newest version looks at their money goes, and its id is not given again; of another one the versions that did.
    """
    rules = _sorted_out(await database.rows("rules_of", user_id), user_id)
    alerts = await _without_figures(database, user_id, rules.money)
    return [
        Step("hold_admins", (), must=False),
        Step("drop_user", (user_id,)),
        *(Step(query, (user_id,), must=False) for query in _OWN),
        Bulk("drop_rule_version", rules.versions),
        Bulk("put_removal", [(rule_id, at_ms) for rule_id in rules.gone]),
        Bulk("redact_alert", alerts),
        Step("hand_rules_over", (user_id,), must=False),
    ]


def _sorted_out(rows: Sequence[Sequence[Any]], user_id: str) -> _Rules:
    """Of rows of `rules_of`, the newest version of each rule first; versions may be of several authors."""
    asks = [
        (rule_id, version, owner_id == user_id and is_money(f"{expression} {recover or ''}".lower()))
        for rule_id, version, owner_id, expression, recover in rows
    ]
    newest = {rule_id: about for rule_id, _, about in reversed(asks)}
    gone = [rule_id for rule_id, about in newest.items() if about]
    money = list(dict.fromkeys(rule_id for rule_id, _, about in asks if about))
    versions = [(rule_id, version) for rule_id, version, about in asks if about or newest[rule_id]]
    return _Rules(gone, money, versions)


async def _without_figures(database: Reads, user_id: str, rule_ids: list[str]) -> list[tuple[Any, ...]]:
    """Rows of `redact_alert` for the alerts of these rules that tell of this person's money."""
    found: list[tuple[Any, ...]] = []
    for rule_id in rule_ids:
        rows = await database.rows("alerts", FIRST_MS, END_MS, None, None, rule_id, _MOST_ALERTS)
        found += await asyncio.to_thread(_redacted, rows, user_id)
    return found


def _redacted(rows: Sequence[Sequence[Any]], user_id: str) -> list[tuple[Any, ...]]:
    alerts = [told_to(alert) for alert in map(decode_alert, rows) if author_of(alert) == user_id]
    written = [alert_row(alert) for alert in alerts if is_private(alert)]
    return [(row[0], row[8], row[-1]) for row in written]
