"""Rules about one's own money: live, tried in the lab, drawn as lanes and run again, they say the same at every step."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from marketwatch.alerts.lookout import Lookout
from marketwatch.clock import SystemClock
from marketwatch.lab.archive import Archive
from marketwatch.lab.lab import Lab
from marketwatch.lab.own_money import OwnMoney
from marketwatch.lab.question import Question, question
from marketwatch.model.alerts import Alert, Alerts, AlertState
from marketwatch.model.market import Pulse
from marketwatch.model.portfolio import LOCAL_OWNER, CostMethod
from marketwatch.model.valuation import Valuations
from marketwatch.portfolio.timeline import Money
from marketwatch.replay.incident import read_incident
from marketwatch.replay.lanes import LaneReader
from marketwatch.replay.pins import IncidentPins
from marketwatch.replay.rerun import Rerun, read_script
from marketwatch.rules.holdings import FIGURES, Holding, picked
from marketwatch.rules.nodes import of_type
from marketwatch.rules.program import compile_rule
from marketwatch.store.writer import StoreWriter
from tests.kit.alerts import rule
from tests.kit.books import entry
from tests.kit.watches import START_MS, World, history, publish_trades, trade, warm, world

HOUR_MS, DAY_MS, STEP_MS, SECONDS = 3_600_000, 86_400_000, 500, 600
RULES = [
    rule("loss", expression="portfolio('main').upnl < 200", symbols=("*",)),
    rule(
        "day",
        expression="position('eth').change_today < -3.95 for 2s",
        recover="position('eth').change_today > -3.9",
        symbols=("*",),
    ),
    rule("both", expression="portfolio('Main').value > 30500 and price('ETHUSDT') > 2505", symbols=("BTCUSDT",)),
]
EVERY = [
    compile_rule(f"{name}('{subject}').{figure} > 0").expression
    for name, figures in FIGURES.items()
    for subject in (("main", "side", "nobody") if name == "portfolio" else ("BTC", "ETH", "BNB"))
    for figure in figures
]
TERMS = [node for one in EVERY for node in of_type(one, Holding)]


class Lived(NamedTuple):
    """What was said while the market ran: figures by step end and term, and every change of an alert."""

    world: World
    said: dict[int, dict[str, float]]
    told: list[Alert]

    async def money(self) -> Money:
        books = await self.world.books.shelf(LOCAL_OWNER)
        return Money(LOCAL_OWNER, tuple(books), tuple(self.world.watch.instruments.values()))


def bought(coin: str, quantity: object, price: object, time_ms: int, kind: str = "buy", **more: Any) -> Any:
    return entry(kind, coin, quantity, price, time_ms=time_ms, id="x", **more)


@pytest.fixture
async def lived(tmp_path: Path) -> AsyncIterator[Lived]:
    """Ten minutes from midnight on, in which half of a position is sold and a coin of another portfolio is bought."""
    async with world(tmp_path, played=False, clock=SystemClock()) as made:
        watch, told, said = made.watch, list[Alert](), dict[int, dict[str, float]]()
        writer = StoreWriter(
            store=made.store, clock=made.clock, settings=made.settings, publish=watch.bus.publish,
            instruments=list(watch.instruments.values()),
        )  # fmt: skip
        writer.subscribe(watch.bus)
        IncidentPins(watch=watch, sample_ms=STEP_MS)
        await made.books.begin(watch.bus.publish, watch.marker)

        def hear(one: Valuations) -> None:
            said[one.time_ms] = {
                node.key: float(picked(node, one.rows, one.columns, one.coins, one.positions)) for node in TERMS
            }

        watch.bus.subscribe(Valuations, hear, name="test")
        Lookout(watch=watch, sample_ms=STEP_MS).use(RULES)
        watch.bus.subscribe(Alerts, lambda batch: told.extend(batch.alerts), name="test")
        for symbol, base in (("BTCUSDT", 49_000.0), ("ETHUSDT", 2_600.0)):
            warm(watch, history(symbol, "1d", DAY_MS, 3, START_MS, base) + history(symbol, "1h", HOUR_MS, 30, START_MS, base))
        await walk(made)
        await writer.flush()
        made.slot.put(watch)
        yield Lived(made, said, told)
        await writer.aclose()


async def walk(made: World) -> None:
    """A seeded walk; what is entered on the way is of the moment of the step that is sampled next."""
    ids = {}
    for name, method in (("Main", CostMethod.AVERAGE), ("Side", CostMethod.FIFO)):
        ids[name] = (await made.books.create(LOCAL_OWNER, name, "USD", method)).portfolio.portfolio_id
    await made.books.add(LOCAL_OWNER, ids["Main"], bought("ETH", 10, 2_480, START_MS - 40 * HOUR_MS))
    await made.books.add(
        LOCAL_OWNER, ids["Main"], bought("BTC", "0.1", 49_500, START_MS - 2 * HOUR_MS, fee="0.0001", fee_currency="BTC")
    )
    later = {
        400: (ids["Main"], bought("ETH", 4, 2_490, START_MS + 199_200, "sell", fee=2)),
        700: (ids["Side"], bought("ETH", 3, 2_500, START_MS + 349_200)),
        900: (ids["Main"], bought("USD", 500, None, START_MS + 449_200, "deposit")),
        1000: (ids["Side"], bought("BTC", 1, None, START_MS + 499_200, "transfer_in")),
    }
    dice, price = random.Random(11), {"BTCUSDT": 50_000.0, "ETHUSDT": 2_500.0}
    for number in range(SECONDS * 2):
        at = START_MS + number * STEP_MS + 100
        if number in later:
            await made.books.add(LOCAL_OWNER, *later[number])
        batch = []
        for symbol in price:
            price[symbol] = round(price[symbol] * (1 + dice.gauss(0, 1.5e-4)), 2)
        if not 800 < number < 840:
            batch.append(trade("BTCUSDT", 1_000 + number, price["BTCUSDT"], 0.1, at))
        if number % 3 == 0 and number > 20:
            batch.append(trade("ETHUSDT", 9_000 + number, price["ETHUSDT"], 2.0, at + 50, sold=True))
        if batch:
            publish_trades(made.watch, *batch)
    made.watch.bus.publish(Pulse(made.watch.venue, START_MS + SECONDS * 1_000 + 5_000))


def asked(expression: str, money: Money | None, **more: Any) -> Question:
    return question(
        expression, symbols=["BTCUSDT"], watched=("BTCUSDT", "ETHUSDT", "ETHBTC"), from_ms=START_MS,
        to_ms=START_MS + SECONDS * 1_000, sample_ms=STEP_MS, reference="BTCUSDT", money=money, **more,
    )  # fmt: skip


def fired(alerts: list[Alert]) -> list[Alert]:
    first: dict[str, Alert] = {}
    for one in alerts:
        if one.state is AlertState.FIRING:
            first.setdefault(one.alert_id, one)
    return list(first.values())


async def test_every_figure_on_stored_history_is_to_the_bit_what_was_said_live(lived: Lived) -> None:
    money, store = await lived.money(), lived.world.store
    for expression in EVERY:
        one = asked(expression.key, money)
        histories = {
            name: await Archive(store).history(name, START_MS, one.to_ms, sample_ms=STEP_MS, whales=False, columns=one.columns)
            for name in ("BTCUSDT", "ETHUSDT")
        }
        found = await OwnMoney(Archive(store), one).along(histories, histories["BTCUSDT"])
        (node,) = one.holdings
        ends = histories["BTCUSDT"].end_ms.tolist()
        live = np.array([lived.said.get(end, {}).get(node.key, np.nan) for end in ends])
        assert len(lived.said) > 1_150
        known = np.array([end in lived.said for end in ends])
        stored = np.broadcast_to(found[node.key], len(ends))
        assert np.array_equal(stored[known], live[known], equal_nan=True), node.key
        if node.subject in ("main", "BTC", "ETH"):
            assert np.isfinite(stored).any(), node.key


async def test_lab_fires_when_it_fired_live_and_only_with_the_books(lived: Lived) -> None:
    money, lab = await lived.money(), Lab(lived.world.store)
    for one in RULES:
        live = [was.fired_ms for was in fired(lived.told) if was.rule_id == one.rule_id]
        assert live, one.rule_id
        found = await lab.preview(asked(one.expression, money, recover=one.recover))
        assert [firing.fired_ms for firing in found.firings] == live, one.rule_id
        assert found.notes == ()
    without = asked(RULES[2].expression, None)
    blind = await lab.preview(without)
    assert (blind.fired, len(without.notes)) == (0, 1)


async def test_alert_about_money_is_drawn_and_run_again_as_it_was(lived: Lived) -> None:
    money, made = await lived.money(), lived.world
    for one in RULES:
        was = next(found for found in fired(lived.told) if found.rule_id == one.rule_id and found.fired_ms > START_MS + 30_000)
        incident = await read_incident(made.store, made.watch, was.alert_id, 120_000)
        lanes = await LaneReader(made.store).read(incident, made.watch, money)
        assert (lanes.agrees, lanes.note) == (True, ""), one.rule_id
        assert any(np.isfinite(lane.values).any() for lane in lanes.lanes if "(" in lane.text)
        assert (await LaneReader(made.store).read(incident, made.watch)).agrees is not True
        script = await read_script(made.store, made.watch, was.alert_id, STEP_MS, money)
        rerun = Rerun(script, settings=made.settings, watch=made.watch)
        again = {found.alert_id: found for step in rerun for found in fired(step.alerts)}
        assert rerun.errors == 0
        assert (again[was.alert_id].fired_ms, again[was.alert_id].context["terms"]) == (was.fired_ms, was.context["terms"])
