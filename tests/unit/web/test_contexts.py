"""What the pages say about a market, from facts to words."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.clock import ManualClock
from marketwatch.model.market import Gap, GapReason, GapState, Instrument, Source, Staleness, Trade, Whale, Whales
from marketwatch.model.system import FeedState, Level, Notice
from marketwatch.web.contexts.frame import (
    bar_state,
    build_frame,
    completeness,
    market_now_ms,
    navigation,
    notice_views,
    symbol_href,
)
from marketwatch.web.contexts.gaps import gap_view
from marketwatch.web.contexts.metrics import metrics_of
from marketwatch.web.contexts.overview import (
    PAGE_ROWS,
    SORTS,
    VIEWS,
    Facts,
    Query,
    all_facts,
    columns_of,
    row_of,
    select,
    spark_of,
)
from marketwatch.web.contexts.search import search
from marketwatch.web.contexts.status import StoreFacts, process_box, store_box, writer_box
from marketwatch.web.contexts.summary import address, chips_of, heads_of, market_of, strip_of, whale_view, whales_of
from marketwatch.web.contexts.symbol import head_of, prints_of, ranges_of, tick_of
from tests.kit.pages import HOSTILE, NOW_MS, WRITER, hostile, played, process
from tests.kit.watches import INSTRUMENTS, START_MS, make_watch, publish_trades, status, test_settings, trade


def facts(base: str, **given: object) -> Facts:
    """One row's facts; unknown unless given."""
    key = given.pop("key", 0)
    unknown = dict.fromkeys(("price", "change_1h", "change_24h", "volatility", "drawdown", "volume", "spread"))
    rest = {"quiet_ms": 0, "stale": False, "window_state": 0, "gap_ms": 0}
    instrument = Instrument(f"{base}USDT", base, "USDT", Decimal("0.01"))
    return Facts(key=key, instrument=instrument, **{**unknown, **rest, **given})  # type: ignore[arg-type]


def test_row_shows_price_with_the_digits_of_its_tick_size() -> None:
    watch = played()
    row = row_of(all_facts(watch, NOW_MS)[0])
    assert (row.base, row.name, row.price, row.href) == ("BTC", "Bitcoin", "50,019.00", "/symbols/BTCUSDT")
    assert row.change_24h.text == "+2.08 %"
    assert row.volume == "50.0 M"


def test_row_of_a_symbol_without_data_shows_dashes_and_says_so() -> None:
    watch = played()
    row = row_of(all_facts(watch, NOW_MS)[2])
    assert row.price == row.change_1h.text == row.volatility == row.volume == "—"
    assert [tag.text for tag in row.tags] == ["no data yet"]


def test_row_without_trades_for_long_says_for_how_long() -> None:
    watch = played()
    row = row_of(all_facts(watch, NOW_MS + 41_000)[0])
    assert row.stale
    assert row.tags[0].text == "no trade for 40 s"
    watch.bus.publish(Staleness("binance", "ETHUSDT", True, NOW_MS))
    assert row_of(all_facts(watch, NOW_MS)[1]).tags[0].text == "quiet"


def test_row_with_a_lost_gap_says_how_much_is_missing() -> None:
    tags = [tag.text for tag in row_of(all_facts(played(), NOW_MS)[0]).tags]
    assert "gap 3 s" in tags


def test_facts_stay_equal_while_nothing_happens() -> None:
    watch = played()
    assert all_facts(watch, NOW_MS) == all_facts(watch, NOW_MS + 9_000)


@pytest.mark.parametrize("name", list(SORTS))
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_sorting_puts_unknown_values_last_in_both_directions(name: str, direction: str) -> None:
    values = {
        "price": 2.0,
        "change_1h": 1.0,
        "change_24h": 1.0,
        "volatility": 1.0,
        "drawdown": -1.0,
        "volume": 9.0,
        "spread": 1.0,
    }
    rows = [facts("AAA"), facts("BBB", **values), facts("CCC", **{k: v * 2 for k, v in values.items()})]
    found = [item.instrument.base for item in select(rows, Query(sort=name, direction=direction))]
    if name == "symbol":
        assert found == (["AAA", "BBB", "CCC"] if direction == "asc" else ["CCC", "BBB", "AAA"])
    else:
        assert found[-1] == "AAA"
        assert SORTS[name](rows[1]) != SORTS[name](rows[2])
        rising = sorted(rows[1:], key=SORTS[name])  # type: ignore[arg-type]
        assert found[:2] == [item.instrument.base for item in (rising if direction == "asc" else rising[::-1])]


