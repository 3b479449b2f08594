"""The hub of the server-sent events: holds connections, not tasks.

A message is framed once and the same bytes go to every client of its channel. The frames of the last seconds stay in the
channel's history, which serves two ends: `Last-Event-ID` resumes from it, and a client that reads slowly is sent nothing
while its buffer is full and catches up from it later. So no client has a queue of its own; its memory is the socket and at
most `BUFFER_BYTES`. Overflow policy: a client that stays full for `slow_s`, or whose place has left the history, is cut.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Protocol

from aiohttp import hdrs, web

from ..clock import Clock
from ..errors import Unavailable
from .holders import Holders
from .sse_client import STREAM_HEADERS, Detached, Lean, Plain, detachable, stream_head, take_over

PING = b":\n\n"
_GREETING = b"retry: 2000\n\n"
_SLICE = 400
CutHook = Callable[[str], None]


def frame(payload: bytes, event_id: str) -> bytes:
    """One server-sent message: `payload` may hold several lines; the `id` line comes first."""
    text = payload.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
    return b"id: " + event_id.encode("ascii") + b"\ndata: " + text + b"\n\n"


class Client(Protocol):
    """One open stream. `seen` is the number of the newest frame that it was sent; `full_since` None when it can take more."""

    channel: Channel
    seen: int
    full_since: float | None

    def send(self, data: bytes) -> None: ...

    def close(self, *, abort: bool = False) -> None: ...


class Channel:
    """The clients of one name and the frames of the last seconds, newest last, numbered without holes up to `last`."""

    __slots__ = ("busy", "bytes", "clients", "frames", "hub", "last", "left_at", "name", "spoke_at")

    def __init__(self, hub: Hub, name: str, base: int) -> None:
        self.hub = hub
        self.name = name
        self.clients: dict[Client, None] = {}
        self.frames: deque[bytes] = deque()
        self.bytes = 0
        self.last = base
        self.busy = False
        self.spoke_at = self.left_at = hub.now()

    def add(self, data: bytes) -> None:
        self.last += 1
        self.frames.append(data)
        self.bytes += len(data)
        self.spoke_at = self.hub.now()
        while len(self.frames) > 1 and (len(self.frames) > self.hub.history_frames or self.bytes > self.hub.history_bytes):
            self.bytes -= len(self.frames.popleft())

    def after(self, seen: int) -> bytes | None:
        """Everything that follows frame number `seen`; None when a part of it has left the history."""
        missed = self.last - seen
        if missed > len(self.frames) or missed < 0:
            return None
        if missed == 1:
            return self.frames[-1]
        return b"".join(islice(self.frames, len(self.frames) - missed, None))


class Hub:
    """Fans messages out to the clients of named channels. One loop, no locks; `publish` never blocks.

    `slow_s`: how long a client may be full before it is cut. `ping_s`: a channel that was silent for so long gets a comment.
    `linger_s`: how long a channel goes on without clients, so that who reconnects finds what it missed.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        max_clients: int = 20_000,
        slow_s: float = 12.0,
        ping_s: float = 15.0,
        history_frames: int = 64,
        history_bytes: int = 512_000,
        linger_s: float = 20.0,
        on_cut: CutHook | None = None,
    ) -> None:
        self.now = clock.monotonic
        self.history_frames = history_frames
        self.history_bytes = history_bytes
        self.max_clients = max_clients
        self._boot = f"{clock.now_ms():x}"
        self._slow_s = slow_s
        self._ping_s = ping_s
        self._linger_s = linger_s
        self._base = 0
        self._channels: dict[str, Channel] = {}
        self._full: dict[Client, None] = {}
        self._plain: dict[Plain, None] = {}
        self._on_cut = on_cut
        self.holders: Holders | None = None
        """Where streams of people with an account are held, so that they end with their session."""
        self._count = 0
        self._closing = False
        self.refused = 0

    @property
    def clients(self) -> int:
        """Open streams now."""
        return self._count

    @property
    def slow_clients(self) -> int:
        """Streams whose buffer is full now."""
        return len(self._full)

    def channels(self) -> list[str]:
        """Names of the channels that have clients, or had some a moment ago."""
        return list(self._channels)

    def has_clients(self, channel: str) -> bool:
        """Whether rendering for `channel` is worth anything now: it has clients, or had some a moment ago."""
        return channel in self._channels

    def publish(self, channel: str, payload: bytes) -> None:
        """Send `payload` (HTML fragments or JSON, UTF-8) as one message to every client of `channel`; keep it a while."""
        place = self._channels.get(channel)
        if place is None:
            return
        place.add(frame(payload, f"{self._boot}-{place.last + 1}"))
        if not place.busy:
            self._deliver(place, list(place.clients), 0, place.last)

    def end(self, channel: str) -> None:
        """Close the streams of `channel`; a browser opens its own again."""
        place = self._channels.get(channel)
        for client in list(place.clients) if place is not None else ():
            client.close()

    def _deliver(self, place: Channel, clients: list[Client], start: int, target: int) -> None:
        """Bring all up to the newest frame, some hundred at a time so that the loop can breathe."""
        for client in clients[start : start + _SLICE]:
            if client.full_since is None and client.seen < place.last:
                self._catch_up(client)
        place.busy = start + _SLICE < len(clients)
        if place.busy:
            asyncio.get_running_loop().call_soon(self._deliver, place, clients, start + _SLICE, target)
        elif target < place.last:
            self._deliver(place, list(place.clients), 0, place.last)

    def _catch_up(self, client: Client) -> None:
        channel = client.channel
        data = channel.after(client.seen)
        if data is None:
            self._cut(client, "history")
            return
        client.seen = channel.last
        client.send(data)

    def _cut(self, client: Client, reason: str) -> None:
        client.close(abort=True)
        if self._on_cut is not None:
            self._on_cut(reason)

    async def serve(self, request: web.Request, channel: str, *, first: bytes | None = None) -> web.StreamResponse:
        """Answer `request` with the stream of `channel`; returns once the connection is the hub's own (or has ended).

        `first` is the whole state of the moment, sent unless `Last-Event-ID` can be resumed from. Raises Unavailable above
        `max_clients`.
        """
        if request.method == hdrs.METH_HEAD:
            return web.Response(headers=STREAM_HEADERS)
        if self._closing or self._count >= self.max_clients:
            self.refused += 1
            raise Unavailable("All places for live streams are taken; try again in a few seconds.")
        place = self._channels.get(channel)
        if place is None:
            place = self._channels[channel] = Channel(self, channel, self._base)
        beginning = _GREETING + self._beginning(place, request.headers.get("Last-Event-ID"), first)
        transport = detachable(request)
        if transport is None:
            return await self._serve_plain(request, place, beginning)
        client = Lean(place)
        head = await stream_head(request)
        answer = Detached()
        take_over(request, transport, client)
        self.joined(client)
        self._hold(request, client)
        client.send(head + beginning)
        return answer

    def _beginning(self, place: Channel, last_event_id: str | None, first: bytes | None) -> bytes:
        if last_event_id:
            boot, _, number = last_event_id.partition("-")
            if boot == self._boot and number.isascii() and number.isdigit() and len(number) < 16:
                missed = place.after(int(number))
                if missed is not None:
                    return missed
        return frame(first, f"{self._boot}-{place.last}") if first is not None else b""

    async def _serve_plain(self, request: web.Request, place: Channel, beginning: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers=STREAM_HEADERS)
        response.force_close()
        client = Plain(place, request, response)
        await response.prepare(request)
        self.joined(client)
        self._hold(request, client)
        self._plain[client] = None
        client.send(beginning)
        try:
            await client.run()
        finally:
            self._plain.pop(client)
            self.left(client)
        return response

    def _hold(self, request: web.Request, client: Client) -> None:
        if self.holders is not None:
            self.holders.hold(request, client, client.close)

    def joined(self, client: Client) -> None:
        """A client is open now."""
        client.channel.clients[client] = None
        self._count += 1

    def left(self, client: Client) -> None:
        """A client is gone; harmless when told twice."""
        if client.channel.clients.pop(client, 0) is None:
            self._count -= 1
            client.channel.left_at = self.now()
        self._full.pop(client, None)
        if self.holders is not None:
            self.holders.let_go(client)

    def filled(self, client: Client) -> None:
        """A client's buffer is full: it is sent nothing until it has drained."""
        if client.full_since is None:
            client.full_since = self.now()
            self._full[client] = None

    def drained(self, client: Client) -> None:
        """A client has read what it had: it catches up from the history."""
        client.full_since = None
        self._full.pop(client, None)
        if client in client.channel.clients and client.seen < client.channel.last:
            self._catch_up(client)

    def _forget_idle(self) -> None:
        """Drop the channels that nobody came back to. Numbers are never used twice, so an id of theirs resumes nothing."""
        oldest = self.now() - self._linger_s
        for place in [one for one in self._channels.values() if not one.clients and one.left_at <= oldest]:
            self._base = max(self._base, place.last + 1)
            del self._channels[place.name]

    def sweep(self) -> None:
        """Cut who was full for too long, let go who left, greet silent channels so that dead connections show themselves."""
        now = self.now()
        for client in list(self._full):
            if client.full_since is not None and now - client.full_since >= self._slow_s:
                self._cut(client, "slow")
        for plain in list(self._plain):
            if plain.gone:
                plain.close()
        for place in list(self._channels.values()):
            if now - place.spoke_at >= self._ping_s:
                place.spoke_at = now
                self._ping(list(place.clients), 0)
        self._forget_idle()

    def _ping(self, clients: list[Client], start: int) -> None:
        for client in clients[start : start + _SLICE]:
            if client.full_since is None:
                client.send(PING)
        if start + _SLICE < len(clients):
            asyncio.get_running_loop().call_soon(self._ping, clients, start + _SLICE)

    async def run(self, clock: Clock, every_s: float = 1.0) -> None:
        """Sweep until cancelled."""
        while True:
            await clock.sleep(every_s)
            self.sweep()

    async def aclose(self) -> None:
        """End every stream now; who comes later is refused."""
        self._closing = True
        for place in self._channels.values():
            for client in list(place.clients):
                client.close(abort=client.full_since is not None)
        await asyncio.sleep(0)
