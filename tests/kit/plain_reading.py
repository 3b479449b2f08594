"""A plain reading of recorded trades: what a set of rules must do at every sample, without rings, running sums or columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from marketwatch.alerts.compiled import compiled
from marketwatch.model.alerts import Alerts, AlertState, Rule
from marketwatch.model.market import Trade
from tests.kit.plain_alerts import PlainAlert

Floats = NDArray[np.float64]
Log = list[tuple[int, str]]
STEP_MS = 500
WHALE_USD = 50_000.0

RULES = (
    Rule("a-volatile", 1, "Volatile", "volatility(60) > 0.02", recover="0.012", keep_firing_ms=5000, cooldown_ms=60_000),
    Rule("b-fall", 1, "Fall", "change(30s) < -0.02 for 1s", repeat_ms=5000),
    Rule("c-rush", 1, "Rush", "trade_rate(10) > 40", cooldown_ms=20_000),
    Rule("d-sellers", 1, "Sellers", "buy_ratio(30s) < 0.2 and volume(30s) > 1", for_ms=2000),
    Rule("e-silence", 1, "Silence", "data_age > 2s"),
    Rule("f-below", 1, "Below", "drawdown(2m) < -0.05 or price < sma(2m) * 0.9995", keep_firing_ms=1000),
    Rule("g-whale", 1, "Whale", "whales(10s) >= 1"),
)


class Reading:
    """The samples of one symbol, read plainly from its trades: no rings, no running sums. Index k is the step that ends at
    `ends[k]`."""

    def __init__(self, trades: list[Trade], first: int, last: int) -> None:
        by_step = defaultdict(list)
        for one in trades:
            by_step[one.time_ms // STEP_MS].append(one)
        self.ends = [(number + 1) * STEP_MS for number in range(first, last)]
        steps = [sorted(by_step[number], key=lambda one: (one.time_ms, one.trade_id)) for number in range(first, last)]
        price, prices, age, ages = np.nan, [], np.nan, []
        for step in steps:
            price = step[-1].price if step else price
            age = 0.0 if step else age + STEP_MS / 1000
            prices.append(price)
            ages.append(age)
        self.price, self.age = np.array(prices), np.array(ages)
        self.volume = np.array([sum(one.quantity for one in step) for step in steps])
        self.bought = np.array([sum(one.quantity for one in step if not one.buyer_is_maker) for step in steps])
        self.count = np.array([float(sum(one.trades for one in step)) for step in steps])
        self.whale_ms = [one.time_ms for one in trades if one.price * one.quantity >= WHALE_USD]

    def last(self, column: Floats, k: int, n: int) -> Floats:
        """The newest n values; none while the window is not full."""
        inside = column[max(0, k - n + 1) : k + 1]
        known = len(inside) == n and not np.isnan(self.price[k - n + 1])
        return inside if known else np.full(n, np.nan)

    def truths(self, k: int) -> dict[str, tuple[int, int]]:
        """Truth and recovery of every rule at step k."""
        minute, half, two = self.last(self.price, k, 60), self.last(self.price, k, 60), self.last(self.price, k, 240)
        volatility = 100 * minute.std() / minute.mean()
        fall = 100 * (half[-1] / half[0] - 1)
        rate = self.last(self.count, k, 10).sum() / 5.0
        bought, volume = self.last(self.bought, k, 60).sum(), self.last(self.volume, k, 60).sum()
        below = 100 * (two[-1] / two.max() - 1)
        whales = sum(self.ends[k] - 10_000 <= at < self.ends[k] for at in self.whale_ms)
        known = not np.isnan(self.price[k])
        ratio = bought / volume if volume else np.nan
        said = {
            "a-volatile": (_said(volatility > 0.02, volatility), _said(volatility <= 0.012, volatility)),
            "b-fall": (_said(fall < -0.02, fall), 0),
            "c-rush": (_said(rate > 40, rate), 0),
            "d-sellers": (_both(_said(ratio < 0.2, ratio), _said(volume > 1, volume)), 0),
            "e-silence": (_said(self.age[k] > 2.0, self.age[k]), 0),
            "f-below": (_said(below < -0.05 or two[-1] < two.mean() * 0.9995, below), 0),
            "g-whale": (1 if whales >= 1 else -1, 0),
        }
        return said if known else dict.fromkeys(said, (0, 0))


def _said(truth: bool, value: float) -> int:
    return 0 if np.isnan(value) else 1 if truth else -1


def _both(a: int, b: int) -> int:
    return min(a, b)


def expected(trades: Sequence[Trade], symbol: str, last: int) -> dict[str, Log]:
    """What happens to each rule by the plain reading and the plain states, up to step `last`. `trades`: of all symbols."""
    first = min(one.time_ms for one in trades) // STEP_MS
    reading = Reading([one for one in trades if one.symbol == symbol], first, last)
    plain = {rule.rule_id: _plain(rule) for rule in RULES}
    for k, end_ms in enumerate(reading.ends):
        for key, (truth, recovery) in reading.truths(k).items():
            plain[key].step(end_ms, truth, recovery)
    return {key: one.log for key, one in plain.items()}


def _plain(rule: Rule) -> PlainAlert:
    timing = compiled(rule, ("BTCUSDT", "ETHUSDT")).timing(-1)
    return PlainAlert(timing, rule.recover is not None, STEP_MS)


def logged(found: Iterable[Alerts], symbol: str) -> dict[str, Log]:
    """The same, by the alerts that were published."""
    words = {AlertState.RECOVERING: "recovering", AlertState.RESOLVED: "recovered"}
    logs: dict[str, Log] = {rule.rule_id: [] for rule in RULES}
    pending, seen = set[str](), set[str]()
    for batch in found:
        for alert in batch.alerts:
            if alert.state is AlertState.PENDING:
                pending.add(alert.alert_id)
            if alert.symbol != symbol or alert.alert_id in pending:
                continue
            what = words.get(alert.state, "firing again" if alert.alert_id in seen else "fired")
            notice = alert.alert_id in batch.notify
            if not (notice and what == "firing again"):
                logs[alert.rule_id].append((batch.time_ms, what))
            if notice:
                logs[alert.rule_id].append((batch.time_ms, f"notice {alert.context['notices']}"))
            seen.add(alert.alert_id)
    return logs
