"""Alerts over real databases and files while the program is killed and started again: each episode once, none untold."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from marketwatch.alerts.alerting import Alerting
from marketwatch.alerts.rule_sheet import read_sheet
from marketwatch.clock import ManualClock
from marketwatch.config import Settings
from marketwatch.model.alerts import Alert, AlertState
from marketwatch.model.market import Pulse, Source
from marketwatch.ports import DurableStore
from marketwatch.store import open_store
from marketwatch.store.writer import StoreWriter
from marketwatch.watch import Watch
from tests.kit.watches import START_MS, desk_of, make_watch, publish_trades, test_settings, trade

RULES = b"""\
alert_thresholds: off
rules:
  - {name: Up, expression: price > 100, recover: 99, keep_firing_for: 1s, channels: [app, ops]}
  - {name: Down, expression: price < 98, for: 1s, cooldown: 10s}
"""


@dataclass
class Life:
    """One run of the program, as far as alerts go."""

    watch: Watch
    alerting: Alerting
    writer: StoreWriter

    def tell(self, number: int, price: float) -> None:
        """The trade of step `number`, and time to close it."""
        at = START_MS + number * 500
        publish_trades(self.watch, trade("BTCUSDT", number + 1, price, 1.0, at + 100))
        self.watch.bus.publish(Pulse("binance", at + 800))

    @property
    def shown(self) -> list[Alert]:
        return self.alerting.lookout.evaluator.shown()


def _settings(folder: Path) -> Settings:
    return test_settings(data_dir=folder, database_url=f"sqlite:///{folder / 'test.db'}", windows=("5m",))


@asynccontextmanager
async def _store(folder: Path) -> AsyncIterator[DurableStore]:
    store = open_store(_settings(folder), clock=ManualClock(START_MS))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def _begin(folder: Path, store: DurableStore, source: Source = Source.LIVE) -> Life:
    settings, clock = _settings(folder), ManualClock(START_MS)
    watch = make_watch(settings, source=source)
    writer = StoreWriter(store=store, clock=clock, settings=settings, publish=watch.bus.publish)
    writer.subscribe(watch.bus)
    desk = desk_of(store, clock, settings)
    alerting = Alerting(watch=watch, store=store, settings=settings, clock=clock, desk=desk)
    await alerting.begin()
    return Life(watch, alerting, writer)


def _prices(seed: int) -> list[float]:
    """A walk that crosses the thresholds now and then."""
    chance = random.Random(seed)
    price, prices = 99.5, []
    for _ in range(60):
        price += chance.uniform(-1.2, 1.2) + (99.5 - price) / 10
        prices.append(price)
    return prices


async def _alerts(store: DurableStore) -> dict[str, Alert]:
    return {alert.alert_id: alert for alert in await store.alerts(limit=1000)}


@pytest.mark.parametrize("seed", range(40))
async def test_killed_program_leaves_each_episode_once_and_none_untold(tmp_path: Path, seed: int) -> None:
    (tmp_path / "rules.yml").write_bytes(RULES)
    chance = random.Random(1000 + seed)
    async with _store(tmp_path) as store:
        life = await _begin(tmp_path, store)
        for number, price in enumerate(_prices(seed)):
            life.tell(number, price)
            if chance.random() < 0.2:
                await life.writer.flush()
            if chance.random() < 0.2:
                await life.alerting.save()
            if chance.random() < 0.06:
                life = await _begin(tmp_path, store)
        await life.writer.flush()
        await _check(life, store)


async def _check(life: Life, store: DurableStore) -> None:
    stored = await _alerts(store)
    active = {key for key, alert in stored.items() if alert.state is not AlertState.RESOLVED}
    assert active == {alert.alert_id for alert in life.shown}
    spans = sorted((alert.rule_id, alert.fired_ms, alert.resolved_ms or 2**53) for alert in stored.values())
    for (rule, _, ended), (next_rule, began, _) in pairwise(spans):
        assert rule != next_rule or ended <= began, "two episodes of one rule at the same time"
    outbox = await store.outbox(limit=1000)
    assert len({(row.alert_id, row.channel, row.kind) for row in outbox}) == len(outbox)
    told = {(row.alert_id, row.channel) for row in outbox}
    for alert in stored.values():
        if alert.context.get("notices"):
            channels = {"app", "ops"} if alert.rule_id == "file-up" else {"app"}
            assert {(alert.alert_id, channel) for channel in channels} <= told


@pytest.mark.parametrize("cut", [5, 17, 33, 50])
async def test_clean_restart_is_as_if_there_had_been_none(tmp_path: Path, cut: int) -> None:
    results = []
    for name, cuts in (("whole", []), ("cut", [cut])):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "rules.yml").write_bytes(RULES)
        async with _store(folder) as store:
            life = await _begin(folder, store)
            for number, price in enumerate(_prices(7)):
                if number in cuts:
                    await life.alerting.aclose()
                    await life.writer.flush()
                    life = await _begin(folder, store)
                life.tell(number, price)
            await life.writer.flush()
            results.append((await _alerts(store), await store.outbox(limit=1000)))
    assert results[0] == results[1]
    assert len(results[0][0]) > 3


async def test_demo_market_remembers_nothing(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_bytes(RULES)
    async with _store(tmp_path) as store:
        life = await _begin(tmp_path, store, Source.DEMO)
        life.tell(0, 101.0)
        await life.alerting.aclose()
        assert list(tmp_path.glob("alerts-*")) == []
        assert (await _begin(tmp_path, store, Source.DEMO)).shown == []


DAMAGED = (
    "", "[]", "{", '{"format": 1, "time_ms": 5, "cells": [7]}', '{"format": 1, "time_ms": 5, "cells": 7}', '{"format": 1}',
    '{"format": 1, "time_ms": 5, "cells": [{"rule_id": "file-up", "version": 1, "symbol": "BTCUSDT", "phase": 9}]}',
    '{"format": 1, "time_ms": 5, "cells": [{"rule_id": "file-up", "version": 1, "symbol": "BTCUSDT", "phase": 2}]}',
)  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED)
async def test_damaged_memory_is_told_and_what_fires_goes_on(tmp_path: Path, text: str) -> None:
    (tmp_path / "rules.yml").write_bytes(RULES)
    async with _store(tmp_path) as store:
        life = await _begin(tmp_path, store)
        life.tell(0, 101.0)
        await life.writer.flush()
        fired = life.shown
        (tmp_path / "alerts-binance.json").write_text(text)
        life = await _begin(tmp_path, store)
        notice = life.watch.state.notices["alert-memory"]
        assert "is forgotten" in notice.message
        assert life.shown == fired
        assert len(fired) == 1
        await life.alerting.aclose()
        assert "alert-memory" not in life.watch.state.notices
        assert "alert-memory" not in (await _begin(tmp_path, store)).watch.state.notices


async def test_versions_of_rules_go_on_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_bytes(RULES)
    async with _store(tmp_path) as store:
        first = await _begin(tmp_path, store)
        await first.writer.flush()
        file.write_bytes(RULES.replace(b"> 100", b"> 200"))
        second = await _begin(tmp_path, store)
        versions = {key: rule.version for key, rule in second.watch.state.rules.items()}
        assert versions == {"file-up": 2, "file-down": 1}
        await second.writer.flush()
        history = await store.rules("file-up", every_version=True)
        assert [rule.expression for rule in history] == ["price > 200", "price > 100"]


async def test_own_rule_is_in_force_beside_a_file_without_any_and_after_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_bytes(b"alert_thresholds: off\n")
    async with _store(tmp_path) as store:
        life = await _begin(tmp_path, store)
        desk = desk_of(store, ManualClock(START_MS), _settings(tmp_path))
        await desk.begin(life.watch.bus.publish)
        desk.take_file([])
        await desk.create(read_sheet({"name": "Mine", "expression": "price > 100"}))
        again = await _begin(tmp_path, store)
        assert set(again.watch.state.rules) == {"mine"}
        again.tell(0, 150.0)
        again.tell(1, 150.0)
        assert [(one.rule_id, one.state) for one in again.shown] == [("mine", AlertState.FIRING)]
