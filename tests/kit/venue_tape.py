"""What a fake venue plays: recorded or synthetic market events on one axis of venue time."""

from __future__ import annotations

import gzip
import heapq
import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import orjson

Kind = Literal["trade", "quote", "depth"]
_KINDS: dict[str, Kind] = {"trade": "trade", "bookTicker": "quote", "depth@100ms": "depth"}


class VenueTrade(NamedTuple):
    """One print as the venue counts it; price and quantity are the venue's own text."""

    symbol: str
    trade_id: int
    price: str
    quantity: str
    time_ms: int
    buyer_is_maker: bool


class TapeEvent(NamedTuple):
    """One frame of the tape. `at_ms`: when the venue sends it (tape time). `ends_order`: last print of one taker order."""

    at_ms: int
    kind: Kind
    symbol: str
    stream: str
    body: dict[str, Any]
    ends_order: bool = False

    @property
    def trade(self) -> VenueTrade:
        body = self.body
        return VenueTrade(self.symbol, body["t"], body["p"], body["q"], body["T"], body["m"])


@dataclass(frozen=True, slots=True)
class Tape:
    """Events ordered by `at_ms`, covering `[start_ms, end_ms]` of tape time."""

    events: list[TapeEvent]
    start_ms: int
    end_ms: int

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(event.symbol for event in self.events))

    def trades(self, symbol: str) -> list[VenueTrade]:
        return [event.trade for event in self.events if event.kind == "trade" and event.symbol == symbol]


def load_tape(paths: Iterable[Path], *, skip_s: float = 0.0, first_s: float | None = None, depth: bool = False) -> Tape:
    """Recordings `<receipt ns> <combined frame>`, merged by receipt time.

    The axis is the venue's time: receipt time plus the largest lead of an event time over its receipt, so that nothing is
    sent before it happened. `skip_s`/`first_s` cut a slice out of the recording.
    """
    frames = [frame for path in paths for frame in _read(path, depth)]
    lead_ms = max(body["E"] - at_ms for at_ms, _, body in frames if "E" in body)
    frames = [(at_ms + lead_ms, stream, body) for at_ms, stream, body in frames]
    frames.sort(key=lambda frame: frame[0])
    begin = frames[0][0] + round(skip_s * 1000)
    end = frames[-1][0] if first_s is None else begin + round(first_s * 1000)
    events = [_event(at_ms, stream, body) for at_ms, stream, body in frames if begin <= at_ms <= end]
    return Tape(_with_order_ends(events), begin, max(end, events[-1].at_ms))


def _read(path: Path, depth: bool) -> Iterable[tuple[int, str, dict[str, Any]]]:
    with gzip.open(path) as lines:
        for line in lines:
            if not depth and b"@depth" in line[:60]:
                continue
            receipt_ns, _, frame = line.partition(b" ")
            message = orjson.loads(frame)
            if "stream" in message:
                yield -(-int(receipt_ns) // 1_000_000), message["stream"], message["data"]


def _event(at_ms: int, stream: str, body: dict[str, Any]) -> TapeEvent:
    return TapeEvent(at_ms, _KINDS[stream.partition("@")[2]], body["s"], stream, body)


def _with_order_ends(events: list[TapeEvent]) -> list[TapeEvent]:
    """Mark the last print of each taker order: the next print differs in price, time or side."""
    following: dict[str, tuple[Any, ...]] = {}
    marked = list(events)
    for index in range(len(events) - 1, -1, -1):
        event = events[index]
        if event.kind != "trade":
            continue
        order = (event.body["p"], event.body["T"], event.body["m"])
        marked[index] = event._replace(ends_order=following.get(event.symbol) != order)
        following[event.symbol] = order
    return marked


def recorded_data() -> Path:
    """Where the recordings live: MARKETWATCH_RECORDED_DATA, or `../shared/data` seen from the project's root."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    return Path(os.environ.get("MARKETWATCH_RECORDED_DATA") or default)


def recorded_tape(*, skip_s: float = 0.0, first_s: float | None = None, depth: bool = False) -> Tape:
    """The two spot recordings side by side, or a slice of them."""
    folder = recorded_data() / "binance"
    paths = [folder / f"spot_{name}_20240808.gz" for name in ("btcusdt", "ethusdt")]
    return load_tape(paths, skip_s=skip_s, first_s=first_s, depth=depth)


def merge(*tapes: Tape) -> Tape:
    """Play tapes side by side: all are moved so that they begin together."""
    start = tapes[0].start_ms
    moved = [[moved_event(event, start - tape.start_ms) for event in tape.events] for tape in tapes]
    events = list(heapq.merge(*moved, key=lambda event: event.at_ms))
    return Tape(events, start, max(tape.end_ms - tape.start_ms for tape in tapes) + start)


def moved_event(event: TapeEvent, shift_ms: int, id_shift: int = 0) -> TapeEvent:
    """The same event `shift_ms` later, its ids higher by `id_shift`; every time in the frame moves with it."""
    body = event.body
    if event.kind == "trade":
        body = {**body, "E": body["E"] + shift_ms, "t": body["t"] + id_shift, "T": body["T"] + shift_ms}
    elif event.kind == "quote":
        body = {**body, "u": body["u"] + id_shift}
    else:
        body = {**body, "E": body["E"] + shift_ms, "U": body["U"] + id_shift, "u": body["u"] + id_shift}
    return event._replace(at_ms=event.at_ms + shift_ms, body=body)


def synthetic_tape(
    symbols: Sequence[str], *, seconds: float, rate: float = 10.0, seed: int = 1, start_ms: int = 1_700_000_000_000
) -> Tape:
    """A seeded market: `rate` taker orders a second and symbol, one to three prints each, a quote before each order."""
    events: list[TapeEvent] = []
    for number, symbol in enumerate(symbols):
        events += _synthetic_symbol(symbol, seconds, rate, random.Random(f"{seed}/{symbol}"), start_ms, 1000 + 97 * number)
    events.sort(key=lambda event: event.at_ms)
    return Tape(_with_order_ends(events), start_ms, start_ms + round(seconds * 1000))


def _synthetic_symbol(
    symbol: str, seconds: float, rate: float, random_: random.Random, start_ms: int, first_id: int
) -> list[TapeEvent]:
    events: list[TapeEvent] = []
    lower, trade_id, update_id = symbol.lower(), first_id, first_id * 10
    price, clock = 10.0 ** random_.uniform(-1, 4), float(start_ms)
    while (clock := clock + random_.expovariate(rate) * 1000) < start_ms + seconds * 1000 - 10:
        price *= 1.0 + random_.gauss(0.0, 2e-4)
        sold = random_.random() < 0.5
        text, time_ms = f"{price:.8f}", int(clock)
        update_id += random_.randint(1, 9)
        quote = {"u": update_id, "s": symbol, "b": f"{price * 0.9999:.8f}", "B": "1.00000000", "a": f"{price * 1.0001:.8f}",
                 "A": "1.00000000"}  # fmt: skip
        events.append(TapeEvent(time_ms, "quote", symbol, f"{lower}@bookTicker", quote))
        for _ in range(random_.choice((1, 1, 1, 2, 3))):
            body: dict[str, Any] = {"e": "trade", "E": time_ms + 1, "s": symbol, "t": trade_id, "p": text,
                    "q": f"{random_.lognormvariate(-2.0, 1.5):.8f}", "T": time_ms, "m": sold, "M": True}  # fmt: skip
            if float(body["q"]) > 0:
                events.append(TapeEvent(time_ms + 5, "trade", symbol, f"{lower}@trade", body))
                trade_id += 1
    return events
