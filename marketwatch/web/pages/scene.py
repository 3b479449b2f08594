"""What a page shows: the market of now, or with `?at=` the market as of an earlier moment. Pages need not know which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from aiohttp import web

from ...errors import InvalidRequest, NotFound, StoreError, Unavailable
from ...model.alerts import Alert
from ...ports import SampleMarks
from ...replay.cursor import Cursor, Moment
from ...watch import Watch
from ..api.parameters import read_time
from ..contexts.cursor import (
    NoMomentPage,
    Way,
    address_at,
    frame_then,
    iso_at,
    moment_words,
    notes_of,
    page_of_now,
    page_of_then,
)
from ..contexts.frame import Frame, market_now_ms
from ..keys import CLOCK, RENDERER, SETTINGS, TELEMETRY, WATCH
from ..live import LIVE

CURSOR: web.AppKey[Cursor] = web.AppKey("cursor", Cursor)


class Scene(NamedTuple):
    """The watch to show and the moment as of which it is shown; `moment` is None now."""

    request: web.Request
    watch: Watch
    now_ms: int
    moment: Moment | None = None

    async def past(self) -> tuple[Sequence[Alert], str]:
        """Alerts that were over, newest first, and why older ones are missing."""
        if self.moment is not None:
            ended = reversed(self.watch.state.recent_alerts)
            return sorted(ended, key=lambda one: (one.fired_ms, one.alert_id), reverse=True), ""
        history = self.request.app[LIVE].history
        await history.load()
        return history.past(self.watch), history.problem

    async def tape(self, symbol: str) -> None:
        """Have the trades of `symbol` that are known of that moment."""
        if self.moment is not None:
            await self.request.app[CURSOR].tape(self.moment, symbol)

    def stream(self, name: str, path: str = "") -> str:
        """Where the page gets its updates from; a moment that is over has none."""
        return "" if self.moment is not None else self.request.app[LIVE].stream_address(name, path)

    def page(self, template: str, context: Any) -> web.Response:
        """The page as an answer."""
        renderer = self.request.app[RENDERER]
        return renderer.page(self.request, template, context, frame=self._frame())

    def _frame(self) -> Frame:
        request, moment = self.request, self.moment
        renderer, given = request.app[RENDERER], _given(request)
        if moment is None:
            return replace(renderer.frame(request), cursor=page_of_now(request.path, given, self.now_ms))
        settings = request.app[SETTINGS]
        live = request.app[WATCH].current
        now_ms = self.now_ms if live is None else market_now_ms(live, request.app[CLOCK])
        view = page_of_then(request.path, given, moment.at_ms, moment.marks, settings.sample_ms, now_ms)
        view = replace(view, notes=notes_of(moment, settings))
        return frame_then(renderer.frame(request, watch=self.watch), view, moment.origin)


def _given(request: web.Request) -> dict[str, str]:
    return {name: value for name, value in request.query.items() if name != "at" and value}


async def open_scene(request: web.Request, watch: Watch) -> Scene | web.Response:
    """What the request asks to see, or the page that says why it cannot be shown."""
    asked = request.query.get("at", "").strip()
    now_ms = market_now_ms(watch, request.app[CLOCK])
    if not asked:
        return Scene(request, watch, now_ms)
    try:
        at_ms = read_moment(asked)
    except ValueError:
        shown = asked if len(asked) <= 40 else asked[:37] + "..."
        sentence = (
            f"“{shown}” is not a time. Write it as 2026-11-20T08:31:00Z, in UTC unless it names another zone, or in "
            "milliseconds since the epoch."
        )
        return _refusal(request, 400, "There is no such moment", sentence, now_ms)
    try:
        moment = await request.app[CURSOR].at(at_ms, now_ms)
    except InvalidRequest:
        sentence = f"{iso_at(at_ms)} has not come yet; the market is at {iso_at(now_ms)}."
        return _refusal(request, 400, "This moment has not come yet", sentence, now_ms)
    except NotFound as error:
        return _nothing(request, watch, at_ms, now_ms, error)
    except Unavailable as error:
        return _refusal(request, 503, "This moment cannot be shown now", str(error), now_ms)
    except StoreError:
        request.app[TELEMETRY].errors.labels("store_read").inc()
        sentence = "The database does not answer now, and earlier moments live in it. Most often the next try works."
        return _refusal(request, 503, "This moment cannot be shown now", sentence, now_ms)
    return Scene(request, moment.watch, moment.at_ms, moment)


def read_moment(text: str) -> int:
    """A time as people and forms write it, in milliseconds; a zone's plus sign may have become a space. Raises ValueError."""
    return read_time(text.replace(" ", "+") if "T" in text.upper() else text)


def _refusal(request: web.Request, status: int, title: str, sentence: str, now_ms: int) -> web.Response:
    """A page in the frame of now."""
    given = _given(request)
    cursor = page_of_now(request.path, given, now_ms)
    renderer = request.app[RENDERER]
    context = NoMomentPage(title, sentence, (Way("Back to live", cursor.back),))
    frame = replace(renderer.frame(request), cursor=cursor)
    return renderer.page(request, "moment.html", context, status=status, frame=frame)


def _nothing(request: web.Request, watch: Watch, at_ms: int, now_ms: int, error: NotFound) -> web.Response:
    """A page in the frame of then, so that the scrubber stays at hand."""
    details = error.details[0]
    marks: SampleMarks = details["marks"]
    settings, given = request.app[SETTINGS], _given(request)
    view = page_of_then(request.path, given, at_ms - at_ms % settings.sample_ms, marks, settings.sample_ms, now_ms)
    ways = [
        Way(f"{word} {moment_words(time_ms)}", address_at(request.path, given, time_ms))
        for word, time_ms in (
            ("To the last one before:", marks.before_ms and marks.before_ms + settings.sample_ms),
            ("To the first one after:", marks.after_ms and marks.after_ms + settings.sample_ms),
        )
        if time_ms
    ]
    context = NoMomentPage("Nothing is stored of this moment", str(error), (*ways, Way("Back to live", view.back)))
    renderer = request.app[RENDERER]
    frame = frame_then(renderer.frame(request), view, watch.source)
    frame = replace(frame, bar=replace(frame.bar, state="nothing stored", tone="wait", latency=""), notices=())
    return renderer.page(request, "moment.html", context, status=404, frame=frame)
