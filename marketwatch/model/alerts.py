"""Rules and the alerts they raise: immutable facts, as stored, sent and shown."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from .market import Trade
from .portfolio import LOCAL_OWNER
from .system import Level


class AlertState(StrEnum):
    """Where an episode stands. `pending` ones are shown, never notified."""

    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"
    RESOLVED = "resolved"


UNVERSIONED = ("note", "muted_until_ms")
"""Fields of a rule that change without making a new version of it."""
FOREVER_MS = 253_402_300_799_999
"""The last moment that every database and ISO 8601 can tell: muted for ever."""


class Rule(NamedTuple):
    """One version of a rule. Durations in ms; None where the rule does not say. `symbols`: names, or `("*",)` for all.

    `origin`: `file` for rules of the rules file, `user` for those made by page or API. `schedule`: when it is evaluated, as in
    `Mon-Fri 08:00-18:00 Europe/Berlin`; None: always. `intrabar`: its candle terms look at the open candle too. `note`: what
    the person who is woken should know. `muted_until_ms`: nobody is told before then (`FOREVER_MS`: until it is taken back).
    `owner_id`: its author, whose portfolios it sees; rules of the file are the owner's of the program.

    A change makes a new `version`, but for `UNVERSIONED`: those say nothing about when it fires, and its episodes go on.
    """

    rule_id: str
    version: int
    name: str
    expression: str
    symbols: tuple[str, ...] = ("*",)
    for_ms: int = 0
    recover: str | None = None
    keep_firing_ms: int = 0
    cooldown_ms: int = 0
    repeat_ms: int | None = None
    severity: Level = Level.WARNING
    channels: tuple[str, ...] = ("app",)
    enabled: bool = True
    expires_ms: int | None = None
    origin: str = "user"
    schedule: str | None = None
    intrabar: bool = False
    note: str = ""
    muted_until_ms: int | None = None
    owner_id: str = LOCAL_OWNER

    @property
    def content(self) -> Rule:
        """The part of which versions are kept."""
        return self._replace(version=0, **{name: Rule._field_defaults[name] for name in UNVERSIONED})

    def muted(self, time_ms: int) -> bool:
        """Whether nobody is told at that time."""
        return self.muted_until_ms is not None and time_ms < self.muted_until_ms


class RuleRemoval(NamedTuple):
    """A person has deleted a rule, whose versions stay; `removed_ms` None: that was taken back. A row of `rule_removals`."""

    rule_id: str
    removed_ms: int | None


class Alert(NamedTuple):
    """One episode of a rule on a symbol: a row of `alerts`. Newer facts of the same `alert_id` replace older ones.

    `alert_id` is the hash of rule, version, symbol and the moment it fired, so live, replay and restarts agree on it.
    `metric` and `threshold` are the first comparison's. `context` holds every term's value and the data quality. `late`: raised
    by data that came in after the fact.
    """

    alert_id: str
    rule_id: str
    rule_version: int
    rule_name: str
    symbol: str
    metric: str
    threshold: float | None
    trigger_value: float | None
    fired_ms: int
    state: AlertState
    severity: Level
    resolved_ms: int | None = None
    acknowledged_ms: int | None = None
    late: bool = False
    context: dict[str, Any] = {}


class Alerts(NamedTuple):
    """What changed at one sample step: travels over the bus. `notify`: ids of episodes to tell people about, each once."""

    time_ms: int
    alerts: list[Alert]
    notify: list[str]


class Rules(NamedTuple):
    """The rules in force from now on, all of them: travels over the bus at the start and at every change of a rule."""

    rules: list[Rule]


class Watchlists(NamedTuple):
    """All lists of symbols of one `source` (`file`, ...) by name: travels over the bus when they change."""

    source: str
    lists: dict[str, tuple[str, ...]]


class Notification(NamedTuple):
    """One notice to one channel: a row of `outbox`, committed together with the alert it speaks of.

    `notification_id` is the hash of alert, kind and channel, so that nobody is told twice. `kind`: `fired`, `repeat-2`, ...
    `state`: `sent` (in the app, where the alert itself is the notice), `waiting`, `dead` or `discarded`. `due_ms`: when
    one that has failed is tried again. `sent_ms`: when its receiver accepted it.
    """

    notification_id: str
    alert_id: str
    channel: str
    kind: str
    state: str
    attempts: int
    created_ms: int
    last_error: str | None = None
    due_ms: int | None = None
    sent_ms: int | None = None


class Pin(NamedTuple):
    """What is kept of `symbol` for an alert: samples and trades with `from_ms <= time < to_ms`. A row of `pins`."""

    alert_id: str
    symbol: str
    from_ms: int
    to_ms: int


class Pinned(NamedTuple):
    """Spans to keep for good, and trades that lie in such spans: travels over the bus."""

    pins: list[Pin]
    trades: list[Trade]
