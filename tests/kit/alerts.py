"""Short ways to write down rules and alerts in tests."""

from __future__ import annotations

from typing import Any

from marketwatch.model.alerts import Alert, AlertState, Rule
from marketwatch.model.system import Level
from tests.kit.facts import T0


def rule(rule_id: str = "r1", **given: Any) -> Rule:
    """A rule that fires when the price has fallen."""
    values: dict[str, Any] = {"version": 1, "name": "Fast fall", "expression": "change(5m) <= -3", "origin": "file"}
    return Rule(**{"rule_id": rule_id, **values, **given})


def alert(alert_id: str = "a1", **given: Any) -> Alert:
    """A firing alert of that rule."""
    values: dict[str, Any] = {
        "rule_id": "r1",
        "rule_version": 1,
        "rule_name": "Fast fall",
        "symbol": "BTCUSDT",
        "metric": "change(5m)",
        "threshold": -3.0,
        "trigger_value": -3.25,
        "fired_ms": T0,
        "state": AlertState.FIRING,
        "severity": Level.WARNING,
    }
    return Alert(**{"alert_id": alert_id, **values, **given})
