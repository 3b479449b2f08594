"""Channels and ticks: what is rendered when, and what a client is brought up with."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from marketwatch.clock import ManualClock
from marketwatch.model.system import Level, Notice
from marketwatch.store.switch import SwitchStore
from marketwatch.watch import WatchSlot
from marketwatch.web.live import Live
from marketwatch.web.render import Renderer
from marketwatch.web.sse import Hub
from tests.kit.pages import NOW_MS
from tests.kit.watches import make_watch, play, publish_trades, test_settings, trade


class Listening(Hub):
    """The real hub, with clients by word of mouth; `sent` holds what would go out."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock=clock)
        self.listening: set[str] = {"overview"}
        self.sent: list[tuple[str, str]] = []

    def has_clients(self, channel: str) -> bool:
        return channel in self.listening

    def publish(self, channel: str, payload: bytes) -> None:
        self.sent.append((channel, payload.decode()))


class Stage:
    """A played watch, the pages' clockwork around it, and a hub that listens."""

    def __init__(self) -> None:
        settings = test_settings()
        self.clock = ManualClock(NOW_MS)
        self.slot = WatchSlot()
        self.watch = make_watch(settings)
        play(self.watch)
        self.slot.put(self.watch)
        self.hub = Listening(self.clock)
        self.renderer = Renderer(settings, self.clock)
        self.live = Live(hub=self.hub, slot=self.slot, renderer=self.renderer, clock=self.clock, store=SwitchStore())
        self.number = 10_000

    def tick(self, *, seconds: float = 0.0, symbol: str = "", price: float = 0.0) -> dict[str, str]:
        """Time goes on, a trade comes, one tick: the fragments that were sent, by target."""
        self.clock.move_to(self.clock.now_ms() + round(seconds * 1000))
        if symbol:
            self.number += 1
            publish_trades(self.watch, trade(symbol, self.number, price, 0.1, self.clock.now_ms()), pulse=False)
        self.hub.sent.clear()
        self.live.tick()
        return fragments("".join(text for _, text in self.hub.sent))


def fragments(text: str) -> dict[str, str]:
    """Contents by target."""
    found = re.findall(r'<hx-partial hx-target="#([\w-]+)" hx-swap="\w+">(.*?)</hx-partial>', text, re.S)
    assert "".join(f for f in text.split("<hx-partial")[0]) == ""
    return dict(found)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_tick_without_clients_sends_nothing(stage: Stage) -> None:
    stage.hub.listening.clear()
    assert stage.tick() == {}


def test_first_tick_sends_everything_and_the_second_nothing(stage: Stage) -> None:
    first = stage.tick()
    assert {"r0", "r1", "r2", "strip", "whales", "feed", "bar", "clock", "notices"} <= first.keys()
    for _ in range(20):
        stage.tick()
    assert stage.tick() == {}


def test_changed_price_sends_its_row_alone_with_a_flash(stage: Stage) -> None:
    for _ in range(21):
        stage.tick()
    sent = stage.tick(symbol="BTCUSDT", price=50_100.0)
    assert "r1" not in sent
    assert "50,100.00" in sent["r0"]
    assert re.search(r'class="up[01]"', sent["r0"])
    sent = stage.tick(symbol="BTCUSDT", price=50_000.0)
    assert re.search(r'class="down[01]"', sent["r0"])


def test_flash_changes_its_name_with_each_change(stage: Stage) -> None:
    stage.tick()
    names = [re.search(r"up[01]", stage.tick(symbol="BTCUSDT", price=60_000.0 + n)["r0"]) for n in range(4)]
    assert len({name[0] for name in names if name}) == 2
    assert all(a and b and a[0] != b[0] for a, b in pairwise(names))


def test_row_is_rendered_once_whatever_the_number_of_clients(stage: Stage) -> None:
    stage.tick()
    before = stage.live._overview.rendered
    stage.tick(symbol="BTCUSDT", price=51_000.0)
    for _ in range(5):
        stage.live.since("overview", "")
    assert stage.live._overview.rendered == before + 1


def test_beat_comes_with_every_second(stage: Stage) -> None:
    stage.tick()
    assert "clock" not in stage.tick(seconds=0.2)
    assert "clock" in stage.tick(seconds=1.0)


def test_connecting_client_gets_what_changed_since_its_page(stage: Stage) -> None:
    address = stage.live.stream_address("overview")
    since = address.split("since=")[1]
    for _ in range(3):
        stage.tick()
    stage.tick(symbol="ETHUSDT", price=2_600.0)
    got = fragments((stage.live.since("overview", since) or b"").decode())
    assert "2,600.00" in got["r1"]
    later = stage.live.stream_address("overview").split("since=")[1]
    stage.tick(seconds=1.0)
    got = fragments((stage.live.since("overview", later) or b"").decode())
    assert "clock" in got
    assert "r2" not in got


@pytest.mark.parametrize("since", ["", "junk", "other.1.5", "..", "a.b.c.999999999999999999", "x.1.²"])
def test_client_of_another_start_gets_everything(stage: Stage, since: str) -> None:
    got = fragments((stage.live.since("overview", since) or b"").decode())
    assert {"r0", "r1", "r2", "strip", "clock"} <= got.keys()


def test_asking_between_ticks_takes_nothing_from_the_other_clients(stage: Stage) -> None:
    stage.tick()
    stage.number += 1
    publish_trades(stage.watch, trade("BTCUSDT", stage.number, 52_000.0, 0.1, stage.clock.now_ms()), pulse=False)
    stage.live.since("overview", "")
    assert "52,000.00" in stage.tick()["r0"]


def test_another_watch_tells_the_pages_to_load_themselves(stage: Stage) -> None:
    before = stage.tick()["clock"]
    stage.watch = make_watch(test_settings())
    stage.slot.put(stage.watch)
    after = stage.tick()["clock"]
    boot = re.compile(r'data-boot="([^"]+)"')
    assert boot.findall(before) != boot.findall(after)


def test_symbol_channel_lives_while_it_is_listened_to(stage: Stage) -> None:
    stage.hub.listening = {"symbol/BTCUSDT"}
    stage.live.since("symbol/BTCUSDT", "")
    sent = stage.tick(symbol="BTCUSDT", price=50_500.0)
    assert {"head", "prints", "tick"} <= sent.keys()
    assert "50,500.00" in sent["head"]
    stage.hub.listening.clear()
    for _ in range(60):
        stage.tick()
    assert stage.live._symbols == {}


def test_notice_reaches_open_pages(stage: Stage) -> None:
    stage.tick()
    stage.watch.bus.publish(Notice("n", Level.WARNING, "The <b>disk</b> is full.", NOW_MS))
    assert "The &lt;b&gt;disk&lt;/b&gt; is full." in stage.tick()["notices"]
    stage.watch.bus.publish(Notice("n", Level.WARNING, "", NOW_MS, over=True))
    assert "disk" not in stage.tick()["notices"]


def test_status_channel_shows_feeds_and_boxes(stage: Stage) -> None:
    stage.hub.listening = {"status"}
    sent = {**stage.tick(), **stage.tick()}
    assert {"feeds", "box-data", "box-store", "box-process", "all-gaps"} <= sent.keys()


async def test_failing_tick_is_counted_and_does_not_end_the_stream(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr(stage.live, "tick", lambda: 1 / 0)
    task = asyncio.create_task(stage.live.run())
    for _ in range(5):
        await asyncio.sleep(0)
        await stage.clock.advance(0.55)
    assert stage.live.vitals.render_failures >= 4
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
