"""From the venue's socket to the metrics and the store, at full speed and at a real pace.

A local server sends aggTrade frames (real prices and quantities) to one client process after the other. Ours is the
whole path: BinanceFeed, ledger, state, tape, whales, sampler, candles, metric table, store writer into SQLite. The peers
only receive, or receive and decode, or receive and call an empty callback. Processor time is the client process's alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.harness import Figure, Peer, PeerMissing, Report, Rival, interleave, parse, run_python
from benchmarks.venue_server import venue

_PEER_HEAD = """
import asyncio, json, os, sys, time
port, count = int(sys.argv[1]), int(sys.argv[2])
url = f"ws://127.0.0.1:{port}/stream?streams=btcusdt@aggTrade/ethusdt@aggTrade"
seen, cpu0, wall0 = 0, 0.0, 0.0
def one():
    global seen, cpu0, wall0
    if seen == 0:
        cpu0, wall0 = time.process_time(), time.perf_counter()
    seen += 1
    if seen == count:
        cpu, wall = time.process_time() - cpu0, time.perf_counter() - wall0
        print(json.dumps({"cpu": cpu, "wall": wall, "messages": count - 1}), flush=True)
        os._exit(0)
try:
    from uvloop import new_event_loop, run
except ImportError:
    from asyncio import new_event_loop, run
"""
_CRYPTOFEED = (
    _PEER_HEAD
    + """
from cryptofeed import FeedHandler, connection
from cryptofeed.connection import WebsocketEndpoint
from cryptofeed.defines import TRADES
from cryptofeed.exchanges import Binance
from cryptofeed.symbols import Symbols
pairs = {"BTC-USDT": "BTCUSDT", "ETH-USDT": "ETHUSDT"}
Symbols.set("BINANCE", pairs, {"tick_size": dict.fromkeys(pairs, "0.01"), "instrument_type": dict.fromkeys(pairs, "spot")})
class Local(Binance):
    websocket_endpoints = [WebsocketEndpoint(f"wss://127.0.0.1:{port}")]
plain = connection.connect
connection.connect = lambda address, **kwargs: plain(address.replace("wss://", "ws://"), **kwargs)
async def on_trade(trade, receipt):
    one()
asyncio.set_event_loop(new_event_loop())
handler = FeedHandler(config={"log": {"disabled": True, "filename": os.devnull, "level": "CRITICAL"}})
handler.add_feed(Local(symbols=list(pairs), channels=[TRADES], callbacks={TRADES: on_trade}))
handler.run(install_signal_handlers=False)
"""
)
_WEBSOCKETS = (
    _PEER_HEAD
    + """
from websockets.asyncio.client import connect
async def main():
    async with connect(url, compression=None) as socket:
        async for _ in socket:
            one()
run(main())
"""
)
_AIOHTTP = (
    _PEER_HEAD
    + """
import aiohttp, orjson
async def main():
    async with aiohttp.ClientSession() as session, session.ws_connect(url, compress=0) as socket:
        async for message in socket:
            orjson.loads(message.data)
            one()
