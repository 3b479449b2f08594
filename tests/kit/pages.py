"""Everything that the pages are rendered from, built by hand: a played watch, a hostile one, and one context per template."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from marketwatch.alerts.rule_sheet import Mistake as Mistake_
from marketwatch.clock import ManualClock
from marketwatch.model.alerts import Alerts, AlertState, Notification, Rules
from marketwatch.model.market import Gap, GapReason, GapState, Instrument, Source, Trade, Whale, Whales
from marketwatch.model.silences import Silence, Silences
from marketwatch.model.system import DeliveryStatus, FeedState, Level, Notice, WriterStatus
from marketwatch.ports import SampleMarks, StoreStats
from marketwatch.replay.incident import Incident
from marketwatch.store.rows import decode_samples
from marketwatch.watch import Watch
from marketwatch.web import format as fmt
from marketwatch.web.contexts.alert_acts import acts_of
from marketwatch.web.contexts.alert_marks import marks_of
from marketwatch.web.contexts.alerts import Query as AlertQuery
from marketwatch.web.contexts.alerts import (
    active_of,
    alert_view,
    alerts_page,
    filters_of,
    firing_of,
    past_of,
    rules_of,
)
from marketwatch.web.contexts.bell import bell_of, count_of
from marketwatch.web.contexts.cursor import CursorView, NoMomentPage, Way, page_of_now, page_of_then
from marketwatch.web.contexts.deliveries import Query as Deliveries
from marketwatch.web.contexts.deliveries import TrialView, deliveries_page, delivery_box
from marketwatch.web.contexts.errors import ConnectingPage, ErrorPage
from marketwatch.web.contexts.frame import ClockView, Frame, bar_state, build_frame, notice_views
from marketwatch.web.contexts.gaps import gaps_of
from marketwatch.web.contexts.lab import Fields, Mistake, lab_page, outcome_of
from marketwatch.web.contexts.metrics import metrics_of
from marketwatch.web.contexts.overview import Query, all_facts, columns_of
from marketwatch.web.contexts.owner import OwnerPage
from marketwatch.web.contexts.replay import replay_list, replay_page
from marketwatch.web.contexts.rule_form import Entry, form_view
from marketwatch.web.contexts.rule_page import AuthorPage, DeletePage, NewRulePage, rule_page
from marketwatch.web.contexts.rule_trial import CheckPage, Now, TermView, broken, trial_of
from marketwatch.web.contexts.rule_words import rule_href
from marketwatch.web.contexts.search import search
from marketwatch.web.contexts.silences import silences_of
from marketwatch.web.contexts.status import (
    HealthView,
    Process,
    StatusPage,
    StoreFacts,
    all_gaps,
    data_box,
    feeds_of,
    process_box,
    settings_rows,
    store_box,
    writer_box,
)
from marketwatch.web.contexts.summary import feed_view, market_of, overview_page, row_with_spark, strip_of, whales_of
from marketwatch.web.contexts.symbol import candles_of, head_of, prints_of, symbol_page, tick_of
from tests.kit.account_pages import account_pages
from tests.kit.alerts import alert, rule
from tests.kit.book_pages import book_pages
from tests.kit.screen_pages import screen_pages
from tests.kit.watches import START_MS, make_watch, play, status, test_settings

NOW_MS = START_MS + 10_050
HOSTILE = '<script>alert("x")</script>\'"&{{7*7}}'


def played(source: Source = Source.LIVE) -> Watch:
    """A watch after ten seconds of trades, with a gap, a notice and a whale."""
    watch = make_watch(test_settings(), source=source)
    play(watch)
    watch.bus.publish(
        Gap("g1", "binance", "BTCUSDT", GapReason.ID_JUMP, GapState.LOST, NOW_MS - 5_000, NOW_MS - 2_000, 1_010, 1_015, 2)
    )
    watch.bus.publish(Notice("n1", Level.WARNING, "Something to know.", NOW_MS - 1_000))
    alarm(watch, "Fast fall")
    return watch


def hostile() -> Watch:
    """A watch whose venue says nothing that may reach a page unescaped."""
    names = (HOSTILE, "..%2f<b>&amp;", "币安人生USDT")
    watch = make_watch(
        test_settings(), tuple(Instrument(name, name[:24], "USDT", Decimal("0.01")) for name in names), Source.RECORDED
    )
    for number, name in enumerate(names):
        whale = Trade(name, number + 1, 10.0, 20_000.0, NOW_MS - 1_000, False)
        watch.bus.publish(Whales([Whale(whale, 200_000.0, 100_000.0)]))
    watch.bus.publish(Notice(HOSTILE, Level.CRITICAL, HOSTILE, NOW_MS))
    watch.bus.publish(
        status(watch, NOW_MS, FeedState.STALE, rejected={HOSTILE: 3}, detail=HOSTILE)._replace(endpoint=f"wss://{HOSTILE}")
    )
    watch.bus.publish(Gap("g", "binance", HOSTILE, GapReason.SILENCE, GapState.OPEN, NOW_MS - 9_000, NOW_MS))
    alarm(watch, HOSTILE)
    return watch


def alarm(watch: Watch, text: str) -> None:
    """A firing, a pending and a resolved alert whose every text is `text`, a late one about the market, and their rules."""
    texts = {"rule_name": text, "metric": text, "rule_id": text, "fired_ms": NOW_MS - 90_000}
    facts = [
        alert(f"1{text}", symbol=watch.symbols[0], severity=Level.CRITICAL, context={"terms": {text: 1.0}}, **texts),
        alert("2", symbol=watch.symbols[1], state=AlertState.PENDING, threshold=None, **texts),
        alert("3", symbol=watch.symbols[2], acknowledged_ms=NOW_MS, **texts),
        alert("4", symbol="*", late=True, trigger_value=None, **{**texts, "fired_ms": NOW_MS - 90_000_000}),
    ]
    rules = [rule(text, name=text, expression=text, symbols=(text,)), rule("r2", for_ms=30_000, cooldown_ms=1, enabled=False)]
    watch.bus.publish(Rules(rules))
    watch.bus.publish(Alerts(NOW_MS, facts, [f"1{text}", "3", "4"]))
    watch.bus.publish(Alerts(NOW_MS, [facts[2]._replace(state=AlertState.RESOLVED, resolved_ms=NOW_MS)], []))
    said = Silence("s1", NOW_MS - 5, NOW_MS + 90_000_000, text, "*", "critical", text, text, remind=True)
    others = [Silence("s2", NOW_MS + 5_000, NOW_MS + 9_000, comment=text), Silence("s3", NOW_MS - 9, NOW_MS - 5, symbol=text)]
    watch.bus.publish(Silences([said, *others]))


def frame_for(watch: Watch | None, *, path: str = "/", theme: str = "auto") -> Frame:
    """The frame of a page."""
    return build_frame(
        watch=watch, waiting=HOSTILE, clock=ManualClock(NOW_MS), boot="boot-1", theme=theme, path=path, version="0.0.0"
    )


class Given(NamedTuple):
    """A template with its context."""

    template: str
    context: Any


def process(**given: Any) -> Process:
    """Figures of a program that runs well."""
    values: dict[str, Any] = {
        "version": "0.0.0",
        "python": "3.11",
        "uptime_ms": 3_723_000.0,
        "memory_bytes": 77_000_000,
        "loop_lag_ms": 0.7,
        "clients": 3,
        "slow_clients": 1,
        "render_ms": 1.5,
        "render_failures": 0,
        **given,
    }
    return Process(**values)


STATS = StoreStats("sqlite", HOSTILE, 12_345_678, {"market_events": 1_000, "trades": 12}, 3, START_MS, NOW_MS, "native")

WRITER = WriterStatus(3, 2_000_000, 1_000, 1, 5, 2, 0, NOW_MS - 1_500, 0.012, HOSTILE, NOW_MS - 9_000)


DELIVERY = DeliveryStatus(("webhook", HOSTILE), 3, 2, 1, 1, {HOSTILE: HOSTILE})

NOTICES = tuple(
    Notification(f"{state}{HOSTILE}", HOSTILE, HOSTILE, "fired", state, 2, NOW_MS - 9_000, HOSTILE, NOW_MS + 5_000, sent_ms)
    for state, sent_ms in (("waiting", None), ("sent", NOW_MS), ("dead", None), ("discarded", None))
)


def fragments(watch: Watch) -> Iterator[Given]:
    """Every fragment with a context made from `watch`."""
    symbol = watch.symbols[0]
    settings = test_settings()
    columns = columns_of(watch.state.table)
    facts = all_facts(watch, NOW_MS, columns)
    row = row_with_spark(watch, facts[0])
    yield Given("fragments/_leaving.html", HOSTILE)
    yield Given("fragments/_bar.html", bar_state(watch, NOW_MS))
    yield Given("fragments/_clock.html", ClockView(fmt.clock_time(NOW_MS), NOW_MS, "boot-1"))
    yield Given("fragments/_notices.html", notice_views(watch))
    yield Given("fragments/_strip.html", strip_of(watch, facts, columns, NOW_MS))
    yield Given("fragments/_row.html", row)
    yield Given("fragments/_row.html", row._replace(spark=None, flash="up1", stale=True))
    yield Given("fragments/_spark.html", row.spark)
    yield Given("fragments/_market.html", market_of(watch, facts, Query(), everything="Watchlist"))
    yield Given("fragments/_market.html", market_of(watch, facts, Query(text=HOSTILE[:40], view="gainers"), everything="All"))
    yield Given("fragments/_whales.html", whales_of(watch))
    yield Given("fragments/_feed.html", feed_view(watch))
    yield Given("fragments/_head.html", head_of(watch, symbol, NOW_MS))
    yield Given("fragments/_metrics.html", metrics_of(watch, symbol))
    yield Given("fragments/_prints.html", prints_of(watch, symbol))
    yield Given("fragments/_gaps.html", gaps_of(watch, symbol))
    yield Given("fragments/_incident.html", replay_page(watch, incident(watch), 5))
    yield from alert_fragments(watch, symbol)
    yield Given("fragments/_tick.html", tick_of(watch, symbol))
    yield Given("fragments/_candles.html", candles_of(watch, symbol, "1m"))
    yield Given("fragments/_feeds.html", feeds_of(watch, NOW_MS))
    yield Given("fragments/_box.html", data_box(watch, settings))
    yield Given("fragments/_box.html", store_box(StoreFacts(STATS, "")))
    yield Given("fragments/_box.html", store_box(StoreFacts(None, HOSTILE)))
    yield Given("fragments/_box.html", process_box(process()))
    yield Given("fragments/_box.html", writer_box(None, NOW_MS))
    yield Given("fragments/_box.html", writer_box(WRITER, NOW_MS))
    for delivery in (None, DELIVERY):
        yield Given("fragments/_box.html", delivery_box(delivery))
    for reasons in (None, (), (HOSTILE,)):
        yield Given("fragments/_health.html", HealthView(reasons))
    yield Given("fragments/_allgaps.html", all_gaps(list(watch.state.gaps.values())))
    yield Given("fragments/_found.html", search(watch, HOSTILE))
    yield Given("fragments/_found.html", search(watch, "u"))
    yield Given("fragments/_asof.html", page_of_now(f"/{HOSTILE}", {HOSTILE: HOSTILE}, NOW_MS))
    yield Given("fragments/_cursor.html", cursor_then(NOW_MS - 60_500))


def cursor_then(at_ms: int) -> CursorView:
    """The bar over a page of another moment, with odd parameters in its address."""
    marks = SampleMarks(START_MS - 600_000, at_ms - 500, at_ms, NOW_MS - 1_000)
    view = page_of_then("/alerts", {"coin": HOSTILE, HOSTILE: HOSTILE}, at_ms, marks, 500, NOW_MS)
    return replace(view, notes=(HOSTILE,))


def alert_fragments(watch: Watch, symbol: str) -> Iterator[Given]:
    """The fragments about alerts."""
    past = list(watch.state.recent_alerts)
    yield Given("fragments/_bell.html", bell_of(watch, NOW_MS))
    yield Given("fragments/_count.html", count_of(watch, NOW_MS))
    yield Given("fragments/_firing.html", firing_of(watch, NOW_MS))
    yield Given("fragments/_firing.html", firing_of(watch, NOW_MS, 1))
    yield Given("fragments/_marks.html", marks_of(watch, past, symbol, NOW_MS))
    yield Given("fragments/_silences.html", silences_of(watch, NOW_MS))
    for one in watch.state.alerts.values():
        yield Given("fragments/_alert.html", alert_view(one, watch, NOW_MS))
        yield Given("fragments/_acts.html", acts_of(one, watch))
    for query in (AlertQuery(), AlertQuery("pending", symbol), AlertQuery("resolved", "", HOSTILE)):
        yield Given("fragments/_active.html", active_of(watch, query, NOW_MS))
        yield Given("fragments/_past.html", past_of(watch, past, query, NOW_MS, HOSTILE))
        yield Given("fragments/_rules.html", rules_of(watch, past, query, NOW_MS))
        yield Given("fragments/_filters.html", filters_of(watch, past, query))


def incident(watch: Watch) -> Incident:
    """What is stored around the first alert: one step with a trade, one after it."""
    found = next(iter(watch.state.alerts.values()), alert())
    rows = [(NOW_MS + at, 500, 10.0, None, None, None, 1.0, None, None, 2, 9.5, 10.5, 1, 2, at > 0) for at in (0, 500)]
    return Incident(found, watch.symbols[0], NOW_MS, NOW_MS + 1_000, [decode_samples(watch.symbols[0], rows)], [], 3)


def rule_pages(watch: Watch) -> Iterator[Given]:
    """The pages on which rules are written."""
    texts: dict[str, Any] = {
        name: HOSTILE for name in Entry._fields if name not in ("symbols", "channels", "intrabar", "enabled")
    }
    entry = Entry()._replace(**texts)._replace(symbols=(HOSTILE,), channels=(HOSTILE,), intrabar=True, enabled=False)
    mistakes = [
        Mistake_(field, 3, HOSTILE, HOSTILE) for field in ("name", "expression", "symbols", "for", "recover", "schedule")
    ]
    form = form_view(watch, test_settings(), entry, action=HOSTILE, back=HOSTILE, mistakes=mistakes, problem=HOSTILE)
    yield Given("rule_new.html", NewRulePage(form))
    empty = form_view(watch, test_settings(), Entry(), action="/alerts/rules", back="/")
    yield Given("rule_new.html", NewRulePage(empty))
    one = rule(HOSTILE, name=HOSTILE, expression=HOSTILE, note=HOSTILE, schedule=HOSTILE, symbols=(HOSTILE,), origin="user")
    versions = [one._replace(version=2, recover=HOSTILE, enabled=False), one]
    for removed in (False, True):
        yield Given(
            "rule.html",
            rule_page(
                watch,
                versions[0],
                versions,
                [alert(rule_name=HOSTILE, state=AlertState.RESOLVED, resolved_ms=NOW_MS)],
                form,
                facts=None,
                now_ms=NOW_MS,
                file=HOSTILE,
                removed=removed,
                problem=HOSTILE,
            ),
        )
    yield Given("rule_delete.html", DeletePage(one, rule_href(HOSTILE), 2))
    author = AuthorPage(one, rule_href(HOSTILE), HOSTILE, (HOSTILE, HOSTILE), "", HOSTILE, HOSTILE)
    yield Given("rule_author.html", author)
    yield Given("rule_author.html", replace(author, refusal=HOSTILE, choices=(), author=""))
    said = Now("true", HOSTILE, (TermView(HOSTILE, HOSTILE),))
    trials = [trial_of(entry, HOSTILE, said, history=HOSTILE, note=HOSTILE), trial_of(Entry(), HOSTILE, None)]
    for trial in [*trials, broken(entry, HOSTILE, HOSTILE, [{"column": 2, "message": HOSTILE, "hint": HOSTILE}])]:
        yield Given("rule_check.html", CheckPage(entry, trial))
        yield Given("fragments/_trial.html", trial)
    yield Given("fragments/_ruleform.html", form)
    yield Given("fragments/_editor.html", form)
    yield Given("fragments/_names.html", form.terms)


def pages(watch: Watch) -> Iterator[Given]:
    """Every page with a context made from `watch`."""
    symbol = watch.symbols[0]
    boxes = (data_box(watch, test_settings()), store_box(StoreFacts(STATS, "")), process_box(process()))
    yield Given(
        "overview.html", overview_page(watch, Query(), now_ms=NOW_MS, everything="Watchlist", stream="/stream/overview")
    )
    yield Given(
        "symbol.html", symbol_page(watch, symbol, chosen="24h", path="/symbols/x", now_ms=NOW_MS, stream="/stream/symbol/x")
    )
    yield Given(
        "status.html",
        StatusPage(
            health=HealthView(()),
            feeds=feeds_of(watch, NOW_MS),
            boxes=boxes,
            gaps=all_gaps(list(watch.state.gaps.values())),
            settings=settings_rows(test_settings(secret_key="s3cret")),
            stream="/stream/status",
        ),
    )
    past = list(watch.state.recent_alerts)
    yield Given("alerts.html", alerts_page(watch, past, AlertQuery(), now_ms=NOW_MS, stream="/stream/alerts", problem=HOSTILE))
    yield Given("replays.html", replay_list(watch, past, NOW_MS, HOSTILE))
    yield Given("replay.html", replay_page(watch, incident(watch), 5))
    yield Given("replay.html", replay_page(watch, incident(watch), 5, NOTICES, NOW_MS))
    watch.bus.publish(DELIVERY)
    tried = TrialView(HOSTILE, HOSTILE)
    shown = deliveries_page(watch, NOTICES, Deliveries(channel=HOSTILE), now_ms=NOW_MS, most=3, trial=tried, problem=HOSTILE)
    yield Given("deliveries.html", shown)
    yield Given("deliveries.html", deliveries_page(watch, (), Deliveries("dead"), now_ms=NOW_MS, most=3))
    asked = Fields(HOSTILE, (HOSTILE,), "24h", HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    wrong = outcome_of(watch, asked, None, Mistake(HOSTILE, HOSTILE, 2))
    yield Given("lab.html", lab_page(watch, asked, wrong))
    yield Given("fragments/_outcome.html", wrong)
    yield from rule_pages(watch)
    yield Given("search.html", search(watch, HOSTILE))
    yield Given("search.html", search(watch, ""))
    for signed_in, possible in ((True, True), (False, True), (False, False)):
        yield Given(
            "owner.html", OwnerPage(signed_in, possible, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), True)
        )
    yield from (Given(*one) for one in account_pages(HOSTILE, NOW_MS))
    for code in (401, 403, 404, 429, 500):
        yield Given("error.html", ErrorPage(code, HOSTILE, HOSTILE))
    yield from (Given(*one) for one in book_pages(HOSTILE))
    yield from (Given(*one) for one in screen_pages(HOSTILE))
    yield Given("connecting.html", ConnectingPage(HOSTILE))
    yield Given("moment.html", NoMomentPage(HOSTILE, HOSTILE, (Way(HOSTILE, "/?at=" + HOSTILE),)))
