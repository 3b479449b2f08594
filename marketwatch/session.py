"""One session: a feed with its watch, its store and its writer. `auto` ends one and begins another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Self

from .alerts.alerting import Alerting
from .alerts.rule_desk import RuleDesk
from .bus import ErrorHook
from .clock import Clock
from .config import Settings
from .ingest import IngestWindow
from .model.market import Instrument
from .model.portfolio import Portfolio
from .model.system import FeedState, FeedStatus, Level, Notice
from .notify.endpoints import routes
from .notify.outbox import Outbox
from .portfolio.book_desk import BookDesk
from .ports import Feed, MarketStore
from .replay.pins import IncidentPins
from .store.writer import StoreWriter
from .tasks import Tasks
from .watch import Watch

if TYPE_CHECKING:
    from .stream.redis import RedisMirror


Preferences = Callable[[], Awaitable[list[tuple[str, str]]]]
"""Those of everybody, by user id, as JSON."""


class Session:
    """Wires a feed that has named its instruments to a new watch and starts the tasks that keep both going.

    An async context manager: leaving it stops the feed, lets the writer flush, and closes the store, unless others go on
    using it (`keep_store`).
    """

    def __init__(
        self,
        *,
        feed: Feed,
        instruments: list[Instrument],
        store: MarketStore,
        settings: Settings,
        clock: Clock,
        tasks: Tasks,
        on_error: ErrorHook,
        desk: RuleDesk,
        books: BookDesk,
        keep_store: bool = False,
        preferences: Preferences | None = None,
    ) -> None:
        self.feed = feed
        self._keep_store = keep_store
        self.store = store
        self._clock = clock
        self._tasks = tasks
        self._window = IngestWindow.parse(settings.ingest_window)
        self.watch = Watch(settings=settings, source=feed.source, venue=feed.venue, instruments=instruments, on_error=on_error)
        feed.publish = self.watch.bus.publish
        self.writer = StoreWriter(
            store=store,
            clock=clock,
            settings=settings,
            publish=self.watch.bus.publish,
            instruments=instruments,
            routes=routes(settings),
        )
        self.writer.subscribe(self.watch.bus)
        self._books = books
        self.alerting = Alerting(watch=self.watch, store=store, settings=settings, clock=clock, desk=desk)
        self.pins = IncidentPins(watch=self.watch, sample_ms=settings.sample_ms)
        self.outbox = Outbox(store=store, settings=settings, clock=clock, publish=self.watch.bus.publish, source=feed.source)
        self._ended = asyncio.Event()
        name = f"{feed.venue}:{id(self):x}"
        self._feed_task, self._writer_task, self._report_task = f"feed:{name}", f"writer:{name}", f"report:{name}"
        self._alerts_task, self._notify_task, self._mirror_task = f"alerts:{name}", f"notify:{name}", f"mirror:{name}"
        self._mirror = _mirror(self.watch, settings, clock, books, preferences)

    async def __aenter__(self) -> Self:
        endless = self.feed.source.value in ("live", "demo")
        self._tasks.start(self._writer_task, self.writer.run())
        self._tasks.start(self._report_task, self._report())
        await self._books.begin(self.watch.bus.publish, self.watch.marker)
        await self.alerting.begin()
        self._tasks.start(self._alerts_task, self.alerting.run())
        self._tasks.start(self._notify_task, self.outbox.run())
        if self._mirror is not None:
            self._tasks.start(self._mirror_task, self._mirror.run(), critical=False)
        self._tasks.start(self._feed_task, self._feed(), critical=endless)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tasks.stop(self._feed_task, self._alerts_task)
        try:
            await self.alerting.aclose()
            await self.writer.aclose()
        finally:
            await self._tasks.stop(self._writer_task, self._report_task, self._notify_task, self._mirror_task)
            if not self._keep_store:
                await self.store.close()

    async def feed_ended(self) -> None:
        """Wait until the feed ran out (a recording) or died."""
        await self._ended.wait()

    async def _report(self) -> None:
        """Put the writer's state on the bus, where pages, probes and rules find it."""
        while True:
            self.watch.bus.publish(self.writer.status())
            await self._clock.sleep(1.0)

    async def _feed(self) -> None:
        try:
            await self._read()
        finally:
            self._ended.set()

    async def _read(self) -> None:
        if self._window is None:
            await self.feed.run()
            return
        while True:
            await self._pause(self._window.opens_in_ms(self._clock.now_ms()))
            await self._run_until_closed(self._window)

    async def _run_until_closed(self, window: IngestWindow) -> None:
        name = f"{self._feed_task}:window"
        self._tasks.start(name, self.feed.run())
        try:
            await self._clock.sleep(window.closes_in_ms(self._clock.now_ms()) / 1000)
        finally:
            await self._tasks.stop(name)

    async def _pause(self, wait_ms: int) -> None:
        if wait_ms <= 0:
            return
        now = self._clock.now_ms()
        publish = self.watch.bus.publish
        detail = f"Paused outside of the ingestion window; reading goes on in {wait_ms // 60_000} min."
        publish(
            FeedStatus(
                venue=self.feed.venue,
                source=self.feed.source,
                state=FeedState.RECONNECTING,
                endpoint="",
                since_ms=now,
                detail=detail,
            )
        )
        publish(Notice("ingest-window", Level.INFO, detail, now))
        await self._clock.sleep(wait_ms / 1000)
        publish(Notice("ingest-window", Level.INFO, detail, self._clock.now_ms(), over=True))


def _mirror(
    watch: Watch, settings: Settings, clock: Clock, books: BookDesk, preferences: Preferences | None
) -> RedisMirror | None:
    """The copy in Redis, where the settings ask for it. Raises ConfigError."""
    if not settings.redis_url:
        return None
    from .stream.redis import RedisMirror

    def portfolios() -> list[Portfolio]:
        return [book.portfolio for book in books.every()]

    return RedisMirror(watch=watch, settings=settings, clock=clock, portfolios=portfolios, preferences=preferences)
