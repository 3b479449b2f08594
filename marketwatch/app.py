"""The composition root: builds every part by keyword, owns their lifetimes, and decides which market is watched.

Read `run` from top to bottom and you have seen the whole program; the path of one trade is wired in `watch.py`.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from .accounts.owner import Owner, open_owner
from .alerts.rule_desk import RuleDesk
from .clock import Clock, SystemClock
from .config import Settings
from .errors import FeedError, MarketwatchError, StoreError
from .feed.choose import open_feed, probe_live
from .memory import settle
from .model.market import Source
from .model.system import Level, Notice
from .notify.outbox import Outbox
from .portfolio.book_desk import BookDesk
from .ports import DurableStore, Feed, Resumable
from .session import Session
from .store import open_store
from .store.books import books_of
from .store.home import HomeStore
from .store.switch import SwitchStore
from .store.user_database import UserDatabase
from .tasks import Tasks
from .telemetry import Telemetry, get_logger
from .watch import WatchSlot
from .web.server import build_app

if TYPE_CHECKING:
    from .accounts.accounts import Accounts

log = get_logger(__name__)
Announce = Callable[[str], None]
"""Tells the person at the terminal where to make the first account; given a path of this server."""

_LEFTOVERS_S = 5.0
_PROBE_S = 5.0
_RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)
_SHUTDOWN_S = 5.0
_WARM_S = (10.0, 20.0, 60.0)


class Application:
    """The whole program around one listening socket."""

    def __init__(
        self,
        *,
        settings: Settings,
        listener: socket.socket,
        clock: Clock | None = None,
        owner: Owner | None = None,
        announce: Announce | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.owner = owner or open_owner(settings, self.clock)
        self.accounts: Accounts | None = None
        self._announce = announce
        self.telemetry = Telemetry()
        self.tasks = Tasks(on_death=self._on_death)
        self.slot = WatchSlot()
        self.store = SwitchStore()
        self.database = UserDatabase(settings, clock=self.clock)
        accounts_on = settings.accounts_mode != "off"
        self.home = HomeStore(settings, clock=self.clock, database=self.database) if accounts_on else None
        """The user's database, held open whatever plays, where people have accounts in it."""
        self.desk = RuleDesk(database=self.database, clock=self.clock, file=settings.rules_file)
        self.books = BookDesk(database=self.database, stores=books_of, clock=self.clock)
        self._listener = listener
        self._failing: set[str] = set()
        self._looked_for_leftovers = False

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then end everything in order: streams, feed, writer, store."""
        async with AsyncExitStack() as stack:
            if self.home is not None:
                stack.push_async_callback(self.home.close)
            stack.push_async_callback(self.tasks.aclose)
            if self.home is not None:
                self.accounts = await asyncio.to_thread(self._new_accounts, self.home)
                stack.push_async_callback(self.accounts.aclose)
                self.tasks.start("accounts", self._keep_accounts(self.home, self.accounts), critical=False)
            await stack.enter_async_context(self._server())
            market = self.tasks.start("market", self._market())
            self.tasks.start("own rules", self.desk.run())
            self.tasks.start("books", self.books.run())
            self.tasks.start("settle", self._settle(), critical=False)
            waiter = asyncio.create_task(stop.wait(), name="stop")
            await asyncio.wait({market, waiter}, return_when=asyncio.FIRST_COMPLETED)
            if market.done():
                await waiter
            await self.tasks.stop("market")

    def _new_accounts(self, home: HomeStore) -> Accounts:
        """Imported here, because a program without accounts needs none of the libraries behind them."""
        from .accounts.accounts import Accounts, open_secret
        from .web.jwks import ProviderKeys

        settings, clock = self.settings, self.clock
        keys = ProviderKeys(settings.oidc_issuer, clock) if settings.oidc_issuer else None
        secret = open_secret(settings)
        return Accounts(store=home.accounts, settings=settings, clock=clock, secret=secret, keys=keys)

    async def _keep_accounts(self, home: HomeStore, accounts: Accounts) -> None:
        """Open their database, say where the first account is made, and look after sessions."""
        await home.keep_trying()
        try:
            code = await accounts.invitations.first()
        except MarketwatchError as error:
            log.warning("first_account_unknown", reason=str(error))
            code = None
        if code is not None and self._announce is not None:
            self._announce(f"/register?invite={code}")
        await accounts.run()

    async def _settle(self) -> None:
        """Once the imports are done, and again while and when the first market has warmed up."""
        settle()
        while self.slot.current is None:
            await self.clock.sleep(1.0)
        for seconds in _WARM_S:
            await self.clock.sleep(seconds)
            settle()

    @asynccontextmanager
    async def _server(self) -> AsyncIterator[None]:
        app = build_app(
            settings=self.settings,
            clock=self.clock,
            store=self.store,
            slot=self.slot,
            telemetry=self.telemetry,
            tasks=self.tasks,
            owner=self.owner,
            accounts=self.accounts,
            desk=self.desk,
            books=self.books,
        )
        runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=_SHUTDOWN_S, keepalive_timeout=15.0)
        await runner.setup()
        try:
            await web.SockSite(runner, self._listener, backlog=1024).start()
            yield
        finally:
            await runner.cleanup()

    async def _market(self) -> None:
        """Watch what the settings ask for, until cancelled."""
        if self.settings.feed == "auto":
            await self._auto()
        else:
            await self._fixed()

    async def _fixed(self) -> None:
        feed = open_feed(self.settings, self.clock, _nowhere)
        async with await self._begin(feed):
            await asyncio.Event().wait()

    async def _auto(self) -> None:
        """A live venue when one answers; meanwhile the demo market, which is left by itself."""
        self.slot.waiting = "Looking for a live market: Binance, Binance US, then Coinbase."
        live = await self._probe()
        if live is None:
            self._deliver_leftovers()
            demo = open_feed(replace(self.settings, feed="demo"), self.clock, _nowhere)
            async with await self._begin(demo) as session:
                session.watch.bus.publish(self._demo_notice())
                live = await self._wait_for_live()
        async with await self._begin(live) as session:
            if self.slot.generation > 1:
                message = f"{live.venue.title()} answers: this is the live market now, the demo market has ended."
                session.watch.bus.publish(Notice("went-live", Level.INFO, message, self.clock.now_ms()))
            await asyncio.Event().wait()

    def _demo_notice(self) -> Notice:
        message = (
            "No live market can be reached, so this is the demo market: invented prices, nothing is stored. "
            "The live market takes over by itself as soon as it answers."
        )
        return Notice("demo", Level.WARNING, message, self.clock.now_ms())

    async def _probe(self) -> Feed | None:
        return await probe_live(self.settings, self.clock, _nowhere, timeout_s=_PROBE_S)

    async def _wait_for_live(self) -> Feed:
        while True:
            await self.clock.sleep(self.settings.probe_s)
            feed = await self._probe()
            if feed is not None:
                return feed

    async def _begin(self, feed: Feed) -> Session:
        """Everything for `feed`, with its watch in the slot; tries again, with the reason on the page, until it works."""
        attempt = 0
        while True:
            try:
                return await self._build(feed)
            except (FeedError, StoreError) as error:
                self.slot.waiting = str(error)
                log.warning("market_not_open", venue=feed.venue, reason=str(error), attempt=attempt)
                self._deliver_leftovers()
                await self.clock.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
                attempt += 1

    def _deliver_leftovers(self) -> None:
        """While no market answers: what the last run committed to be told and did not deliver is tried, once."""
        if not self._looked_for_leftovers and self.settings.feed != "demo" and not self.settings.store_demo:
            self._looked_for_leftovers = True
            self.tasks.start("leftovers", self._leftovers(), critical=False)

    async def _leftovers(self) -> None:
        with suppress(StoreError, TimeoutError):
            if self.database.begun:
                async with asyncio.timeout(_LEFTOVERS_S), self.database.reach() as store:
                    await Outbox(
                        store=store, settings=self.settings, clock=self.clock, publish=_nowhere, source=Source.LIVE
                    ).once()

    async def _build(self, feed: Feed) -> Session:
        instruments = await feed.instruments()
        throws_away = self._throws_away(feed)
        if not throws_away:
            await self.tasks.stop("leftovers")
        if self.home is not None and not throws_away:
            store = await self.home.open()
        else:
            store = self._store_for(feed)
            async with self.database.changing():
                await store.open()
                if self.home is None:
                    self.database.use(None if throws_away else store)
        if isinstance(feed, Resumable):
            feed.resume = await store.last_trades(now_ms=self.clock.now_ms())
        session = Session(
            feed=feed,
            instruments=instruments,
            store=store,
            settings=self.settings,
            clock=self.clock,
            tasks=self.tasks,
            on_error=self._on_handler_error,
            keep_store=self.home is not None and store is self.home.store,
            desk=self.desk,
            books=self.books,
            preferences=None if self.accounts is None else self.accounts.users.all_preferences,
        )
        self.store.use(store)
        self.slot.put(session.watch, session.alerting.lookout, session.outbox)
        log.info("market_open", venue=feed.venue, source=feed.source.value, symbols=len(instruments))
        return session

    def _store_for(self, feed: Feed) -> DurableStore:
        """The user's database for what is real; a throw-away one for the demo market unless the settings keep it."""
        if self._throws_away(feed):
            folder = Path(tempfile.mkdtemp(prefix="marketwatch-demo-"))
            throw_away = replace(self.settings, database_url=f"sqlite:///{folder / 'demo.db'}")
            return open_store(throw_away, clock=self.clock, throw_away=True)
        return open_store(self.settings, clock=self.clock)

    def _throws_away(self, feed: Feed) -> bool:
        return feed.source is Source.DEMO and not self.settings.store_demo

    def _on_handler_error(self, name: str, error: BaseException) -> None:
        """A subscriber failed: counted each time, logged once for each kind of failure."""
        self.telemetry.handler_errors.labels(name).inc()
        episode = f"{name}:{type(error).__name__}"
        if episode not in self._failing:
            self._failing.add(episode)
            log.error("handler_failed", handler=name, exc_info=error)

    def _on_death(self, name: str, error: BaseException | None) -> None:
        log.error("task_died", task=name, exc_info=error)


def _nowhere(_event: object) -> None:
    """Where a feed publishes before it has a watch."""


async def serve(
    settings: Settings,
    listener: socket.socket,
    stop: asyncio.Event,
    owner: Owner | None = None,
    announce: Announce | None = None,
) -> None:
    """Build the application and run it until `stop`."""
    with suppress(asyncio.CancelledError):
        await Application(settings=settings, listener=listener, owner=owner, announce=announce).run(stop)
