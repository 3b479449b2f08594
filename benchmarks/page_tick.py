"""One tick of the overview's stream with 500 symbols: from the state of the market to the bytes that every client is sent.

Rows are rendered once whatever the number of clients, so this is the whole cost of the living page beside the fan-out.
`all 500 move`: every symbol trades before every tick. `30 move`: thirty trades on the forty busiest symbols. `none`: nothing
happens. Milliseconds of processor time a tick; lower is better.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from benchmarks.harness import Report, interleave, parse, short
from marketwatch.clock import ManualClock
from marketwatch.config import Settings
from marketwatch.model.market import Instrument, Pulse, Source, Ticker, Tickers, Trade, Trades
from marketwatch.store.switch import SwitchStore
from marketwatch.watch import Watch, WatchSlot
from marketwatch.web.live import Live
from marketwatch.web.render import Renderer
from marketwatch.web.sse import Hub

SYMBOLS = 500
START_MS = 1_700_000_000_000


class Listener(Hub):
    """A hub whose overview always has a client; `sent` counts the bytes for one."""

    sent = 0

    def has_clients(self, channel: str) -> bool:
        return channel == "overview"

    def publish(self, channel: str, payload: bytes) -> None:
        self.sent += len(payload)


class Pages:
    """A watch of 500 symbols with its pages; calling it runs `steps` ticks and answers the median."""

    def __init__(self, moving: Sequence[int], most: int, steps: int) -> None:
        self._moving, self._most, self._steps = moving, most, steps
        self._random, self._number, self._now_ms = random.Random(1), 0, START_MS
        instruments = [Instrument(f"C{n}USDT", f"C{n}", "USDT", Decimal("0.01")) for n in range(SYMBOLS)]
        settings, self._clock, slot = Settings.of(), ManualClock(START_MS), WatchSlot()
        self._watch = Watch(settings=settings, source=Source.LIVE, venue="binance", instruments=instruments, on_error=_raise)
        slot.put(self._watch)
        self._hub = Listener(clock=self._clock)
        renderer = Renderer(settings, self._clock)
        self._live = Live(hub=self._hub, slot=slot, renderer=renderer, clock=self._clock, store=SwitchStore())
        self._price = [100.0 + n for n in range(SYMBOLS)]
        day = [Ticker(i.symbol, 100.0, 99.0, 101.0, 98.0, 1e5, 1e7, START_MS) for i in instruments]
        self._watch.bus.publish(Tickers("binance", START_MS, day))
        self._step(range(SYMBOLS))

    @property
    def size(self) -> float:
        """Bytes a tick for each client, on average."""
        return self._hub.sent / max(1, self._live.ticks)

    def _step(self, moving: Sequence[int]) -> None:
        self._now_ms += 500
        self._clock.move_to(self._now_ms)
        trades = []
        for number in moving:
            self._price[number] *= 1 + self._random.gauss(0, 3e-4)
            self._number += 1
            price = round(self._price[number], 2)
            trades.append(Trade(f"C{number}USDT", self._number, price, 1.0, self._now_ms - 100, bool(self._number % 2)))
        self._watch.bus.publish(Trades("binance", self._now_ms, trades))
        self._watch.bus.publish(Pulse("binance", self._now_ms + 300))

    def __call__(self) -> float:
        spent = []
        for _ in range(self._steps):
            self._step(self._random.sample(self._moving, min(self._most, len(self._moving))))
            start = time.process_time()
            self._live.tick()
            spent.append((time.process_time() - start) * 1000)
        return float(np.median(spent))


def _raise(name: str, error: BaseException) -> Any:
    raise RuntimeError(name) from error


def main() -> int:
    """Run, print."""
    arguments = parse(__doc__)
    report = Report("page tick, 500 symbols", arguments, libraries=("jinja2", "numpy"))
    steps = 20 if arguments.quick else 100
    pages = {
        "all 500 move": Pages(range(SYMBOLS), SYMBOLS, steps),
        "30 move": Pages(range(40), 30, steps),
        "none": Pages([], 0, steps),
    }
    report.add(interleave(pages, arguments.runs), unit="ms a tick", what="overview, rendered once for all clients")
    for name, page in pages.items():
        report.note(f"{name}: {short(page.size)} bytes a tick for each client")
    report.print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
