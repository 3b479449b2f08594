"""`/api/system/settings`: what the program was told, by whom, and how much of what it may use is used."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ...alerts.rule_file import MOST_RULES
from .desk import Desk
from .endpoint import Endpoint
from .market import NoQuery
from .system import store_row

_MB = 1_000_000


class SettingRow(msgspec.Struct, frozen=True):
    """`value` in force, of secrets no more than whether they are set. `origin`: default, environment, file or command line."""

    name: str
    value: str
    origin: str
    help: str


class BudgetRow(msgspec.Struct, frozen=True):
    """How much is used of what may be used, in `unit`; null where that is not known, or there is no bound."""

    name: str
    used: float | None
    limit: float | None
    unit: str
    setting: str | None


class Told(msgspec.Struct, frozen=True):
    """All settings, and the budgets."""

    settings: list[SettingRow]
    budgets: list[BudgetRow]


async def told(desk: Desk) -> Told:
    """As of now; the size of the database is that of some seconds ago."""
    settings = [SettingRow(fact.env, fact.value, fact.origin, fact.help) for fact in desk.settings.facts()]
    return Told(settings, [*await _kept(desk), *_sent(desk)])


async def _kept(desk: Desk) -> list[BudgetRow]:
    """What is held: on disk, in memory, open."""
    settings, watch = desk.settings, desk.slot.current
    size = (await store_row(desk)).bytes
    rules = desk.rules.in_force if desk.rules is not None else []
    found = [
        BudgetRow("Database", size, settings.max_store_mb * _MB, "bytes", "MARKETWATCH_MAX_STORE_MB"),
        BudgetRow("Open streams", desk.hub.clients, desk.hub.max_clients, "streams", "MARKETWATCH_MAX_CLIENTS"),
        BudgetRow("Rules", len(rules), MOST_RULES, "rules", None),
    ]
    if watch is not None:
        tape = BudgetRow("Recent trades in memory", watch.tape.bytes, settings.tape_mb * _MB, "bytes", "MARKETWATCH_TAPE_MB")
        found.insert(1, tape)
    return found


def _sent(desk: Desk) -> Iterator[BudgetRow]:
    """What goes out: notices by channel, and commands to Redis."""
    watch, settings = desk.slot.current, desk.settings
    if watch is None:
        return
    for channel, count in sorted(watch.state.delivery.lately.items()) if watch.state.delivery is not None else ():
        limit = settings.notify_per_minute
        yield BudgetRow(f"Notices by {channel}", count, limit, "a minute", "MARKETWATCH_NOTIFY_PER_MINUTE")
    if settings.redis_url:
        mirror = watch.state.mirror
        used, a_day = (None, settings.redis_commands_a_day) if mirror is None else mirror
        yield BudgetRow("Redis commands", used, a_day or None, "a day", "MARKETWATCH_REDIS_COMMANDS_A_DAY")


async def _settings(desk: Desk, _query: NoQuery) -> Told:
    return await told(desk)


ENDPOINTS = (
    Endpoint(
        "/api/system/settings", "Settings and budgets", NoQuery, Told, _settings, "system", operation="settings", role="admin"
    ),
)