def test_symbols_that_somebody_prefers_come_first_unless_the_table_is_sorted() -> None:
    rows = [facts(name, price=float(place)) for place, name in enumerate(("AAA", "BBB", "CCC", "DDD"))]

    def shown(query: Query, *first: str) -> list[str]:
        return [item.instrument.base for item in select(rows, query, [f"{name}USDT" for name in first])]

    assert shown(Query(), "DDD", "NOT", "BBB") == ["DDD", "BBB", "AAA", "CCC"]
    assert shown(Query(text="a"), "DDD") == ["AAA"]
    assert shown(Query(sort="price", direction="asc"), "DDD", "BBB") == ["AAA", "BBB", "CCC", "DDD"]


def test_views_keep_only_what_they_are_named_for() -> None:
    rows = [facts("UP", change_24h=2.0, volatility=0.1), facts("DOWN", change_24h=-3.0, volatility=0.4), facts("NEW")]
    shown: Callable[[str], list[str]] = lambda view: [f.instrument.base for f in select(rows, Query(view=view))]  # noqa: E731
    assert shown("all") == ["UP", "DOWN", "NEW"]
    assert shown("gainers") == ["UP"]
    assert shown("losers") == ["DOWN"]
    assert shown("volatile") == ["DOWN", "UP"]


def test_filter_finds_symbols_and_names() -> None:
    rows = [facts("BTC"), facts("ETH")]
    assert [f.instrument.base for f in select(rows, Query(text="ether"))] == ["ETH"]
    assert [f.instrument.base for f in select(rows, Query(text="btcu"))] == ["BTC"]
    assert select(rows, Query(text="zzz")) == []


@given(st.dictionaries(st.sampled_from(["view", "q", "sort", "dir", "page"]), st.text(max_size=60)))
def test_query_of_any_text_is_a_valid_query(given_: dict[str, str]) -> None:
    query = Query.of(lambda name: given_.get(name, ""))
    assert query.view in VIEWS
    assert query.sort in {"", *SORTS}
    assert query.direction in {"", "asc", "desc"}
    assert 1 <= query.page <= 1000
    assert len(query.text) <= 40
    assert select([facts("BTC", price=1.0), facts("ETH")], query) is not None


def test_headings_turn_the_direction_round() -> None:
    heads = {head.label: head for head in heads_of(Query(sort="price", direction="desc"), "30 s")}
    assert (heads["Price"].sorted, heads["Price"].href) == ("descending", "/?sort=price&dir=asc")
    assert (heads["Symbol"].sorted, heads["Symbol"].href) == ("", "/?sort=symbol&dir=asc")
    assert "Volatility 30 s" in heads


def test_addresses_hold_only_what_differs() -> None:
    assert address(Query()) == "/"
    assert address(Query(view="gainers", text="a b&c", page=3)) == "/?view=gainers&q=a+b%26c&page=3"
    assert [chip.label for chip in chips_of(Query(view="losers"), "Watchlist") if chip.current] == ["Losers"]


def test_long_list_is_cut_into_pages() -> None:
    many = tuple(Instrument(f"C{n}USDT", f"C{n}", "USDT") for n in range(2 * PAGE_ROWS + 1))
    watch = make_watch(test_settings(), many)
    rows = all_facts(watch, NOW_MS)
    first = market_of(watch, rows, Query(), everything="All USDT")
    last = market_of(watch, rows, Query(page=99), everything="All USDT")
    assert (len(first.rows), first.previous, first.next) == (PAGE_ROWS, "", "/?page=2")
    assert (len(last.rows), last.previous, last.next) == (1, "/?page=2", "")
    assert not first.cards


def test_strip_counts_and_shares() -> None:
    watch = played()
    columns = columns_of(watch.state.table)
    figures = {figure.label: figure.value for figure in strip_of(watch, all_facts(watch, NOW_MS), columns, NOW_MS).figures}
    assert figures["Advancing / declining"] == "1 / 1"
    assert figures["BTC share of volume"] == "69.0 %"
    assert figures["Whales, last hour"] == "1"


