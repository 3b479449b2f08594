"""Screens over a real watch: what passes, what is not known, what is lent, and how many may be looked at."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from marketwatch.errors import TooMany, Unavailable
from marketwatch.model.market import Instrument, Pulse, Staleness, Trade, Trades
from marketwatch.screener.question import Question, ScreenRefused, read
from marketwatch.screener.screener import MOST_SCREENS, Screener
from marketwatch.screener.sight import Matches, Sight, arrange, reasons
from marketwatch.watch import Watch
from tests.kit.watches import START_MS, history, make_watch, warm
from tests.kit.watches import test_settings as settings_of

BASES = ("A", "B", "C", "D")


class Scene:
    """Four symbols, of which D never trades, and a screener on a clock that the test moves."""

    def __init__(self, symbols: int = 4) -> None:
        settings = settings_of(windows=("5m",))
        bases = BASES if symbols == len(BASES) else tuple(f"S{n}" for n in range(symbols))
        self.instruments = tuple(Instrument(f"{one}USDT", one, "USDT", Decimal("0.01")) for one in bases)
        self.watch: Watch = make_watch(settings, self.instruments)
        self.now_s = 0.0
        self.screener = Screener(watch=self.watch, sample_ms=500, now=lambda: self.now_s)
        self.time_ms, self._number = START_MS, 0

    def step(self, *prices: float) -> None:
        """Half a second in which the first symbols trade at these prices."""
        trades = []
        for at, price in enumerate(prices):
            self._number += 1
            trades.append(Trade(self.instruments[at].symbol, self._number, price, 1.0, self.time_ms + 100, False))
        self.time_ms += 500
        self.watch.bus.publish(Trades("binance", self.time_ms, trades))
        self.watch.bus.publish(Pulse("binance", self.time_ms + 300))

    def look(self, filter_text: str = "", columns: str = "price") -> Sight:
        return self.screener.look(read(Question(filter_text, columns)))

    def found(self, filter_text: str, columns: str = "price", sort: str = "", direction: str = "", most: int = 100) -> Matches:
        return arrange(self.look(filter_text, columns), None, sort, direction, most)


@pytest.fixture
def scene() -> Scene:
    found = Scene()
    for _ in range(4):
        found.step(100.0, 50.0, 10.0)
    return found


def names(found: Matches) -> list[str]:
    return [one.symbol[0] for one in found.rows]


def test_screen_before_the_first_step_is_not_available() -> None:
    with pytest.raises(Unavailable):
        Scene().look("price > 1")


def test_screen_finds_what_passes_and_names_what_never_had_data(scene: Scene) -> None:
    found = scene.found("price > 20", "price, price * 2")
    assert names(found) == ["A", "B"]
    assert found.rows[0].values == (100.0, 200.0)
    assert (found.passing, found.total) == (2, 4)
    assert found.unknown == (("DUSDT", "no data yet"),)
    assert found.time_ms == scene.watch.engine.table.time_ms if scene.watch.engine.table is not None else False


def test_screen_follows_the_market_step_by_step(scene: Scene) -> None:
    assert names(scene.found("price > 20")) == ["A", "B"]
    scene.step(1.0, 50.0, 30.0)
    scene.step(1.0, 50.0, 30.0)
    assert names(scene.found("price > 20")) == ["B", "C"]


def test_screen_without_a_filter_shows_everything_with_dashes_for_what_is_unknown(scene: Scene) -> None:
    found = scene.found("")
    assert [one.values for one in found.rows] == [(100.0,), (50.0,), (10.0,), (None,)]
    assert found.unknown == ()


def test_window_that_warms_up_and_symbol_that_went_quiet_are_named_with_their_reason(scene: Scene) -> None:
    assert reasons(scene.found("change(5m) < 1").unknown) == {
        "warming up": ["AUSDT", "BUSDT", "CUSDT"],
        "no data yet": ["DUSDT"],
    }
    scene.watch.bus.publish(Staleness("binance", "BUSDT", True, scene.time_ms))
    scene.step(100.0, 50.0, 10.0)
    scene.step(100.0, 50.0, 10.0)
    found = scene.found("price > 0")
    assert names(found) == ["A", "C"]
    assert found.unknown == (("BUSDT", "quiet"), ("DUSDT", "no data yet"))
    assert names(scene.found("stale")) == ["B"]


@pytest.mark.parametrize(
    ("sort", "direction", "expected"),
    [
        ("price", "", "ABCD"),
        ("price", "asc", "CBAD"),
        ("price", "desc", "ABCD"),
        ("symbol", "", "ABCD"),
        ("symbol", "desc", "DCBA"),
        ("", "asc", "ABCD"),
        ("nothing", "desc", "ABCD"),
    ],
)
def test_rows_are_sorted_by_any_column_and_the_unknown_ones_are_last(
    scene: Scene, sort: str, direction: str, expected: str
) -> None:
    assert "".join(names(scene.found("", "price, bid", sort, direction))) == expected


def test_only_the_first_rows_are_cut_out_and_all_are_counted(scene: Scene) -> None:
    found = scene.found("price > 5", sort="price", most=2)
    assert (names(found), found.passing) == (["A", "B"], 3)
    few = arrange(scene.look("price > 5"), {"CUSDT", "DUSDT", "GONE"}, "", "", 10)
    assert (names(few), few.passing, few.total, len(few.unknown)) == (["C"], 1, 2, 1)


def test_equal_screens_are_one_and_are_forgotten_when_nobody_looks(scene: Scene) -> None:
    for columns in ("price, change(24h)", "price,change(1d)"):
        scene.look("price>1", columns)
    assert len(scene.screener) == 1
    assert [window.name for window in scene.watch.engine.lent] == ["1d"]
    scene.now_s = 19.0
    scene.step(100.0)
    assert len(scene.screener) == 1
    scene.now_s = 21.0
    scene.step(100.0)
    assert len(scene.screener) == 0
    assert scene.watch.engine.lent == ()


def test_windows_of_screens_are_nobody_elses(scene: Scene) -> None:
    assert scene.watch.engine.table is not None
    before = scene.watch.engine.table.windows
    scene.look("change(90s) > -100", "price, correlation('BUSDT', 5m), beta('BUSDT', 90s)")
    for _ in range(200):
        scene.step(100.0, 50.0, 10.0)
        scene.look("change(90s) > -100", "price, correlation('BUSDT', 5m), beta('BUSDT', 90s)")
    table = scene.watch.engine.table
    assert table.windows == before
    assert not [name for name in table.values if "90s" in name or "~" in name]
    assert names(scene.found("change(90s) > -100", "price, correlation('BUSDT', 5m), beta('BUSDT', 90s)")) == ["A", "B", "C"]


def test_window_is_warmed_from_candles_bit_by_bit_and_then_known(scene: Scene) -> None:
    for instrument in scene.instruments[:3]:
        warm(scene.watch, history(instrument.symbol, "1h", 3_600_000, 200, START_MS))
    scene.look("change(7d) > -100")
    for _ in range(6):
        scene.step(100.0, 50.0, 10.0)
    assert names(scene.found("change(7d) > -100")) == ["A", "B", "C"]


def test_more_screens_than_there_is_room_for_are_refused_until_others_rest(scene: Scene) -> None:
    for number in range(MOST_SCREENS):
        scene.look(f"price > {number}")
    with pytest.raises(TooMany, match="32 different screens"):
        scene.look("price > 1000")
    scene.look("price > 3")
    scene.now_s = 4.0
    scene.look("price > 3")
    assert scene.look("price > 1000").truth.tolist() == [-1, -1, -1, 0]
    assert len(scene.screener) == 2


def test_screens_that_would_cost_too_much_are_refused_and_leave_nothing_behind(scene: Scene) -> None:
    many = Scene(3000)
    many.step(1.0)
    many.step(1.0)
    for columns, word in (
        (", ".join(f"rsi({n}, 1m)" for n in range(2, 11)), "27,000 times a candle"),
        ("rsi(14, 1m, intrabar)", "60,000 times a candle"),
        ("change(90d)", "would remember"),
        (", ".join(f"stdev(price, {n}m)" for n in range(3, 8)), "the most"),
    ):
        with pytest.raises(ScreenRefused, match=word):
            many.look("", columns)
    assert len(many.screener) == 0
    assert many.watch.engine.lent == ()
    assert len(many.look("", "price").columns[0]) == 3000


def test_screener_of_a_watch_that_is_over_looks_at_nothing(scene: Scene) -> None:
    scene.look("price > 1")
    scene.screener.close()
    assert len(scene.screener) == 0
    scene.step(1.0)


def test_sight_is_a_copy_that_later_steps_do_not_change(scene: Scene) -> None:
    before = scene.look("price > 20")
    truth, column = before.truth.tolist(), before.columns[0].tolist()
    for _ in range(3):
        scene.step(1.0, 1.0, 1.0)
        scene.look("price > 20")
    assert before.truth.tolist() == truth
    np.testing.assert_array_equal(before.columns[0], column)


def test_statistic_of_a_screen_sees_every_step_whether_somebody_asks_or_not(scene: Scene) -> None:
    scene.look("", "highest(price, 3s)")
    scene.step(500.0, 50.0, 10.0)
    for _ in range(5):
        scene.step(100.0, 50.0, 10.0)
    assert scene.found("", "highest(price, 3s)").rows[0].values == (500.0,)


def test_statistic_of_a_screen_that_is_held_is_known_at_the_first_look(scene: Scene) -> None:
    held = read(Question("change(7d) > -100", "highest(price, 3s)"))
    assert scene.screener.hold([held]) == 1
    assert (len(scene.screener), [window.name for window in scene.watch.engine.lent]) == (0, ["7d"])
    scene.step(500.0, 50.0, 10.0)
    for _ in range(5):
        scene.step(100.0, 50.0, 10.0)
    scene.now_s = 100.0
    assert scene.found("", "highest(price, 3s)").rows[0].values == (500.0,)
    scene.now_s = 200.0
    scene.step(100.0, 50.0, 10.0)
    assert [window.name for window in scene.watch.engine.lent] == ["7d"]
    assert scene.screener.hold([]) == 0
    assert scene.watch.engine.lent == ()


def test_screens_that_are_held_make_room_for_who_looks_and_keep_their_past_for_who_asks_too_much() -> None:
    many = Scene(3000)
    long, short = read(Question("", "highest(price, 3m), lowest(price, 6m)")), read(Question("", "highest(price, 3s)"))
    assert many.screener.hold([short, long]) == 2
    many.step(500.0)
    for _ in range(4):
        many.step(100.0)
    with pytest.raises(ScreenRefused):
        many.look("", ", ".join(f"stdev(price, {n}m)" for n in range(3, 8)))
    many.step(100.0)
    assert many.look("", "highest(price, 3s)").columns[0][0] == 500.0
    many.now_s = 30.0
    many.step(100.0)
    many.look("", "stdev(price, 5m), stdev(price, 4m)")
    assert many.screener.hold([short, long]) == 1
    assert many.screener.hold([long]) == 0
