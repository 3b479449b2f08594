"""Alerts on their way from the bus to the writer: each with the notices about it, so that one commit takes both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..model.alerts import Alerts, Rules
from .alert_rows import notices_of, plain
from .backlog import Raised

Add = Callable[[str, Any], None]


class AlertIntake:
    """Knows the channels of the rules in force. `add` takes a kind of the backlog and what belongs there.

    `routes`: channels that stand for several, each of which gets a notice of its own. What is silenced never comes here as
    something to tell: see `alerts.hush`.
    """

    def __init__(self, add: Add, routes: Mapping[str, tuple[str, ...]]) -> None:
        self._add = add
        self._routes = routes
        self._channels: dict[str, tuple[str, ...]] = {}

    def on_rules(self, batch: Rules) -> None:
        """Store the versions in force, and notify over their channels from now on."""
        self._channels = {rule.rule_id: rule.channels for rule in batch.rules}
        self._add("rules", batch.rules)

    def on_alerts(self, batch: Alerts) -> None:
        """Store what changed with a notice for every channel of whom people are told."""
        told = set(batch.notify)
        alerts = [alert._replace(context=plain(alert.context)) for alert in batch.alerts]
        notices = [
            notice
            for alert in alerts
            if alert.alert_id in told
            for notice in notices_of(alert, self._channels_of(alert.rule_id), batch.time_ms)
        ]
        if alerts:
            self._add("alerts", Raised(alerts, notices))

    def _channels_of(self, rule_id: str) -> list[str]:
        named = self._channels.get(rule_id, ("app",))
        return list(dict.fromkeys(name for channel in named for name in self._routes.get(channel, (channel,))))