def test_strip_before_any_data_is_all_unknown() -> None:
    watch = make_watch(test_settings())
    figures = strip_of(watch, all_facts(watch, NOW_MS), columns_of(None), NOW_MS).figures
    assert [figure.value for figure in figures] == ["—", "—", "0", "—", "—"]


def test_whale_is_told_with_the_takers_side() -> None:
    watch = make_watch(test_settings())
    sold = Whale(Trade("BTCUSDT", 1, 50_000.0, 3.0, NOW_MS, True), 150_000.0, 100_000.0)
    view = whale_view(sold, watch)
    assert (view.side, view.value, view.price) == ("sell", "$150,000", "50,000.00")
    watch.bus.publish(Whales([sold, sold._replace(trade=sold.trade._replace(symbol="ETHUSDT", buyer_is_maker=False))]))
    assert [whale.side for whale in whales_of(watch).whales] == ["buy", "sell"]
    assert [whale.symbol for whale in whales_of(watch, "ETHUSDT").whales] == ["ETHUSDT"]


def test_sparkline_leaves_out_unknown_minutes() -> None:
    import numpy as np

    assert spark_of(np.array([np.nan, 1.0, np.nan]), "up").points == ""
    assert spark_of(np.array([np.nan, 1.0, 2.0]), "up").points == "30,38 59,2"
    assert spark_of(np.array([5.0, 5.0]), "up").points == "0,20 59,20"


def test_bar_says_what_the_feed_does() -> None:
    watch = make_watch(test_settings())
    assert (bar_state(None, NOW_MS).state, bar_state(watch, NOW_MS).state) == ("connecting", "connecting")
    for state, words, tone in (
        (FeedState.LIVE, "live", "good"),
        (FeedState.STALE, "no fresh data", "bad"),
        (FeedState.RECONNECTING, "reconnecting", "bad"),
        (FeedState.FORBIDDEN, "not served from here", "bad"),
    ):
        watch.bus.publish(status(watch, NOW_MS, state))
        bar = bar_state(watch, NOW_MS)
        assert (bar.venue, bar.state, bar.tone) == ("Binance", words, tone)
        assert bar.latency == ("40 ms" if state is FeedState.LIVE else "")


def test_completeness_falls_by_the_gaps_of_the_last_hour() -> None:
    watch = played()
    assert completeness(make_watch(test_settings()), NOW_MS) is None
    missing = 3_000 / (3_600_000 * len(INSTRUMENTS))
    assert completeness(watch, NOW_MS) == pytest.approx(100 * (1 - missing))
    assert bar_state(watch, NOW_MS).completeness == "99.97 %"
    assert completeness(watch, NOW_MS + 7_200_000) == 100.0


def test_frame_of_each_source_carries_its_word() -> None:
    for source, word in ((Source.LIVE, ""), (Source.DEMO, "Demo"), (Source.RECORDED, "Recorded"), (Source.REPLAY, "Replay")):
        watch = make_watch(test_settings(), source=source)
        frame = build_frame(watch=watch, waiting="", clock=ManualClock(NOW_MS), boot="b", theme="auto", path="/", version="0")
        assert (frame.source, frame.source_word) == (source.value, word)
        assert bool(frame.source_sentence) == bool(word)


def test_recording_measures_ages_by_its_own_time() -> None:
    watch = played(Source.RECORDED)
    far = ManualClock(NOW_MS + 365 * 86_400_000)
    assert abs(market_now_ms(watch, far) - NOW_MS) < 10_000
    assert market_now_ms(played(), far) == far.now_ms()
    assert bar_state(watch, NOW_MS).state == "playing"


def test_notices_come_worst_first_and_bounded() -> None:
    watch = make_watch(test_settings())
    for number in range(9):
        level = Level.CRITICAL if number == 3 else Level.INFO
        watch.bus.publish(Notice(f"n{number}", level, f"Sentence {number}.", NOW_MS + number))
    assert [notice.message for notice in notice_views(watch)][:2] == ["Sentence 3.", "Sentence 8."]
    assert len(notice_views(watch)) == 5
    assert notice_views(None) == ()


def test_navigation_marks_the_page_and_names_pairs_of_one_base_apart() -> None:
    watch = make_watch(test_settings())
    groups = {group.heading: group.items for group in navigation(watch, "/symbols/BTCUSDT")}
    assert [item.label for item in groups["Symbols"]] == ["BTC", "ETHUSDT", "ETHBTC"]
    assert [item.label for items in groups.values() for item in items if item.current] == ["BTC"]


