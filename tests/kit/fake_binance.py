"""A fake Binance: plays a tape over real sockets, answers REST consistently with it, and fails on demand.

`python -m tests.kit.fake_binance --speed 1 --loop` lets a person play the venue by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

from .fake_rest import Rest, Script
from .fake_ws import Connection, reset
from .frame_faults import FrameFaults
from .oracle import Journal, Line, Sent
from .scaled_clock import ScaledClock
from .venue_market import Frame, Market
from .venue_tape import Tape, recorded_tape

_BEAT_S = 0.003
_MAX_WAITING = 1 << 20


class FakeBinance:
    """One venue on a free loopback port; an async context manager. Wrap a feed around `ws_url` and `rest_url`.

    The venue lives on `clock` plus `clock_offset_ms`; a test gives the same clock to the feed, so that a speed of 20 plays a
    minute in three seconds for both. `flat_out` ignores the speed: the tape goes as fast as the clients read, and the clock
    leaps along with it. Time stands in front of the tape until `play()`. `down` resets every request; `withheld` holds ids that
    aggTrades never tells.
    """

    def __init__(
        self,
        tape: Tape,
        *,
        clock: ScaledClock,
        clock_offset_ms: int = 0,
        flat_out: bool = False,
        loop: bool = False,
        history_days: int = 31,
        ping_every_s: float = 20.0,
        pong_within_s: float = 60.0,
        max_age_s: float = 86_400.0,
        weight_limit: int = 6000,
        nested_errors: bool = False,
        delisted: tuple[str, ...] = ("HSRBTC", "LUNAUSDT"),
        seed: int = 1,
        port: int = 0,
    ) -> None:
        self.clock = clock
        self.clock_offset_ms = clock_offset_ms
        self.flat_out = flat_out
        self.ping_every_s = ping_every_s
        self.pong_within_s = pong_within_s
        self.max_age_s = max_age_s
        self.weight_limit = weight_limit
        self.nested_errors = nested_errors
        self.delisted = delisted
        self.journal = Journal()
        self.faults = FrameFaults(seed)
        self.connections: list[Connection] = []
        self.scripts: list[Script] = []
        self.port = port
        self.down = False
        self.withheld: set[int] = set()
        self._wanted: dict[str, list[Connection]] = {}
        self._numbers = 0
        self.market = Market(
            tape, now_ms=self.now_ms(), emit=self._emit, wanted=self._wanted.__contains__, loop=loop, seed=seed,
            history_days=history_days,
        )  # fmt: skip
        self._rest = Rest(self)
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._player: asyncio.Task[None] | None = None

    # Life

    def now_ms(self) -> int:
        """The venue's own time."""
        return self.clock.now_ms() + self.clock_offset_ms

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 16)
        app.router.add_route("*", "/{tail:.*}", self._request)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        await self.listen()
        self._player = asyncio.create_task(self._play(), name="fake venue")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in list(self.connections):
            connection.cut(code=1001)
        if self._player is not None:
            self._player.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._player
        if self._runner is not None:
            await self._runner.cleanup()

    async def listen(self) -> None:
        """Accept connections (again)."""
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await self._site.start()
        self.port = self._runner.addresses[-1][1]

    async def refuse(self) -> None:
        """Stop listening: new connections are refused by the kernel, those that stand go on."""
        if self._site is not None:
            await self._site.stop()
            self._site = None

    def play(self) -> None:
        """Let the tape begin now."""
        self.market.start(self.now_ms())

    async def wait_subscribed(self, *streams: str, within_s: float = 20.0) -> None:
        """Return when every stream has a reader. Real seconds."""
        await until(lambda: all(stream in self._wanted for stream in streams), within_s, f"subscriptions to {streams}")

    async def wait_played(self, within_s: float = 60.0) -> None:
        """Return when the tape has ended and every client's socket has taken what was sent. Real seconds."""
        await until(self._ended, within_s, "the end of the tape")
        await until(lambda: not any(c.waiting_bytes for c in self.connections if c.mode == "normal"), within_s, "empty sockets")

    def _ended(self) -> bool:
        if self._player is not None and self._player.done():
            self._player.result()
        return self.market.done

    # Faults

    def script(
        self,
        path: str,
        *,
        status: int | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        delay_s: float = 0.0,
        cut: bool = False,
        times: int = 1,
    ) -> Script:
        """Let the next `times` requests (-1: all) to paths that begin with `path` fail, handshakes (`/stream`) included."""
        script = Script(path, status, body, headers or {}, delay_s, cut, times)
        self.scripts.append(script)
        return script

    def cut(
        self, connection: Connection | None = None, *, code: int | None = None, mid_frame: bool = False, rst: bool = False
    ) -> None:
        """End one connection or all; see `Connection.cut`."""
        for victim in [connection] if connection is not None else list(self.connections):
            victim.cut(code=code, mid_frame=mid_frame, rst=rst)

    def announce_shutdown(self, connection: Connection | None = None) -> None:
        """Say that a cut is coming."""
        body = {"e": "serverShutdown", "E": self.now_ms()}
        for target in [connection] if connection is not None else list(self.connections):
            message = {"stream": "!serverShutdown", "data": body} if target.combined else body
            target.queue(orjson.dumps(message))
            target.flush()
            target.note("serverShutdown")

    def send_raw(self, payload: bytes, connection: Connection | None = None) -> None:
        """Send a text frame of any content."""
        for target in [connection] if connection is not None else list(self.connections):
            target.queue(payload)
            target.flush()

    def end_shuffle(self, symbol: str) -> None:
        """Stop shuffling and send what is held back."""
        for frame in self.faults.shuffle(symbol, 0):
            self._deliver(frame)
        self._flush()

    # Streams

    def subscribe(self, connection: Connection, streams: Iterable[str]) -> None:
        for stream in streams:
            if stream not in connection.streams:
                connection.streams.add(stream)
                self._wanted.setdefault(stream, []).append(connection)

    def unsubscribe(self, connection: Connection, streams: Iterable[str]) -> None:
        for stream in list(streams):
            if stream in connection.streams:
                connection.streams.discard(stream)
                self._wanted[stream].remove(connection)
                if not self._wanted[stream]:
                    del self._wanted[stream]

    def forget(self, connection: Connection) -> None:
        """The connection has ended."""
        self.unsubscribe(connection, set(connection.streams))
        if connection in self.connections:
            self.connections.remove(connection)

    def _emit(self, frame: Frame) -> None:
        for sent in self.faults.apply(frame):
            self._deliver(sent)

    def _deliver(self, frame: Frame) -> None:
        readers = self._wanted.get(frame.stream)
        if not readers:
            return
        self.journal.frames[frame.stream] += 1
        payload = orjson.dumps(frame.body)
        wrapped = b'{"stream":' + orjson.dumps(frame.stream) + b',"data":' + payload + b"}"
        for reader in readers:
            if reader.micro:
                reader.queue(_in_microseconds(frame, reader.combined))
            else:
                reader.queue(wrapped if reader.combined else payload)
            if frame.ids is not None and reader.mode == "normal":
                self.journal.sent.append(Sent(self.market.now_ms, reader.number, frame.stream, *frame.ids))

    def _flush(self) -> None:
        for connection in self.connections:
            connection.flush()

    async def _play(self) -> None:
        while True:
            if self.flat_out and self.market.playing and not self.market.done:
                await self._play_flat_out()
            else:
                self.market.advance(self.now_ms())
                self._flush()
                await asyncio.sleep(_BEAT_S)

    async def _play_flat_out(self) -> None:
        for _ in range(200):
            due = self.market.next_ms()
            self.market.advance(due)
            if self.market.done:
                break
        self.clock.leap_to(self.market.now_ms - self.clock_offset_ms)
        self._flush()
        await asyncio.sleep(0)
        while any(c.waiting_bytes > _MAX_WAITING for c in self.connections if c.mode == "normal"):
            await asyncio.sleep(0.001)

    # Requests

    async def _request(self, request: web.Request) -> web.StreamResponse:
        if self.down:
            assert request.transport is not None
            reset(request.transport)
            return web.Response()
        script = next((s for s in self.scripts if s.live and request.path.startswith(s.path)), None)
        if script is not None:
            script.used += 1
        if request.path == "/stream" or request.path == "/ws" or request.path.startswith("/ws/"):
            return await self._stream(request, script)
        return await self._rest.answer(request, script)

    async def _stream(self, request: web.Request, script: Script | None) -> web.StreamResponse:
        if script is not None:
            await asyncio.sleep(script.delay_s)
            if script.cut and request.transport is not None:
                request.transport.close()
            if script.status is not None:
                self._numbers += 1
                self.journal.lines.append(Line(self.now_ms(), self._numbers, "refused", str(script.status)))
                return web.Response(status=script.status, body=script.body or b"", headers=script.headers)
        recent = [line for line in self.journal.lines_of("opened") if line.at_ms > self.now_ms() - 300_000]
        if len(recent) >= 300:
            return web.Response(status=429, headers={"Retry-After": "300"})
        combined = request.path == "/stream"
        names = request.query.get("streams", "") if combined else request.path.removeprefix("/ws").strip("/")
        self._numbers += 1
        micro = request.query.get("timeUnit", "").upper() == "MICROSECOND"
        connection = Connection(self, self._numbers, combined, micro)
        self.connections.append(connection)
        return await connection.serve(request, [name for name in names.split("/") if name])


def _in_microseconds(frame: Frame, combined: bool) -> bytes:
    def moved(body: Any) -> Any:
        if isinstance(body, list):
            return [moved(item) for item in body]
        times = {name: body[name] * 1000 for name in ("E", "T", "t") if name in body and (name != "t" or "i" in body)}
        nested = {"k": moved(body["k"])} if "k" in body else {}
        return {**body, **times, **nested}

    body = moved(frame.body)
    return orjson.dumps({"stream": frame.stream, "data": body} if combined else body)


async def until(condition: Callable[[], object], within_s: float, what: str) -> None:
    """Wait for a fact; fail with `what` after `within_s` real seconds."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited {within_s:g} s in vain for {what}.")
        await asyncio.sleep(0.005)


__all__ = ("FakeBinance", "recorded_tape", "until")


if __name__ == "__main__":
    from .venue_program import main

    main()
