"""One 500-byte fragment to many open event streams: processor time and memory of a client, and how late the last one is served.

Ours is the hub behind the gate, as the application runs it: connections handed to a lean protocol, and the plain path that TLS
takes. Peers: aiohttp with a queue and a task for each client, Starlette behind uvicorn, and sse-starlette. Server and clients
are two processes; the clients are plain sockets that read.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import Figure, Peer, PeerMissing, Report, interleave, parse

ROOT = Path(__file__).resolve().parent.parent
PAYLOAD_BYTES = 500
FRAMES = 10
_BATCH = 100
_ATTEMPTS = 3
_PATIENCE_S = 10.0

_SHARED = """
import asyncio, json, os, sys, time
PAYLOAD = int(sys.argv[1])
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
def fragment():
    stamp = b"<i data-at=%d>" % time.monotonic_ns()
    return stamp + b"x" * (PAYLOAD - len(stamp))
def cpu():
    return time.process_time()
async def obey(publish, count):
    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            os._exit(0)
        if line.startswith("rss"):
            print(json.dumps({"rss": rss(), "clients": count()}), flush=True)
        if line.startswith("fan"):
            before = cpu()
            publish(fragment())
        if line.startswith("cpu"):
            print(json.dumps({"cpu": cpu() - before}), flush=True)
"""

OURS = """
from aiohttp import web
import tempfile, pathlib
from marketwatch.clock import SystemClock
from marketwatch.config import Settings
from marketwatch.telemetry import Telemetry
from marketwatch.web import sse
from marketwatch.web.headers import add_headers
from marketwatch.web.middleware import Gate, middleware
if KIND == "plain":
    sse.detachable = lambda request: None
async def main():
    clock = SystemClock()
    hub = sse.Hub(clock=clock, max_clients=100_000)
    gate = Gate(settings=Settings.of(rate_limit=1_000_000, rate_limit_data=10_000_000), clock=clock, telemetry=Telemetry())
    async def stream(request):
        return await hub.serve(request, "page")
    app = web.Application(middlewares=[middleware(gate)])
    app.on_response_prepare.append(add_headers)
    app.router.add_get("/stream/page", stream)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    sweeper = asyncio.create_task(hub.run(clock))
    print(json.dumps({"port": site._server.sockets[0].getsockname()[1]}), flush=True)
    await obey(lambda data: hub.publish("page", data), lambda: hub.clients)
asyncio.run(main())
"""

AIOHTTP = """
from aiohttp import web
queues = set()
async def stream(request):
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    queue = asyncio.Queue()
    queues.add(queue)
    try:
        while True:
            await response.write(b"data: " + await queue.get() + b"\\n\\n")
    finally:
        queues.discard(queue)
async def main():
    app = web.Application()
    app.router.add_get("/stream/page", stream)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(json.dumps({"port": site._server.sockets[0].getsockname()[1]}), flush=True)
    def publish(data):
        for queue in queues:
            queue.put_nowait(data)
    await obey(publish, lambda: len(queues))
asyncio.run(main())
"""

STARLETTE = """
import socket
import uvicorn
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route
queues = set()
async def events():
    queue = asyncio.Queue()
    queues.add(queue)
    try:
        while True:
            data = await queue.get()
            yield FRAME
    finally:
        queues.discard(queue)
async def stream(request):
    return ANSWER
app = Starlette(routes=[Route("/stream/page", stream)])
async def main():
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(1024)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, loop="asyncio", http="h11"))
    running = asyncio.create_task(server.serve([sock]))
    print(json.dumps({"port": sock.getsockname()[1]}), flush=True)
    def publish(data):
        for queue in queues:
            queue.put_nowait(data)
    await obey(publish, lambda: len(queues))
