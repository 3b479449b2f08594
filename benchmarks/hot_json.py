"""Requests a second for the price of one coin, on one core, with the load from another.

Ours is the whole application behind its gate (host, rate, headers, metrics), with trades arriving ten times a second, so that
answers are encoded anew all the time. Peers answer a constant of the same size and check nothing: bare aiohttp, Starlette and
FastAPI behind uvicorn, Flask behind gunicorn. The load is wrk when it is installed, else a small client of our own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import Figure, Peer, PeerMissing, Report, cores, interleave, parse

ROOT = Path(__file__).resolve().parent.parent
PATH = "/api/market/price/BTCUSDT"
CONNECTIONS = 32

OURS = """
import asyncio, itertools, json, sys, tempfile
from pathlib import Path
from aiohttp import web
from marketwatch.clock import SystemClock
from marketwatch.config import Settings
from marketwatch.model.market import Instrument, Pulse, Quote, Quotes, Source, Trade, Trades
from marketwatch.store import open_store
from marketwatch.telemetry import Telemetry
from marketwatch.watch import Watch, WatchSlot
from marketwatch.web.server import build_app
def failed(name, error):
    raise error
async def main():
    clock = SystemClock()
    folder = Path(tempfile.mkdtemp())
    url = f"sqlite:///{folder}/bench.db"
    settings = Settings.of(rate_limit=1_000_000, rate_limit_data=10_000_000, database_url=url, data_dir=folder)
    store = open_store(settings, throw_away=True)
    await store.open()
    pairs = [Instrument(base + "USDT", base, "USDT") for base in ("BTC", "ETH", "SOL", "BNB", "XRP")]
    watch = Watch(settings=settings, source=Source.DEMO, venue="bench", instruments=pairs, on_error=failed)
    slot = WatchSlot()
    slot.put(watch)
    async def market():
        for number in itertools.count(1):
            now = clock.now_ms()
            trades = [Trade(pair.symbol, number, 60_000.0 + number % 100, 0.1, now, False) for pair in pairs]
            watch.bus.publish(Trades("bench", now, trades))
            watch.bus.publish(Quotes("bench", now, [Quote(pair.symbol, 59_999.0, 1.0, 60_001.0, 1.0, now) for pair in pairs]))
            watch.bus.publish(Pulse("bench", now))
            await asyncio.sleep(0.1)
    task = asyncio.create_task(market())
    app = build_app(settings=settings, clock=clock, store=store, slot=slot, telemetry=Telemetry())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(json.dumps({"port": site._server.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
if sys.argv[1] == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main())
"""

AIOHTTP = """
import asyncio, json, sys
from aiohttp import web
BODY = b"x" * 334
async def price(request):
    return web.Response(body=BODY, content_type="application/json")
async def main():
    app = web.Application()
    app.router.add_get("/api/market/price/{coin_id}", price)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(json.dumps({"port": site._server.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""

_UVICORN = """
import json, os, socket, sys, threading
import uvicorn
sock = socket.socket()
sock.bind(("127.0.0.1", 0))
sock.listen(1024)
print(json.dumps({"port": sock.getsockname()[1]}), flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run([sock])
"""

STARLETTE = """
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
BODY = b"x" * 334
async def price(request):
    return Response(BODY, media_type="application/json")
app = Starlette(routes=[Route("/api/market/price/{coin_id}", price)])
"""

FASTAPI = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/api/market/price/{coin_id}")
async def price(coin_id: str):
    return {"coin_id": "bitcoin", "symbol": coin_id, "venue": "x", "price": 60000.5, "time": "2026-11-20T08:31:00.123Z",
            "age_ms": 20, "bid": 60000.0, "ask": 60001.0, "change_1h": 0.1, "change_24h": 0.2,
            "volume_24h": 1000.0, "stale": False}
"""

FLASK = """
import json, os, socket, sys, threading
from flask import Flask, Response
from gunicorn.app.base import BaseApplication
application = Flask("bench")
@application.get("/api/market/price/<coin_id>")
def price(coin_id):
    return Response(b"x" * 334, mimetype="application/json")
sock = socket.socket()
sock.bind(("127.0.0.1", 0))
port = sock.getsockname()[1]
sock.close()
class Server(BaseApplication):
    def load_config(self):
        self.cfg.set("bind", f"127.0.0.1:{port}")
        self.cfg.set("worker_class", "gthread")
        self.cfg.set("threads", 8)
        self.cfg.set("loglevel", "error")
        self.cfg.set("when_ready", lambda server: print(json.dumps({"port": port}), flush=True))
    def load(self):
        return application
Server().run()
"""

_LUA = """
done = function(summary, latency, requests)
  local e = summary.errors
  local bad = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format('{"requests": %d, "us": %d, "p95_us": %d, "bad": %d}\\n', summary.requests, summary.duration,
    latency:percentile(95), bad))
end
"""


class Load(NamedTuple):
    """What one run of load found."""

    per_second: float
    p95_ms: float


@contextlib.contextmanager
def served(python: str | Path, source: str, *arguments: str) -> Iterator[int]:
    """A rival on the first core, ready to answer; its port."""
    process = subprocess.Popen(
        [*_pinned(0), str(python), "-c", source, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise PeerMissing("a server ended before it listened")
        time.sleep(0.3)
        yield int(json.loads(line)["port"])
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.communicate()


def _pinned(core: int) -> list[str]:
    """The command that keeps a process on one core, where there is more than one."""
    return ["taskset", "-c", str(sorted(os.sched_getaffinity(0))[core])] if cores() > 1 and shutil.which("taskset") else []


def load_wrk(port: int, seconds: float) -> Load:
    """wrk with one thread on the second core."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_LUA)
        script.flush()
        command = [
            *_pinned(1),
            "wrk",
            "-t1",
            f"-c{CONNECTIONS}",
            f"-d{seconds:.0f}",
            "-s",
            script.name,
            f"http://127.0.0.1:{port}{PATH}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    if found["bad"]:
        raise PeerMissing(f"{found['bad']} requests failed")
    return Load(1e6 * found["requests"] / found["us"], found["p95_us"] / 1000)


def load_own(port: int, seconds: float) -> Load:
    """A client of our own, for machines without wrk; it costs more than the server, so its figures are lower for everyone."""
    return asyncio.run(_load_own(port, seconds))


async def _load_own(port: int, seconds: float) -> Load:
    request = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    end = time.perf_counter() + seconds
    times: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (sent := time.perf_counter()) < end:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
            await reader.readexactly(length)
            times.append(time.perf_counter() - sent)
        writer.close()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return Load(len(times) / seconds, 1000 * sorted(times)[int(len(times) * 0.95)])


def _rivals(peers: bool, report: Report) -> dict[str, tuple[str | Path, tuple[str, ...]]]:
    found: dict[str, tuple[str | Path, tuple[str, ...]]] = {
        "marketwatch, asyncio": (sys.executable, (OURS, "asyncio")),
        "marketwatch, uvloop": (sys.executable, (OURS, "uvloop")),
        "bare aiohttp, asyncio": (sys.executable, (AIOHTTP,)),
    }
    wanted = (
        ("Starlette, uvicorn with uvloop", "starlette-hot", ("starlette", "uvicorn[standard]"), STARLETTE + _UVICORN),
        ("FastAPI, uvicorn with uvloop", "fastapi-hot", ("fastapi", "uvicorn[standard]"), FASTAPI + _UVICORN),
        ("Flask, gunicorn", "flask-hot", ("flask", "gunicorn"), FLASK),
    )
    for name, folder, packages, source in wanted if peers else ():
        try:
            found[name] = (Peer(folder, *packages).python, (source,))
        except PeerMissing as missing:
            report.note(str(missing))
    return found


def _once(found: list[Load], python: str | Path, arguments: tuple[str, ...], seconds: float) -> float:
    with served(python, *arguments) as port:
        load = load_wrk if shutil.which("wrk") else load_own
        load(port, 1.0)
        found.append(load(port, seconds))
    return found[-1].per_second


def main() -> None:
    """Run and print."""
    arguments = parse(__doc__)
    seconds = 1.0 if arguments.quick else 5.0
    report = Report(f"Hot JSON: {PATH}, {CONNECTIONS} connections", arguments, ("aiohttp", "uvloop"))
    loads: dict[str, list[Load]] = {}
    rivals: dict[str, Callable[[], float]] = {}
    for name, (python, source) in _rivals(arguments.peers, report).items():
        found: list[Load] = []
        try:
            _once([], python, source, 1.0)
        except (PeerMissing, subprocess.CalledProcessError) as missing:
            report.note(f"{name}: {missing}")
            continue
        loads[name] = found
        rivals[name] = partial(_once, found, python, source, seconds)
    interleave(rivals, arguments.runs, warm_up=False)
    for at, (what, unit) in enumerate((("answered", "requests/s"), ("p95 of the answers' time", "ms"))):
        figures = {name: Figure(tuple(load[at] for load in rows)) for name, rows in loads.items()}
        report.add(figures, unit=unit, what=what, base="bare aiohttp, asyncio")
    if not shutil.which("wrk"):
        report.note("wrk is not installed: the load came from a client in Python, which is slower than the servers")
    report.print()


if __name__ == "__main__":
    main()
