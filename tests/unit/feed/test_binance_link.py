"""Subscriptions of one connection: in chunks, at the venue's pace, refused ones found by halving."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import orjson
import pytest

from marketwatch.clock import ManualClock
from marketwatch.feed.binance_link import (
    MESSAGE_CHARACTERS,
    SILENCE_S,
    STREAMS_PER_MESSAGE,
    UNPROVEN_SILENCE_S,
    URL_CHARACTERS,
    Link,
    stream_address,
    streams_in_url,
)
from marketwatch.feed.binance_parse import Control


class Socket:
    """Takes what is sent, with the time of sending."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.sent: list[tuple[float, dict[str, Any]]] = []

    async def send_str(self, text: str) -> None:
        self.sent.append((self.clock.monotonic(), orjson.loads(text)))

    @property
    def asked(self) -> list[list[str]]:
        return [message["params"] for _, message in self.sent]


def link_on(clock: ManualClock, *, silence_s: float = SILENCE_S) -> tuple[Link, Socket]:
    socket = Socket(clock)
    link = Link(cast("Any", socket), url="ws://venue", streams=[], gulp_ms=0, silence_s=silence_s, clock=clock)
    return link, socket


async def settled(link: Link, clock: ManualClock, seconds: float = 10.0) -> None:
    sender = asyncio.create_task(link._send_all())
    for _ in range(int(seconds * 20)):
        await clock.advance(0.05)
    sender.cancel()
    await asyncio.wait({sender})


async def test_requests_are_cut_into_messages_below_the_rate_limit() -> None:
    clock = ManualClock()
    link, socket = link_on(clock)
    streams = [f"symbol{number}usdt@trade" for number in range(700)]
    link.ask("SUBSCRIBE", streams)
    assert not link.subscribed
    await settled(link, clock)
    assert [stream for params in socket.asked for stream in params] == streams
    assert max(len(params) for params in socket.asked) <= STREAMS_PER_MESSAGE
    assert max(len(orjson.dumps(message)) for _, message in socket.sent) < MESSAGE_CHARACTERS + 100
    times = [at for at, _ in socket.sent]
    assert max(sum(start <= at < start + 1.0 for at in times) for start in times) <= 4
    ids = [message["id"] for _, message in socket.sent]
    assert len(set(ids)) == len(ids)
    for number in ids:
        assert link.answered(Control("answer", number)) == []
    assert link.subscribed


async def test_refused_chunk_is_halved_until_the_stream_at_fault_stands_alone() -> None:
    clock = ManualClock()
    link, socket = link_on(clock)
    link.ask("SUBSCRIBE", [f"{name}@trade" for name in ("a", "b", "bad", "d", "e")])
    refused: list[str] = []
    for _ in range(6):
        before = len(socket.sent)
        await settled(link, clock, 3)
        for _, message in socket.sent[before:]:
            bad = "bad@trade" in message["params"]
            control = Control("error", message["id"], 2, "no") if bad else Control("answer", message["id"])
            refused += link.answered(control)
    assert refused == ["bad@trade"]
    assert link.subscribed


async def test_answer_to_nothing_is_ignored() -> None:
    link, _ = link_on(ManualClock())
    assert link.answered(Control("error", 99, 2, "no")) == []
    assert link.answered(Control("error", None, 2, "no")) == []


async def test_refused_unsubscribe_is_not_tried_again() -> None:
    clock = ManualClock()
    link, socket = link_on(clock)
    link.ask("UNSUBSCRIBE", ["a@trade", "b@trade"])
    await settled(link, clock, 1)
    assert link.answered(Control("error", socket.sent[0][1]["id"], 2, "no")) == []
    assert link.subscribed


def test_streams_fill_the_address_and_the_rest_is_asked_for() -> None:
    few = ["btcusdt@trade", "!miniTicker@arr"]
    assert streams_in_url(few) == few
    many = [f"symbol{number}usdt@trade" for number in range(1_000)]
    first = streams_in_url(many)
    assert first == many[: len(first)]
    assert len("/".join(first)) <= URL_CHARACTERS


def test_address_carries_any_symbol_and_the_unit_of_time() -> None:
    address = str(stream_address("wss://venue", ["币安人生usdt@trade", "btcusdt@trade"], True))
    assert address.isascii()
    assert address.endswith("usdt@trade/btcusdt@trade&timeUnit=MICROSECOND")
    assert str(stream_address("wss://venue", ["btcusdt@trade"], False)) == "wss://venue/stream?streams=btcusdt@trade"


@pytest.mark.parametrize(("every_s", "limit_s"), [(0.1, 20.0), (2.0, 40.0), (30.0, 120.0)])
def test_silence_is_judged_by_the_habit_of_the_line(every_s: float, limit_s: float) -> None:
    link, _ = link_on(ManualClock())
    now = 0.0
    for _ in range(30):
        now += every_s
        link.saw_data(now)
    assert not link.too_silent(now + limit_s - 0.5)
    assert link.too_silent(now + limit_s + 0.5)
    assert link.next_silence_s(now + 500.0) == SILENCE_S


def test_line_without_a_habit_is_waited_for_longer_after_each_silence() -> None:
    patience, seen = SILENCE_S, list[float]()
    for _ in range(4):
        link, _ = link_on(ManualClock(), silence_s=patience)
        assert link.too_silent(patience + 1.0)
        patience = link.next_silence_s(patience + 1.0)
        seen.append(patience)
    assert seen == [40.0, UNPROVEN_SILENCE_S, UNPROVEN_SILENCE_S, UNPROVEN_SILENCE_S]
