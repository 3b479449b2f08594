"""Alerts in words, in lists, on their page and in its channel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.clock import ManualClock
from marketwatch.model.alerts import Alert, Alerts, AlertState, Rules
from marketwatch.model.system import Level
from marketwatch.ports import WriteBatch
from marketwatch.store.switch import SwitchStore
from marketwatch.watch import Watch, WatchSlot
from marketwatch.web.alert_history import AlertHistory
from marketwatch.web.api.alerts import newest
from marketwatch.web.contexts import alerts as view
from marketwatch.web.contexts.alert_words import age, element_id, figure, reason, sentence
from marketwatch.web.contexts.alerts import Query
from marketwatch.web.contexts.bell import bell_of, count_of
from marketwatch.web.contexts.search import search
from marketwatch.web.live import Live, alerts_channel
from marketwatch.web.render import Renderer
from marketwatch.web.sse import Hub
from tests.kit.alerts import alert, rule
from tests.kit.pages import HOSTILE, NOW_MS, played
from tests.kit.watches import make_watch, play, test_settings, world


def at(seconds_ago: float, alert_id: str = "a1", **given: Any) -> Alert:
    """An alert that fired so long ago."""
    return alert(alert_id, fired_ms=NOW_MS - round(1000 * seconds_ago), **given)


def quiet() -> Watch:
    """A played watch without alerts."""
    watch = make_watch(test_settings())
    play(watch)
    return watch


def raise_all(watch: Watch, *facts: Alert, notify: tuple[str, ...] = ()) -> None:
    watch.bus.publish(Alerts(NOW_MS, list(facts), list(notify)))


def resolved(fact: Alert, after_s: float = 5.0) -> Alert:
    return fact._replace(state=AlertState.RESOLVED, resolved_ms=fact.fired_ms + round(1000 * after_s))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (-2.4137, "−2.4137"), (12345.678, "12,346"), (100.0, "100"), (0.0, "0"), (None, "—"), (1e-7, "0.0000001")],
)
def test_figure_has_five_digits_and_no_zeros_behind(value: float | None, text: str) -> None:
    assert figure(value) == text


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_figure_takes_any_number(value: float) -> None:
    assert figure(value)


def test_sentence_says_value_threshold_and_since_when() -> None:
    fact = at(9)
    assert reason(fact) == "change(5m) was −3.25, threshold −3"
    assert sentence(fact, NOW_MS) == "change(5m) was −3.25, threshold −3, since 00:00:01"
    waiting = sentence(fact._replace(state=AlertState.PENDING), NOW_MS, 30_000)
    assert waiting.endswith(", pending since 00:00:01, fires after 30 s")
    assert sentence(resolved(fact), NOW_MS).endswith(", 00:00:01 for 5 s")
    assert sentence(fact, NOW_MS + 90_000_000).endswith("since 2025-11-21 00:00")


def test_sentence_of_a_rule_without_a_comparison_says_that_it_holds() -> None:
    assert reason(at(1, threshold=None, trigger_value=None)) == "change(5m) holds"
    assert reason(resolved(at(1, threshold=None))) == "change(5m) held, at −3.25"


def test_age_stands_still_within_its_unit() -> None:
    assert [age(0, past) for past in (0, 59_999, 60_000, 119_999, 7_200_000)] == ["now", "now", "1 min", "1 min", "2 h"]


@given(st.text())
def test_element_id_is_safe_for_any_id(text: str) -> None:
    found = element_id(text)
    assert found.isascii()
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def test_alert_names_the_symbol_where_the_coin_has_several_pairs() -> None:
    watch = quiet()
    named = [view.alert_view(at(1, symbol=symbol), watch, NOW_MS) for symbol in ("BTCUSDT", "ETHUSDT", "*", HOSTILE)]
    assert [(item.base, item.href) for item in named] == [
        ("BTC", "/symbols/BTCUSDT"), ("ETHUSDT", "/symbols/ETHUSDT"), ("Market", ""), (HOSTILE, ""),
    ]  # fmt: skip


def test_active_alerts_are_newest_first_with_pending_ones_apart() -> None:
    watch = quiet()
    raise_all(
        watch,
        at(9, "a"),
        at(5, "b", symbol="ETHUSDT", state=AlertState.RECOVERING),
        at(2, "c", rule_id="r2", state=AlertState.PENDING),
    )
    active = view.active_of(watch, Query(), NOW_MS)
    assert [item.key for item in active.firing] == ["alert-b", "alert-a"]
    assert [item.key for item in active.pending] == ["alert-c"]
    assert [item.key for item in view.firing_of(watch, NOW_MS, 2).alerts] == ["alert-b", "alert-a"]
    assert view.firing_of(watch, NOW_MS, 2).more == 1
    assert (bell_of(watch, NOW_MS).count, bell_of(watch, NOW_MS).tone, count_of(watch, NOW_MS).count) == (2, "warning", 2)


@pytest.mark.parametrize(
    ("query", "keys", "history"),
    [
        (Query(), ["a", "b"], ["c"]),
        (Query("firing"), ["a", "b"], None),
        (Query("resolved"), [], ["c"]),
        (Query("", "BTCUSDT"), ["a"], ["c"]),
        (Query("", "", "r2"), ["b"], []),
        (Query("firing", "ETHBTC"), [], None),
    ],
)
def test_filters_choose_sections_and_alerts(query: Query, keys: list[str], history: list[str] | None) -> None:
    watch = quiet()
    ended = at(60, "c", rule_id="r3")
    raise_all(watch, at(3, "a"), at(4, "b", symbol="ETHUSDT", rule_id="r2"), ended, resolved(ended))
    active = view.active_of(watch, query, NOW_MS)
    assert [item.key for item in active.firing if "firing" in active.sections] == [f"alert-{key}" for key in keys]
    past = view.past_of(watch, list(watch.state.recent_alerts), query, NOW_MS)
    assert ([item.key.removeprefix("alert-") for item in past.alerts] if past.wanted else None) == history


def test_filter_links_lead_to_what_they_say() -> None:
    watch = quiet()
    raise_all(watch, at(3, "a"), at(3, "b", symbol="ETHUSDT", state=AlertState.PENDING))
    watch.bus.publish(Rules([rule(name="A & B")]))
    found = view.filters_of(watch, [], Query("firing", "BTCUSDT", "r1"))
    assert [(item.href, item.current) for item in found.states] == [
        ("/alerts?coin=BTCUSDT&rule=r1", False),
        ("/alerts?state=firing&coin=BTCUSDT&rule=r1", True),
        ("/alerts?state=pending&coin=BTCUSDT&rule=r1", False),
        ("/alerts?state=resolved&coin=BTCUSDT&rule=r1", False),
    ]
    assert [(item.label, item.href, item.current) for item in found.coins] == [
        ("BTC", "/alerts?state=firing&rule=r1", True),
        ("ETHUSDT", "/alerts?state=firing&coin=ETHUSDT&rule=r1", False),
    ]
    assert found.rule is not None
    assert (found.rule.label, found.rule.href) == ("A & B", "/alerts?state=firing&coin=BTCUSDT")


def test_rules_count_their_symbols_and_know_when_they_fired_last() -> None:
    watch = quiet()
    listed = rule("r2", name="B", symbols=("BTCUSDT", "ETHUSDT"), for_ms=90_000, enabled=False, severity=Level.INFO)
    watch.bus.publish(Rules([rule(name="a"), listed, rule("r3", name="c", symbols=("watchlist/main",))]))
    raise_all(watch, at(3, "x"), at(2, "y", symbol="ETHUSDT", state=AlertState.PENDING), at(9, "z", rule_id="r2"))
    first, second, third = view.rules_of(watch, [resolved(at(1, "old", rule_id="r3"))], Query(), NOW_MS).rules
    assert (first.firing, first.pending, first.quiet, first.last) == (1, 1, "1", "00:00:07")
    assert (second.firing, second.quiet, second.enabled) == (1, "1", False)
    assert second.details == "info · BTCUSDT, ETHUSDT · for 1 min 30 s"
    assert (third.quiet, third.last) == ("", "00:00:09")


def test_toast_is_offered_for_what_people_are_told_of_and_nothing_else() -> None:
    watch = quiet()
    raise_all(watch, at(3, "a"), at(2, "b", symbol="ETHUSDT"), notify=("b",))
    raise_all(watch, resolved(at(2, "b", symbol="ETHUSDT")), notify=("b",))
    toasts = bell_of(watch, NOW_MS).toasts
    assert [(item.key, item.title) for item in toasts] == [("alert-b", "ETHUSDT: Fast fall")]
    assert toasts[0].text == "change(5m) was −3.25, threshold −3"


def test_bell_stays_small_whatever_happens() -> None:
    watch = quiet()
    facts = [at(1, f"n{i}", rule_id=f"r{i}") for i in range(2_000)]
    raise_all(watch, *facts, notify=tuple(fact.alert_id for fact in facts))
    assert (bell_of(watch, NOW_MS).count, len(bell_of(watch, NOW_MS).toasts)) == (2_000, 8)
    active = view.active_of(watch, Query(), NOW_MS)
    assert (active.firing_count, len(active.firing)) == (2_000, 100)


def test_newest_facts_come_from_memory_but_for_who_has_seen_them() -> None:
    stored = [at(9, "a", acknowledged_ms=NOW_MS), at(8, "b", state=AlertState.PENDING), at(7, "c")]
    found = newest(stored, [at(9, "a", state=AlertState.RECOVERING), at(1, "d", acknowledged_ms=5)])
    assert list(found) == ["a", "c", "d"]
    assert (found["a"].state, found["a"].acknowledged_ms, found["d"].acknowledged_ms) == (AlertState.RECOVERING, NOW_MS, 5)


async def test_history_is_what_was_stored_and_what_ended_since(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        stored = [resolved(at(900, "old")), at(800, "open"), at(700, "lost", state=AlertState.PENDING)]
        await made.store.write(WriteBatch(alerts=stored))
        history = AlertHistory(store=made.store, slot=made.slot)
        assert history.past(made.watch) == []
        await history.load()
        assert [fact.alert_id for fact in history.past(made.watch)] == ["open", "old"]
        raise_all(made.watch, at(800, "open"), at(5, "new", symbol="ETHUSDT"))
        raise_all(made.watch, resolved(at(5, "new", symbol="ETHUSDT")))
        assert [fact.alert_id for fact in history.past(made.watch)] == ["new", "old"]


async def test_history_without_a_database_says_why_and_asks_again(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        away = SwitchStore()
        history = AlertHistory(store=away, slot=made.slot)
        await history.load()
        assert history.problem.endswith("Older alerts are not shown.")
        away.use(made.store)
        await history.load()
        assert history.problem == ""


async def test_alerts_page_shows_everything_without_javascript(tmp_path: Path) -> None:
    async with world(tmp_path) as made, made.client() as client:
        empty = await (await client.get("/alerts")).text()
        assert "MARKETWATCH_RULES" in empty
        await made.store.write(WriteBatch(alerts=[resolved(at(900, "old", rule_name="Stored one"))]))
        made.slot.generation += 1
        made.watch.bus.publish(Rules([rule(name=HOSTILE, expression="price > 0 & 'x'")]))
        raise_all(made.watch, at(5, rule_name=HOSTILE))
        text = await (await client.get("/alerts")).text()
        assert "Stored one" in text
        assert "price &gt; 0 &amp; &#39;x&#39;" in text
        assert "<script>alert" not in text
        assert 'aria-label="Alerts: 1 firing"' in text
        assert "Stored one" not in await (await client.get("/alerts?state=firing&coin=bitcoin")).text()
        assert (await client.get("/alerts?coin=nope")).status == 404
        assert (await client.get("/alerts?state=loud&rule=nobody&x=1")).status == 200
        assert 'data-time="' in (await (await client.get("/symbols/BTCUSDT")).text()).partition('id="marks"')[2]


class Stage:
    """The pages' clockwork around a watch with alerts."""

    def __init__(self) -> None:
        self.watch, self.slot, clock = played(), WatchSlot(), ManualClock(NOW_MS)
        self.slot.put(self.watch)
        self.hub = Hub(clock=clock)
        renderer = Renderer(test_settings(), clock)
        self.live = Live(hub=self.hub, slot=self.slot, renderer=renderer, clock=clock, store=SwitchStore())

    def since(self, query: Query) -> str:
        return (self.live.since(alerts_channel(query), "") or b"").decode()


