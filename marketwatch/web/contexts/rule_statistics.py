"""What a rule has done lately, from the history that is in memory: how often, for how long, seen or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import median

from ...model.alerts import Alert, AlertState
from .. import format as fmt

_DAY_MS = 86_400_000
_WEEK_MS = 7 * _DAY_MS


def statistics_of(alerts: Iterable[Alert], now_ms: int, *, cut: bool) -> Mapping[str, str]:
    """By rule id the episodes of 24 hours and 7 days in words, with their median duration and the share that was acknowledged.

    `alerts`: episodes that fired. `cut`: there are older ones that nobody has read, so what reaches back beyond the oldest one
    is counted with "at least". A rule that did not fire in these 7 days is not there.
    """
    every = list(alerts)
    oldest_ms = min((one.fired_ms for one in every), default=now_ms)
    of_rule: defaultdict[str, list[Alert]] = defaultdict(list)
    for one in every:
        if now_ms - one.fired_ms < _WEEK_MS:
            of_rule[one.rule_id].append(one)
    since = {span: "at least " if cut and oldest_ms > now_ms - span else "" for span in (_DAY_MS, _WEEK_MS)}
    return {rule_id: _words(found, now_ms, since) for rule_id, found in of_rule.items()}


def _words(found: list[Alert], now_ms: int, since: Mapping[int, str]) -> str:
    day = sum(now_ms - one.fired_ms < _DAY_MS for one in found)
    lengths = [
        one.resolved_ms - one.fired_ms for one in found if one.state is AlertState.RESOLVED and one.resolved_ms is not None
    ]
    share = sum(one.acknowledged_ms is not None for one in found) / len(found)
    parts = [f"{since[_DAY_MS]}{day} in 24 h", f"{since[_WEEK_MS]}{len(found)} in 7 days"]
    parts += [f"median {fmt.long_duration(median(lengths))}"] if lengths else []
    parts += [f"{100 * share:.0f} % acknowledged"]
    return " · ".join(parts)
