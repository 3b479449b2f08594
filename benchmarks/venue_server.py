"""A local venue for benchmarks: speaks Binance's combined streams on a bare socket, as fast as asked, in a process of its own.

The prices and quantities are those of the recordings, ids are counted anew from 1 for every connection, and the times end now.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SYMBOLS = ("BTCUSDT", "ETHUSDT")
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CHUNK = 64 * 1024


class Print(NamedTuple):
    """What stays the same of a trade when it is played again."""

    symbol: str
    price: str
    quantity: str
    buyer_is_maker: bool


def recorded_folder() -> Path:
    """The folder of the recordings; it may be absent."""
    return Path(os.environ.get("MARKETWATCH_RECORDED_DATA") or ROOT.parent / "shared" / "data")


def prints() -> tuple[list[Print], str]:
    """Real trades in their order, and where they are from; made ones where the recordings are absent."""
    folder = recorded_folder() / "binance"
    files = [folder / f"spot_{name}_20240808.gz" for name in ("btcusdt", "ethusdt")]
    if not all(path.is_file() for path in files):
        return _made(), "made trades (the recordings are absent)"
    rows: list[tuple[int, Print]] = []
    for path in files:
        with gzip.open(path, "rb") as lines:
            for line in lines:
                if b'"e":"trade"' in line:
                    received, _, frame = line.partition(b" ")
                    data = json.loads(frame)["data"]
                    rows.append((int(received), Print(data["s"], data["p"], data["q"], data["m"])))
    rows.sort(key=lambda row: row[0])
    return [row[1] for row in rows], "trades of the recorded minutes of 2024-08-08"


def _made() -> list[Print]:
    source, price = random.Random(7), {"BTCUSDT": 60_000.0, "ETHUSDT": 2_500.0}
    made = []
    for _ in range(15_000):
        symbol = source.choice(SYMBOLS)
        price[symbol] *= 1 + source.gauss(0, 1e-5)
        made.append(Print(symbol, f"{price[symbol]:.8f}", f"{source.expovariate(20):.8f}", source.random() < 0.5))
    return made


def framed(text: bytes) -> bytes:
    """One unmasked WebSocket text frame."""
    if len(text) < 126:
        return bytes((0x81, len(text))) + text
    return bytes((0x81, 126)) + len(text).to_bytes(2, "big") + text


class Stream:
    """Frames of one connection: `aggTrade` or `trade` as the address asks, ids from 1 on for each symbol."""

    def __init__(self, trades: list[Print], *, aggregate: bool) -> None:
        self._trades = trades
        self._aggregate = aggregate
        self._ids = dict.fromkeys(SYMBOLS, 0)
        self._at = 0

    def next(self, time_ms: int) -> bytes:
        """The next trade, stamped with `time_ms`, as a WebSocket frame."""
        one = self._trades[self._at % len(self._trades)]
        self._at += 1
        self._ids[one.symbol] = number = self._ids[one.symbol] + 1
        name, maker = one.symbol.lower(), "true" if one.buyer_is_maker else "false"
        if self._aggregate:
            text = (
                f'{{"stream":"{name}@aggTrade","data":{{"e":"aggTrade","E":{time_ms},"s":"{one.symbol}","a":{number},'
                f'"p":"{one.price}","q":"{one.quantity}","f":{number},"l":{number},"T":{time_ms},"m":{maker},"M":true}}}}'
            )
        else:
            text = (
                f'{{"stream":"{name}@trade","data":{{"e":"trade","E":{time_ms},"s":"{one.symbol}","t":{number},'
                f'"p":"{one.price}","q":"{one.quantity}","T":{time_ms},"m":{maker},"M":true}}}}'
            )
        return framed(text.encode())


class Venue:
    """Answers `exchangeInfo`, other REST calls with an empty list, and streams `count` trades to every WebSocket.

    `rate` trades a second are sent (0: as fast as the other side reads). At full speed they are stamped as a market of
    `density` trades a second that ends now.
    """

    def __init__(self, trades: list[Print], *, count: int, rate: float, density: float) -> None:
        self._trades = trades
        self._count = count
        self._rate = rate
        self._density = density

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, whatever it turns out to be."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1]
                if b"upgrade: websocket" in head.lower():
                    await self._stream(head, path, reader, writer)
                    return
                writer.write(_answer(_exchange_info() if b"exchangeInfo" in path else b"[]"))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _stream(self, head: bytes, path: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_handshake(head))
        stream = Stream(self._trades, aggregate=b"aggTrade" in path)
        await (self._paced(stream, writer) if self._rate else self._at_full_speed(stream, writer))
        await reader.read()

    async def _at_full_speed(self, stream: Stream, writer: asyncio.StreamWriter) -> None:
        start_ms = time.time() * 1000 - self._count / self._density * 1000
        whole = b"".join(stream.next(int(start_ms + number / self._density * 1000)) for number in range(self._count))
        for at in range(0, len(whole), _CHUNK):
            writer.write(whole[at : at + _CHUNK])
            await writer.drain()

    async def _paced(self, stream: Stream, writer: asyncio.StreamWriter) -> None:
        started, sent = time.monotonic(), 0
        while sent < self._count:
            due = min(self._count, int((time.monotonic() - started) * self._rate))
            for _ in range(due - sent):
                writer.write(stream.next(time.time_ns() // 1_000_000))
            sent = due
            await writer.drain()
            await asyncio.sleep(0.0005)


def _answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def _exchange_info() -> bytes:
    price = {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"}
    lot = {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"}
    pairs = [
        {"symbol": name, "status": "TRADING", "baseAsset": name[:3], "quoteAsset": "USDT", "isSpotTradingAllowed": True,
         "filters": [price, lot]}
        for name in SYMBOLS
    ]  # fmt: skip
    return json.dumps({"timezone": "UTC", "serverTime": time.time_ns() // 1_000_000, "symbols": pairs}).encode()


def _handshake(head: bytes) -> bytes:
    keys = [line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")]
    accept = base64.b64encode(hashlib.sha1(keys[0] + _MAGIC, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
        % accept
    )


async def _main(count: int, rate: float, density: float) -> None:
    trades, origin = prints()
    venue = Venue(trades, count=count, rate=rate, density=density)
    server = await asyncio.start_server(venue.serve, "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1], "origin": origin}), flush=True)
    await server.serve_forever()


@contextmanager
def venue(*, count: int, rate: float = 0.0, density: float = 5_000.0) -> Iterator[tuple[int, str]]:
    """A venue in a process of its own; gives its port and the origin of its trades."""
    code = f"import asyncio; from benchmarks.venue_server import _main; asyncio.run(_main({count}, {rate}, {density}))"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        hello = json.loads(process.stdout.readline())
        yield hello["port"], hello["origin"]
    finally:
        process.terminate()
        process.wait()
        process.stdout and process.stdout.close()