def test_channel_of_a_filter_sends_only_what_it_takes() -> None:
    stage = Stage()
    everything, one = stage.since(Query()), stage.since(Query("", "BTCUSDT"))
    assert 'id="alert-2"' in everything
    assert 'id="alert-2"' not in one
    for target in ("filters", "active", "past", "rules", "bell", "count"):
        assert f'hx-target="#{target}"' in one


def test_channel_name_keeps_filters_with_any_characters_apart() -> None:
    queries = [Query("", "a/b"), Query("", "a", "b"), Query("", "", "a/b"), Query("", HOSTILE, "币")]
    assert len({alerts_channel(query) for query in queries}) == 4


def test_channel_renders_nothing_anew_while_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    stage.since(Query())
    rendered: list[str] = []
    fragment = Renderer.fragment

    def counting(self: Renderer, template: str, context: Any) -> str:
        rendered.append(template)
        return fragment(self, template, context)

    monkeypatch.setattr(Renderer, "fragment", counting)
    stage.since(Query())
    assert rendered == []
    raise_all(stage.watch, at(1, "fresh", rule_id="other", severity=Level.CRITICAL), notify=("fresh",))
    assert 'id="alert-fresh"' in stage.since(Query())
    assert sorted(rendered) == [f"fragments/_{name}.html" for name in ("active", "bell", "count", "filters")]


def test_search_finds_rules_by_name_and_by_expression() -> None:
    watch = quiet()
    watch.bus.publish(Rules([rule("a b", name="Sudden fall"), rule("r2", name="Other", expression="whales(5m) >= 3")]))
    assert [(hit.label, hit.href, hit.kind) for hit in search(watch, "sudden").hits] == [
        ("Sudden fall", "/alerts/rules/a%20b", "rule")
    ]
    assert [hit.label for hit in search(watch, "whales(").hits] == ["Other"]
