"""`/api/replay/stream`: the samples around an alert run once more through engine and evaluator, as server-sent events."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from ...errors import Unavailable
from ...model.alerts import AlertState
from ...replay.pins import AROUND_MS
from ...replay.rerun import Rerun, Step, read_script
from ..envelope import iso
from ..holders import HOLDERS
from ..owning import portfolio_owner
from ..sse import frame
from .alerts import Name, alert_row
from .desk import DESK, Desk
from .endpoint import Parameters
from .own_money import money_of

PATH = "/api/replay/stream"
_MOST = 4
_TURN = 50
_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_encoder = msgspec.json.Encoder()
Speed = Annotated[
    float,
    Meta(ge=0.1, le=1000, description="Times as fast", extra={"expects": "a number from 0.1 to 1000", "number": True}),
]


class StreamQuery(msgspec.Struct, frozen=True):
    """Which alert, and how fast."""

    alert_id: Name
    speed: Speed = 10.0


_parameters = Parameters(StreamQuery)


class ReplayStreams:
    """Runs at most four reruns at a time: each is work for the one loop that also serves the live market."""

    def __init__(self) -> None:
        self.running = 0

    async def serve(self, request: web.Request, desk: Desk, query: StreamQuery) -> web.StreamResponse:
        """Raises Unavailable above the limit, NotFound where nothing is stored."""
        if self.running >= _MOST:
            raise Unavailable(f"{_MOST} replays are running already, which are the most; try again in a minute.")
        self.running += 1
        try:
            money = await money_of(request)
            script = await read_script(desk.store, desk.watch, query.alert_id, desk.settings.sample_ms, money)
            rerun = Rerun(script, settings=desk.settings, watch=desk.watch)
            answer = web.StreamResponse(headers=_HEADERS)
            await answer.prepare(request)
            request.app[HOLDERS].hold(request, answer, lambda: _cut(request))
            await _Playing(answer, rerun, desk, query.speed, portfolio_owner(request)).play()
            request.app[HOLDERS].let_go(answer)
            return answer
        finally:
            self.running -= 1


def _cut(request: web.Request) -> None:
    """Its session is over."""
    if request.transport is not None:
        request.transport.close()


class _Playing:
    """One rerun on its way to one client. What lies before the five minutes runs at once, unseen, to fill the windows."""

    def __init__(self, answer: web.StreamResponse, rerun: Rerun, desk: Desk, speed: float, asker: str) -> None:
        self._answer = answer
        self._rerun = rerun
        self._desk = desk
        self._speed = speed
        self._asker = asker
        self._number = 0

    async def play(self) -> None:
        alert = self._rerun.script.alert
        shown_ms = alert.fired_ms - AROUND_MS
        await self._send({"type": "begin", "alert_id": alert.alert_id, "from": iso(shown_ms), "speed": self._speed})
        refired = False
        for number, step in enumerate(self._rerun):
            refired = refired or any(one.alert_id == alert.alert_id for one in step.alerts)
            if step.samples.time_ms >= shown_ms:
                await self._step(step)
                await self._desk.clock.sleep(step.samples.sample_ms / 1000 / self._speed)
            elif number % _TURN == 0:
                await asyncio.sleep(0)
        await self._send({"type": "end", "alert_id": alert.alert_id, "refired": refired})
        await self._answer.write_eof()

    async def _step(self, step: Step) -> None:
        samples = step.samples
        await self._send(
            {
                "type": "step",
                "time": iso(samples.time_ms),
                "symbol": samples.symbols[0],
                "price": float(samples.price[0]),
                "volume": float(samples.volume[0]),
                "trades": int(samples.trades[0]),
            }
        )
        for one in step.alerts:
            if one.state is not AlertState.PENDING:
                await self._send({"type": "alert", "data": alert_row(one, self._asker)})

    async def _send(self, event: dict[str, Any]) -> None:
        self._number += 1
        source = {"timestamp": iso(self._desk.clock.now_ms()), "source": "replay"}
        await self._answer.write(frame(_encoder.encode({**event, "meta": source}), str(self._number)))


REPLAY_STREAMS: web.AppKey[ReplayStreams] = web.AppKey("replay_streams", ReplayStreams)


async def stream(request: web.Request) -> web.StreamResponse:
    """`begin`, then each step and each change of the alert, then `end`."""
    query = _parameters.parse(request)
    return await request.app[REPLAY_STREAMS].serve(request, request.app[DESK], query)
