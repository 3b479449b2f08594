"""Settings and budgets, as the page for admins shows them."""

from __future__ import annotations

from dataclasses import dataclass

from .. import format as fmt
from ..api.settings import BudgetRow, SettingRow

_TIGHT = 0.8


@dataclass(frozen=True, slots=True)
class SettingView:
    """A setting. `changed`: it is not the default. `help`: text and, at every second place, code."""

    name: str
    value: str
    origin: str
    help: tuple[str, ...]
    changed: bool


@dataclass(frozen=True, slots=True)
class BudgetView:
    """How much is used. `meter`: 0 to 100 per cent, None without a bound. `tone`: good, warn, bad or flat."""

    name: str
    used: str
    limit: str
    meter: float | None
    percent: str
    tone: str
    setting: str


def setting_view(row: SettingRow) -> SettingView:
    """A row of the table of settings."""
    changed = row.origin not in ("", "default")
    return SettingView(row.name, row.value or fmt.UNKNOWN, row.origin or fmt.UNKNOWN, tuple(row.help.split("`")), changed)


def budget_view(row: BudgetRow) -> BudgetView:
    """A row of the table of budgets."""
    share = row.used / row.limit if row.used is not None and row.limit else None
    meter = None if share is None else round(min(100.0, 100.0 * share), 1)
    return BudgetView(
        name=row.name,
        used=_amount(row.used, row.unit),
        limit="no bound" if row.limit is None else _amount(row.limit, row.unit),
        meter=meter,
        percent=fmt.UNKNOWN if share is None else f"{100.0 * share:.1f} %",
        tone=_tone(share),
        setting=row.setting or "",
    )


def _tone(share: float | None) -> str:
    if share is None:
        return "flat"
    return "bad" if share >= 1.0 else "warn" if share >= _TIGHT else "good"


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return fmt.UNKNOWN
    if unit == "bytes":
        return fmt.size(int(value))
    return f"{fmt.whole(int(value))} {unit}"
