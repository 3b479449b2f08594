"""`/stream/lab`: the lab's answer with its progress, line by line, for the page.

Every line is a JSON object: `{"type": "progress", "place", "share", "symbol", "elapsed_s"}` while it works, at last
`{"type": "outcome", "html"}`. Whoever closes the connection, or asks anew from the same page, ends the work with the piece
that is in hand.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web

from ...clock import Clock
from ...errors import Conflict
from ...lab.lab import Progress
from ..contexts.lab import outcome_of
from ..keys import CLOCK, RENDERER, WATCH
from .lab import Answer, ask, read_fields
from .overview import connecting

routes = web.RouteTableDef()
_EVERY_S = 0.15
_WAIT_S = 180.0
_MOST_PAGE = 40
_HEADERS = {"Content-Type": "application/x-ndjson", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class _Course:
    """The newest progress of a question, told as often as a reader can follow."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._newest = Progress(0, 0.0, "")

    def on_progress(self, progress: Progress) -> None:
        self._newest = progress

    def line(self) -> dict[str, Any]:
        place, share, symbol = self._newest
        elapsed_s = round(self._clock.monotonic() - self._began, 1)
        return {"type": "progress", "place": place, "share": round(share, 4), "symbol": symbol, "elapsed_s": elapsed_s}


@routes.get("/stream/lab")
async def stream(request: web.Request) -> web.StreamResponse:
    """Progress, then the outcome. `page` names the page that asks: its earlier question ends."""
    watch = request.app[WATCH].current
    if watch is None:
        return connecting(request)
    fields = read_fields(request)
    course = _Course(request.app[CLOCK])
    asker = request.query.get("page", "")[:_MOST_PAGE] or None
    work = asyncio.ensure_future(ask(request, fields, asker=asker, report=course.on_progress, answer_s=_WAIT_S))
    answer = web.StreamResponse(headers=_HEADERS)
    try:
        await answer.prepare(request)
        found = await _told(request, answer, course, work)
    except (Conflict, ConnectionError):
        return answer
    finally:
        work.cancel()
        await asyncio.wait({work})
    html = request.app[RENDERER].fragment("fragments/_outcome.html", outcome_of(watch, fields, *found))
    await answer.write(_line({"type": "outcome", "html": html}))
    await answer.write_eof()
    return answer


async def _told(request: web.Request, answer: web.StreamResponse, course: _Course, work: asyncio.Future[Answer]) -> Answer:
    """Tell the course until the answer is there. Raises ConnectionResetError when nobody listens any more."""
    while not (await asyncio.wait({work}, timeout=_EVERY_S))[0]:
        if request.transport is None or request.transport.is_closing():
            raise ConnectionResetError("The page has gone.")
        await answer.write(_line(course.line()))
    return work.result()


def _line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
