"""The fake venue as a program: plays the recorded market so that a person can look at it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import time

from .fake_binance import FakeBinance, until
from .scaled_clock import ScaledClock
from .venue_tape import merge, recorded_tape, synthetic_tape


async def _serve(options: argparse.Namespace) -> None:
    tape = recorded_tape(depth=options.depth)
    if options.more:
        seconds = (tape.end_ms - tape.start_ms) / 1000
        tape = merge(tape, synthetic_tape(options.more.upper().split(","), seconds=seconds, rate=options.rate))
    speed = options.speed or 1.0
    span_ms = tape.end_ms - tape.start_ms
    early_ms = 0 if not options.end_now else span_ms if options.speed == 0 else span_ms - round(span_ms / speed)
    clock = ScaledClock(start_ms=time.time_ns() // 1_000_000 - early_ms, speed=speed, steady=False)
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    venue = FakeBinance(
        tape, clock=clock, flat_out=options.speed == 0, loop=options.loop, port=options.port,
        clock_offset_ms=options.clock_offset_ms, history_days=options.history_days,
    )  # fmt: skip
    async with venue:
        print(f"BINANCE_WS_URL={venue.ws_url}")
        print(f"BINANCE_REST_URL={venue.rest_url}", flush=True)
        if options.wait:
            waiting = asyncio.create_task(until(lambda: venue.connections, 86_400, "a client"))
            await asyncio.wait([waiting, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
        venue.play()
        while not stop.is_set():
            if venue.market.done and clock.speed != 1.0:
                clock.set_speed(1.0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.2)


def main() -> None:
    """Play the recorded venue until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.kit.fake_binance", description=__doc__)
    parser.add_argument("--speed", type=float, default=1.0, help="times faster than recorded; 0 plays as fast as clients read")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--loop", action="store_true", help="begin anew at the end, with higher ids and later times")
    parser.add_argument("--end-now", action="store_true", help="move times so that the recording ends at the present")
    parser.add_argument("--wait", action="store_true", help="begin when the first client has connected")
    parser.add_argument("--depth", action="store_true", help="play the order book streams as well")
    parser.add_argument("--more", default="", help="further synthetic symbols, separated by commas")
    parser.add_argument("--rate", type=float, default=5.0, help="orders a second of each synthetic symbol")
    parser.add_argument("--clock-offset-ms", type=int, default=0, help="the venue's clock minus this machine's")
    parser.add_argument("--history-days", type=int, default=31, help="days of synthetic candles before the recording")
    asyncio.run(_serve(parser.parse_args()))
