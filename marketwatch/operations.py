"""The commands beside `run`: each a coroutine that answers an exit code and speaks in whole sentences."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import orjson

from .alerts.rule_desk import RuleDesk
from .clock import SystemClock
from .config import Settings
from .errors import FeedError, MarketwatchError, StoreError
from .feed.choose import open_feed, probe_live
from .feed.record import record as record_frames
from .portfolio.book_desk import BookDesk
from .session import Session
from .store import open_store
from .store.books import books_of
from .store.user_database import UserDatabase
from .tasks import Tasks
from .telemetry import get_logger

log = get_logger(__name__)


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")


async def record(settings: Settings, out: Path, duration_s: float | None) -> int:
    """Raw frames of the configured feed into `out` until the time is over or it is cancelled."""
    _say(f"Recording {settings.feed} to {out}; ctrl-C ends it.")
    frames = await record_frames(settings, SystemClock(), out, duration_s)
    _say(f"Wrote {frames} frames to {out}.")
    return 0


async def migrate(settings: Settings) -> int:
    """Open the database, which brings it to the newest schema."""
    store = open_store(settings)
    await store.open()
    try:
        stats = await store.stats()
        _say(f"The {stats.kind} database {stats.location} is at schema version {stats.schema_version}.")
    finally:
        await store.close()
    return 0


async def backup(settings: Settings, out: Path) -> int:
    """All data into one file."""
    store = open_store(settings)
    await store.open()
    try:
        rows = await store.backup(out)
    finally:
        await store.close()
    _say(f"Wrote {rows} rows to {out}.")
    return 0


async def restore(settings: Settings, file: Path, *, force: bool) -> int:
    """A backup into the database; into one that holds data only with `force`."""
    store = open_store(settings)
    await store.open()
    try:
        rows = await store.restore(file, force=force)
    finally:
        await store.close()
    _say(f"Restored {rows} rows from {file}.")
    return 0


async def seed(settings: Settings, file: Path) -> int:
    """Load a recording into the database through the same parts that run live."""
    clock = SystemClock()
    settings = replace(settings, feed=f"recorded:{file}@max")
    feed = open_feed(settings, clock, lambda _event: None)
    failures: list[str] = []
    tasks = Tasks(on_death=lambda name, error: failures.append(f"{name}: {error!r}"))
    instruments = await feed.instruments()
    store = open_store(settings)
    await store.open()
    database = UserDatabase(settings, clock=clock)
    database.use(store)
    session = Session(
        feed=feed,
        instruments=instruments,
        store=store,
        settings=settings,
        clock=clock,
        tasks=tasks,
        on_error=lambda name, error: failures.append(f"{name}: {error!r}"),
        desk=RuleDesk(database=database, clock=clock, file=settings.rules_file),
        books=BookDesk(database=database, stores=books_of, clock=clock),
    )
    async with session:
        await session.feed_ended()
        await session.writer.flush()
        stats = await store.stats()
    await tasks.aclose()
    if failures:
        raise MarketwatchError(f"The recording {str(file)!r} was not loaded cleanly: {failures[0]}.")
    rows = ", ".join(f"{count} {table}" for table, count in stats.rows.items() if count)
    _say(f"Loaded {file} into {stats.location}: {rows}.")
    return 0


async def doctor(settings: Settings) -> int:
    """Check what the program needs and say what is wrong; exit code 1 when something is."""
    problems = 0
    for check in (_check_settings, _check_store, _check_venues):
        try:
            _say(f"ok       {await check(settings)}")
        except (MarketwatchError, OSError) as error:
            problems += 1
            _say(f"problem  {error}")
    return 1 if problems else 0


async def _check_settings(settings: Settings) -> str:
    return f"Settings are sound; {len(settings.symbols)} symbols, feed {settings.feed}, data in {settings.data_dir}."


async def _check_store(settings: Settings) -> str:
    store = open_store(settings)
    try:
        await store.open()
        await store.ping()
        stats = await store.stats()
    except StoreError as error:
        raise StoreError(f"The database is not usable: {error}") from error
    finally:
        await store.close()
    return f"The {stats.kind} database {stats.location} can be written, schema version {stats.schema_version}."


async def _check_venues(settings: Settings) -> str:
    if settings.feed == "demo" or settings.feed.startswith("recorded:"):
        return "The feed needs no network."
    feed = await probe_live(settings, SystemClock(), lambda _event: None, timeout_s=5.0)
    if feed is None:
        raise FeedError("No live venue answers within 5 s (Binance, Binance US, Coinbase); check the network or a proxy.")
    return f"{feed.venue} answers."


def openapi() -> bytes:
    """The OpenAPI document as the running program serves it, indented."""
    from .web.openapi import document

    return orjson.dumps(document(), option=orjson.OPT_INDENT_2)