run(main())
"""
)
PEERS = {
    "cryptofeed, empty callback": (_CRYPTOFEED, "cryptofeed", ("cryptofeed", "uvloop")),
    "aiohttp + orjson, frame by frame": (_AIOHTTP, "plain", ("aiohttp", "orjson", "websockets", "uvloop")),
    "websockets, receive only": (_WEBSOCKETS, "plain", ("aiohttp", "orjson", "websockets", "uvloop")),
}
_OURS = "import sys; from benchmarks.whole_path import main; main(*sys.argv[1:])"

Run = dict[str, Any]


class Contest:
    """All rivals against servers of one kind; keeps what each run told besides its processor time."""

    def __init__(self, peers: Mapping[str, tuple[str, Peer]], *, count: int, rate: float, density: float) -> None:
        self.count, self.rate, self.density = count, rate, density
        self.peers = peers
        self.told: dict[str, list[Run]] = {}
        self.origin = ""

    def run(self, name: str, gulp_ms: int = 20) -> float:
        """One run of one rival: microseconds of processor time a message."""
        with venue(count=self.count, rate=self.rate, density=self.density) as (port, self.origin):
            told = self._peer(name, port) if name in self.peers else self._ours(port, gulp_ms)
        self.told.setdefault(name, []).append(told)
        return float(told["cpu"]) / float(told["messages"]) * 1e6

    def _peer(self, name: str, port: int) -> Run:
        script, peer = self.peers[name]
        answer: Run = peer.run(script, str(port), str(self.count))
        return answer

    def _ours(self, port: int, gulp_ms: int) -> Run:
        answer: Run = run_python(sys.executable, _OURS, str(port), str(self.count), str(gulp_ms))
        return answer

    def figure(self, name: str, key: str) -> Figure:
        """Another value of the counted runs of a rival (the first run of each is the warm-up)."""
        return Figure(tuple(float(run[key]) for run in self.told[name][1:]))


def _peers(report: Report) -> dict[str, tuple[str, Peer]]:
    found = {}
    for name, (script, folder, packages) in PEERS.items():
        try:
            found[name] = (script, Peer(folder, *packages))
        except PeerMissing as error:
            report.note(str(error))
    return found


def full_speed(report: Report, arguments: argparse.Namespace, peers: Mapping[str, tuple[str, Peer]]) -> None:
    """Everything that can be read at once, stamped as a market of 5,000 trades a second, and as calm as the recorded one."""
    count = 60_000 if arguments.quick else 200_000
    contest = Contest(peers, count=count, rate=0.0, density=5_000.0)
    figures = interleave({name: partial(contest.run, name) for name in ("marketwatch", *peers)}, arguments.runs)
    report.add(figures, unit="us of CPU a message", what=f"full speed, {count:,} {contest.origin}", base="marketwatch")
    rates = {name: Figure(tuple(1 / (run["wall"] / run["messages"]) for run in contest.told[name][1:])) for name in figures}
    report.add(rates, unit="messages/s", what="the same as a rate (the sender shares the machine)", base="marketwatch")
    calm = Contest({}, count=count // 10, rate=0.0, density=45.0)
    alone = interleave({"marketwatch": lambda: calm.run("marketwatch")}, arguments.runs)
    report.add(alone, unit="us of CPU a message", what="full speed, stamped as calm as the recording: 45 trades a second")


def real_pace(report: Report, arguments: argparse.Namespace, peers: Mapping[str, tuple[str, Peer]], rate: int) -> None:
    """`rate` messages a second, each at its time: what waking up costs, and how old a trade is when the metrics know it."""
    seconds = 2 if arguments.quick else 10
    if arguments.quick:
        peers = dict(list(peers.items())[:2])
    contest = Contest(peers, count=rate * seconds, rate=rate, density=0.0)
    rivals: dict[str, Rival] = {"marketwatch": partial(contest.run, "marketwatch")}
    rivals["marketwatch, frame by frame"] = partial(contest.run, "marketwatch, frame by frame", gulp_ms=0)
    rivals |= {name: partial(contest.run, name) for name in peers}
    figures = interleave(rivals, arguments.runs, warm_up=not arguments.quick)
    report.add(figures, unit="us of CPU a message", what=f"real pace, {rate:,} messages/s for {seconds} s", base="marketwatch")
    cores = {name: Figure(tuple(value * rate / 1e4 for value in figure.values)) for name, figure in figures.items()}
    report.add(cores, unit="% of a core", what="the same as a share")
    skip = 0 if arguments.quick else 1
    for key, what in (("p50_ms", "half of the trades"), ("p99_ms", "99 of 100 trades")):
        ages = {name: Figure(tuple(run[key] for run in contest.told[name][skip:])) for name in list(rivals)[:2]}
        report.add(ages, unit="ms", what=f"from the sender's stamp to the last subscriber, {what}, {rate:,}/s")


def main() -> None:
    """Measure and print."""
    arguments = parse(__doc__)
    report = Report("Socket to metrics", arguments, ("aiohttp", "orjson", "numpy", "uvloop"))
    peers = _peers(report) if arguments.peers else {}
    with ExitStack() as stack:
        stack.callback(report.print)
        full_speed(report, arguments, peers)
        for rate in (1_000, 5_000):
            real_pace(report, arguments, peers, rate)


if __name__ == "__main__":
    main()