@given(st.text(min_size=1, max_size=30))
def test_address_of_any_symbol_stays_in_its_place(symbol: str) -> None:
    href = symbol_href(symbol)
    assert href.count("/") == 2
    assert href.isascii()
    assert not set(href) & set("<>\"'?#& ")


def test_metrics_show_state_of_each_window() -> None:
    view = metrics_of(played(), "BTCUSDT")
    assert [window.label for window in view.windows] == ["30 s", "5 min", "1 h", "24 h"]
    assert view.windows[1].state.endswith("%")
    rows = {row.label: row for row in view.rows}
    assert rows["Low"].cells[0].text == "50,000.00"
    assert metrics_of(make_watch(test_settings()), "BTCUSDT").rows == ()


def test_head_and_tape_of_a_symbol() -> None:
    watch = played()
    head = head_of(watch, "BTCUSDT", NOW_MS)
    assert (head.price, head.bid, head.ask, head.high) == ("50,019.00", "49,999.50", "50,000.50", "51,000.00")
    prints = prints_of(watch, "BTCUSDT").trades
    assert (prints[0].price, prints[0].quantity, prints[0].side) == ("50,019.00", "0.10000", "buy")
    assert [trade.whale for trade in prints].count(True) == 1


def test_gap_is_told_in_words() -> None:
    gap = Gap("g", "v", "BTCUSDT", GapReason.ID_JUMP, GapState.LOST, START_MS, START_MS + 3_000, 10, 19, 4)
    view = gap_view(gap)
    assert (view.length, view.reason, view.state, view.refilled) == ("3 s", "trade ids jumped", "lost", "4 of 10 trades")
    assert gap_view(gap._replace(from_id=None)).refilled == "4 trades"


def test_tick_holds_the_open_candle_of_each_range() -> None:
    import orjson

    found = orjson.loads(tick_of(played(), "BTCUSDT").candles)
    assert found["1m"][0] == START_MS // 1000
    assert found["1m"][4] == 50_019.0
    assert orjson.loads(tick_of(played(), "ETHBTC").candles) == {}
    assert [item.key for item in ranges_of("/symbols/X", "7d") if item.current] == ["7d"]


def test_search_ranks_exact_matches_first() -> None:
    watch = make_watch(test_settings())
    assert [hit.kind for hit in search(watch, "ethbtc").hits] == ["ETHBTC"]
    assert [hit.kind for hit in search(watch, "btc").hits] == ["BTCUSDT", "ETHBTC"]
    assert [hit.label for hit in search(watch, "stat").hits] == ["Status"]
    assert search(watch, "  ").hits == ()
    assert search(None, "overview").hits[0].href == "/"
    assert search(hostile(), HOSTILE).hits


def test_boxes_say_what_is_wrong() -> None:
    assert store_box(StoreFacts(None, "It is down.")).sentence == "It is down."
    box = process_box(process(render_failures=2, loop_lag_ms=250.0))
    assert {pair.name: pair.tone for pair in box.pairs}["Loop lag"] == "warn"
    assert {pair.name: pair.tone for pair in box.pairs}["Failed page ticks"] == "bad"


def test_writer_tells_what_waits_and_what_was_lost() -> None:
    box = writer_box(WRITER, NOW_MS)
    shown = {pair.name: (pair.value, pair.tone) for pair in box.pairs}
    assert shown["State"] == ("the database is away", "bad")
    assert shown["Lost for want of room"] == ("1", "bad")
    assert shown["Waiting on disk"] == ("2.00 MB", "flat")
    assert shown["Last write"] == ("1 s ago", "flat")
    assert box.sentence == WRITER.last_error
    fine = writer_box(WRITER._replace(away_since_ms=None, dropped=0, last_error=None), NOW_MS)
    assert ({pair.name: pair.tone for pair in fine.pairs}["State"], fine.sentence) == ("good", "")


def test_open_candle_reaches_to_the_last_trade() -> None:
    import orjson

    watch = played()
    publish_trades(watch, trade("BTCUSDT", 5_000, 49_000.0, 0.1, START_MS + 10_040), pulse=False)
    candle = orjson.loads(tick_of(watch, "BTCUSDT").candles)["1m"]
    assert candle[3:5] == [49_000.0, 49_000.0]
