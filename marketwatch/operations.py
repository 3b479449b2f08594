"""The commands beside `run`: each a coroutine that answers an exit code and speaks in whole sentences."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import orjson

from .accounts.accounts import Accounts, open_secret
from .accounts.audit import verify_chain
from .accounts.passwords import check_password
from .accounts.secret import new_id
from .accounts.users import check_email, check_username
from .alerts.rule_desk import RuleDesk
from .clock import SystemClock
from .config import Settings
from .errors import ConfigError, FeedError, MarketwatchError, StoreError, StoreReadOnly
from .feed.choose import open_feed, probe_live
from .feed.record import record as record_frames
from .model.accounts import Role, User
from .portfolio.book_desk import BookDesk
from .session import Session
from .store import open_store
from .store.books import books_of
from .store.home import HomeStore
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


@asynccontextmanager
async def _accounts(settings: Settings) -> AsyncIterator[Accounts]:
    """The accounts of the database. What is noted of a change names the command line as its author."""
    clock = SystemClock()
    home = HomeStore(settings, clock=clock, database=UserDatabase(settings, clock=clock))
    await home.open()
    accounts = Accounts(store=home.accounts, settings=settings, clock=clock, secret=open_secret(settings))
    try:
        yield accounts
    except StoreReadOnly as error:
        raise StoreReadOnly(f"{error} Stop that one for a moment, or use its own pages: /register and /admin.") from error
    finally:
        await accounts.aclose()
        await home.close()


async def user_add(settings: Settings, name: str, email: str | None, role: str, password: str) -> int:
    """A new account; the first one is an admin's, whatever `role` says."""
    username, address = check_username(name), check_email(email)
    check_password(password, username, address)
    async with _accounts(settings) as accounts:
        hashed = await accounts.passwords.hash(password)
        user = User(new_id("u"), username, address, hashed, Role(role), SystemClock().now_ms())
        made = await accounts.users.add(user)
        await accounts.audit.note("command line", "add account", made.user_id, result=f"ok: {made.role}")
    _say(f"Made the account {made.username} ({made.role}).")
    return 0


async def user_password(settings: Settings, name: str, password: str) -> int:
    """Another password for an account; its sessions end."""
    async with _accounts(settings) as accounts:
        user = await accounts.store.user_named(name)
        if user is None:
            raise MarketwatchError(f"There is no account {name!r}; `user list` shows all of them.")
        await accounts.users.set_password(user, password)
        ended = await accounts.sessions.end_all(user.user_id)
        await accounts.audit.note("command line", "change password", user.user_id)
    _say(f"Changed the password of {user.username}; {ended} sessions were ended.")
    return 0


async def user_list(settings: Settings) -> int:
    """One line an account."""
    async with _accounts(settings) as accounts:
        found = await accounts.users.all()
    for user in found:
        standing = user.role if user.active else "switched off"
        print(f"{user.user_id}  {user.username:<32}  {standing:<12}  {user.email or ''}")
    return 0


async def verify_audit(settings: Settings, expect: str) -> int:
    """Walk the audit log's chain; exit code 1 where something was changed."""
    number, _, digest = expect.partition(":")
    if expect and not (number.isdecimal() and len(digest) == 64):
        raise ConfigError(f"--expect was {expect!r}; it must be a number and a digest such as 12:9f86d0...")
    async with _accounts(settings) as accounts:
        verdict = await verify_chain(accounts.store, expect=(int(number), digest) if expect else None)
    if verdict.problem:
        _say(f"The audit log was tampered with. {verdict.problem}")
        return 1
    _say(f"The audit log is whole: {verdict.entries} entries, the last one is {verdict.entries}:{verdict.head}.")
    return 0


def openapi() -> bytes:
    """The OpenAPI document as the running program serves it, indented."""
    from .web.openapi import document

    return orjson.dumps(document(), option=orjson.OPT_INDENT_2)
