"""Rules over the recorded BTC/ETH pair: they fire at the very samples at which a plain reading of the file says so."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

from marketwatch.alerts.compiled import compiled
from marketwatch.alerts.lookout import Lookout
from marketwatch.clock import SystemClock
from marketwatch.config import Settings
from marketwatch.feed.recorded import RecordedFeed
from marketwatch.model.alerts import Alerts, AlertState, Rule
from marketwatch.model.market import Instrument, Pulse, Source, Trade, Trades
from marketwatch.watch import Watch
from tests.kit.plain_alerts import PlainAlert
from tests.kit.watches import raising

Floats = NDArray[np.float64]
STEP_MS, LATENESS_MS = 500, 5000
"""Late enough that no trade of the pair comes after its step was closed: a plain reading knows no revisions."""
FILES = ("spot_btcusdt_20240808.gz", "spot_ethusdt_20240808.gz")

RULES = (
    Rule("a-volatile", 1, "Volatile", "volatility(60) > 0.02", recover="0.012", keep_firing_ms=5000, cooldown_ms=60_000),
    Rule("b-fall", 1, "Fall", "change(30s) < -0.02 for 1s", repeat_ms=5000),
    Rule("c-rush", 1, "Rush", "trade_rate(10) > 40", cooldown_ms=20_000),
    Rule("d-sellers", 1, "Sellers", "buy_ratio(30s) < 0.2 and volume(30s) > 1", for_ms=2000),
    Rule("e-silence", 1, "Silence", "data_age > 2s"),
    Rule("f-below", 1, "Below", "drawdown(2m) < -0.05 or price < sma(2m) * 0.9995", keep_firing_ms=1000),
    Rule("g-whale", 1, "Whale", "whales(10s) >= 1"),
)


async def _events(recorded: Path) -> list[Trades | Pulse]:
    """The trades and pulses of both recordings, merged by time of receipt (a pulse by its own time)."""
    merged: list[tuple[int, int, Trades | Pulse]] = []
    for name in FILES:
        mine: list[object] = []
        path = recorded / "binance" / name
        feed = RecordedFeed(path=path, speed=None, settings=Settings.of(), clock=SystemClock(), publish=mine.append)
        await feed.instruments()
        await feed.run()
        received = 0
        for event in mine:
            if isinstance(event, Trades):
                received = event.received_ms
            if isinstance(event, Trades | Pulse):
                merged.append((received, len(merged), event))
    return [event for _, _, event in sorted(merged, key=lambda row: row[:2])]


@pytest.fixture(scope="module")
def events(recorded: Path) -> list[Trades | Pulse]:
    return asyncio.run(_events(recorded))


def _played(events: list[Trades | Pulse]) -> list[Alerts]:
    """What the rules raise in a watch of both pairs."""
    pairs = [Instrument("BTCUSDT", "BTC", "USDT"), Instrument("ETHUSDT", "ETH", "USDT")]
    settings = Settings.of(windows=("2m",), whale_usd=50_000.0, lateness_ms=LATENESS_MS)
    watch = Watch(settings=settings, source=Source.RECORDED, venue="binance", instruments=pairs, on_error=raising)
    found: list[Alerts] = []
    lookout = Lookout(watch=watch, sample_ms=STEP_MS)
    watch.bus.subscribe(Alerts, found.append, name="test")
    lookout.use(RULES)
    for event in events:
        watch.bus.publish(event)
    return found


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
        self.whale_ms = [one.time_ms for one in trades if one.price * one.quantity >= 50_000.0]

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


def _expected(events: list[Trades | Pulse], symbol: str) -> dict[str, list[tuple[int, str]]]:
    """What happens to each rule, by the plain reading and the plain states."""
    trades = [one for event in events if isinstance(event, Trades) for one in event.trades]
    first = min(one.time_ms for one in trades) // STEP_MS
    pulses = [event.time_ms for event in events if isinstance(event, Pulse)]
    last = (max(pulses + [one.time_ms for one in trades]) - LATENESS_MS) // STEP_MS
    reading = Reading([one for one in trades if one.symbol == symbol], first, last)
    plain = {rule.rule_id: _plain(rule) for rule in RULES}
    for k, end_ms in enumerate(reading.ends):
        for key, (truth, recovery) in reading.truths(k).items():
            plain[key].step(end_ms, truth, recovery)
    return {key: one.log for key, one in plain.items()}


def _plain(rule: Rule) -> PlainAlert:
    timing = compiled(rule, ("BTCUSDT", "ETHUSDT")).timing(-1)
    return PlainAlert(timing, rule.recover is not None, STEP_MS)


def _logs(found: list[Alerts], symbol: str) -> dict[str, list[tuple[int, str]]]:
    """The same, by the alerts that were published."""
    words = {AlertState.RECOVERING: "recovering", AlertState.RESOLVED: "recovered"}
    logs: dict[str, list[tuple[int, str]]] = {rule.rule_id: [] for rule in RULES}
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


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_rules_fire_at_the_samples_that_a_plain_reading_says(events: list[Trades | Pulse], symbol: str) -> None:
    found = _played(events)
    expected, logs = _expected(events, symbol), _logs(found, symbol)
    assert logs == expected
    assert sum(len(log) for log in logs.values()) > 20
    assert len([key for key, log in logs.items() if log]) >= 5


def test_same_samples_give_the_same_bytes(events: list[Trades | Pulse]) -> None:
    first, second = (orjson.dumps([[list(alert) for alert in batch.alerts] for batch in _played(events)]) for _ in range(2))
    assert first == second
    assert len(first) > 10_000


def test_no_episode_begins_twice_and_no_notice_goes_out_twice(events: list[Trades | Pulse]) -> None:
    found = _played(events)
    ends = [alert.alert_id for batch in found for alert in batch.alerts if alert.state is AlertState.RESOLVED]
    assert len(ends) == len(set(ends))
    newest = {alert.alert_id: alert for batch in found for alert in batch.alerts}
    told = [(key, number) for batch in found for key in batch.notify for number in [_number(batch, key)]]
    assert len(told) == len(set(told))
    assert {key for key, _ in told} <= newest.keys()


def _number(batch: Alerts, key: str) -> int:
    return next(int(alert.context["notices"]) for alert in batch.alerts if alert.alert_id == key)
