"""What the owner can do with an alert that has fired: acknowledge, snooze, silence others like it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlencode

from ...model.alerts import Alert, AlertState
from ...watch import Watch
from .alert_words import subject_of
from .silences import LENGTHS


class ActsView(NamedTuple):
    """What the owner can do with an alert called `name`. `like`: where alerts like it are silenced."""

    alert_id: str
    name: str
    acknowledged: bool
    snooze: bool
    like: str
    lengths: tuple[tuple[str, str], ...] = LENGTHS


def acts_of(alert: Alert, watch: Watch) -> ActsView:
    """What can be done with an alert that has fired."""
    return ActsView(
        alert_id=alert.alert_id,
        name=f"{alert.rule_name}, {subject_of(alert, watch)}",
        acknowledged=alert.acknowledged_ms is not None,
        snooze=alert.state is not AlertState.RESOLVED,
        like="/alerts?" + urlencode({"like": alert.alert_id}) + "#silence",
    )