asyncio.run(main())
"""
_STARLETTE = STARLETTE.replace("FRAME", 'b"data: " + data + b"\\n\\n"').replace(
    "ANSWER", 'StreamingResponse(events(), media_type="text/event-stream")'
)
_SSE_STARLETTE = "from sse_starlette.sse import EventSourceResponse\n" + STARLETTE.replace(
    "FRAME", '{"data": data.decode()}'
).replace("ANSWER", "EventSourceResponse(events())")


class Round(NamedTuple):
    """Processor time for one client, memory of one connection, time until the last client had the fragment."""

    us: float
    kilobytes: float
    last_ms: float


class Server:
    """A rival in a process of its own."""

    def __init__(self, python: str | Path, source: str) -> None:
        self._process = subprocess.Popen(
            [str(python), "-c", source, str(PAYLOAD_BYTES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.port = int(self.read()["port"])

    def read(self) -> dict[str, float]:
        """Its next line. Raises PeerMissing when it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            raise PeerMissing(f"a server ended: {self._process.stderr.read().strip().splitlines()[-1:]}")
        found: dict[str, float] = json.loads(line)
        return found

    def order(self, text: str) -> None:
        """Send it a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def ask(self, text: str) -> dict[str, float]:
        """A command and its answer."""
        self.order(text)
        return self.read()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class Clients:
    """Open streams on plain sockets."""

    def __init__(self, port: int, count: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._sockets: list[socket.socket] = []
        request = b"GET /stream/page HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: text/event-stream\r\n\r\n" % port
        for begin in range(0, count, _BATCH):
            batch = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(min(_BATCH, count - begin))]
            for sock in batch:
                sock.sendall(request)
            for sock in batch:
                sock.recv(65_536)
                sock.setblocking(False)
                self._selector.register(sock, selectors.EVENT_READ)
            self._sockets += batch

    def read_for(self, seconds: float, until: int = -1) -> tuple[int, int]:
        """Read everything that comes within `seconds`: how many sockets had the fragment, and when the last one had it (ns)."""
        served: set[int] = set()
        last = 0
        end = time.monotonic() + seconds
        while (rest := end - time.monotonic()) > 0 and len(served) != until:
            for key, _ in self._selector.select(rest):
                with contextlib.suppress(BlockingIOError):
                    if b"data-at" in key.fileobj.recv(65_536):  # type: ignore[union-attr]
                        served.add(key.fd)
                        last = time.monotonic_ns()
        return len(served), last

    def close(self) -> None:
        """Hang up."""
        for sock in self._sockets:
            sock.close()
        self._selector.close()


def measure(python: str | Path, source: str, count: int, frames: int) -> Round:
    """Open `count` streams, send `frames` fragments, answer the medians."""
    with ExitStack() as stack:
        server = Server(python, source)
        stack.callback(server.close)
        server.ask("rss")
        small = Clients(server.port, 200)
        stack.callback(small.close)
        before = server.ask("rss")["rss"]
        clients = Clients(server.port, count - 200)
        stack.callback(clients.close)
        clients.read_for(min(1.0, count / 5_000))
        after = server.ask("rss")
        if after["clients"] != count:
            raise PeerMissing(f"only {after['clients']:.0f} of {count} streams were opened")
        rounds = list(_fan(server, clients, small, count, frames))
    kilobytes = (after["rss"] - before) / (count - 200) / 1024
    middle = len(rounds) // 2
    return Round(sorted(one[0] for one in rounds)[middle], kilobytes, sorted(one[1] for one in rounds)[middle])


def _fan(server: Server, clients: Clients, small: Clients, count: int, frames: int) -> Iterator[tuple[float, float]]:
    for _ in range(frames):
        sent = time.monotonic_ns()
        server.order("fan")
        served, last = clients.read_for(_PATIENCE_S, until=count - 200)
        small.read_for(0.1, until=200)
        used = server.ask("cpu")["cpu"]
        if served < count - 200:
            raise PeerMissing(f"only {served} of {count} clients had the fragment in {_PATIENCE_S:.0f} s")
        yield 1e6 * used / count, (last - sent) / 1e6


def _sources(arguments: argparse.Namespace, report: Report) -> dict[str, tuple[str | Path, str]]:
    found: dict[str, tuple[str | Path, str]] = {
        "marketwatch, lean protocol": (sys.executable, _SHARED + 'KIND = "lean"\n' + OURS),
        "marketwatch, plain path": (sys.executable, _SHARED + 'KIND = "plain"\n' + OURS),
        "aiohttp, a queue and a task each": (sys.executable, _SHARED + AIOHTTP),
    }
    if arguments.peers:
        try:
            peer = Peer("starlette", "starlette", "uvicorn", "sse-starlette")
            found["Starlette, uvicorn"] = (peer.python, _SHARED + _STARLETTE)
            found["sse-starlette, uvicorn"] = (peer.python, _SHARED + _SSE_STARLETTE)
        except PeerMissing as missing:
            report.note(str(missing))
    return found


def _once(found: list[Round], python: str | Path, source: str, count: int, frames: int) -> float:
    for attempt in range(_ATTEMPTS):
        try:
            found.append(measure(python, source, count, frames))
            break
        except PeerMissing:
            if attempt == _ATTEMPTS - 1:
                raise
    return found[-1].us


def main() -> None:
    """Run and print."""

    def options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--clients", type=int, help="open streams; 10,000, or 1,000 with --quick")

    arguments = parse(__doc__, add=options)
    count = arguments.clients or (1_000 if arguments.quick else 10_000)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    report = Report(f"SSE fan-out: {PAYLOAD_BYTES} bytes to {count:,} clients", arguments, ("aiohttp",))
    rounds: dict[str, list[Round]] = {}
    rivals: dict[str, Callable[[], float]] = {}
    for name, (python, source) in _sources(arguments, report).items():
        try:
            measure(python, source, count, 1)
        except PeerMissing as missing:
            report.note(f"{name}: {missing}")
            continue
        found = rounds[name] = []
        rivals[name] = partial(_once, found, python, source, count, 4 if arguments.quick else FRAMES)
    interleave(rivals, arguments.runs, warm_up=False)
    base = "marketwatch, lean protocol"
    for at, (what, unit) in enumerate(
        (("processor time", "us a client"), ("memory of a connection", "KB a client"), ("last client served", "ms"))
    ):
        figures = {name: Figure(tuple(one[at] for one in found)) for name, found in rounds.items()}
        report.add(figures, unit=unit, what=what, base=base)
    report.print()


if __name__ == "__main__":
    main()
