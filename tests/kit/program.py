"""The real program as a subprocess: starts `python -m marketwatch`, finds its port, ends it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp

from marketwatch.accounts.owner import Owner
from marketwatch.clock import SystemClock
from tests.kit.watches import TOKEN

_ROOT = Path(__file__).resolve().parents[2]


class Ended(NamedTuple):
    """How a program ended."""

    code: int
    stderr: str


class Program:
    """A running program. `url` is its address."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url
        self.log: list[str] = []

    @property
    def owner_cookie(self) -> tuple[str, str]:
        """Name and value of a cookie that makes a browser the owner's."""
        owner = Owner(token=TOKEN, clock=SystemClock())
        return owner.cookie_name, owner.new_cookie()

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    async def until(self, path: str, *, status: int = 200, timeout_s: float = 60.0) -> str:
        """Ask for `path` until it answers with `status`; the body."""
        async with aiohttp.ClientSession() as client, asyncio.timeout(timeout_s):
            while True:
                try:
                    async with client.get(self.url + path) as answer:
                        if answer.status == status:
                            return await answer.text()
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)

    async def stop(self, number: int = signal.SIGINT, timeout_s: float = 45.0) -> Ended:
        """Send a signal and wait for the end."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(timeout_s):
            code = await self.process.wait()
        return Ended(code, "".join(self.log))


@asynccontextmanager
async def program(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    port: int = 0,
    data_dir: Path | None = None,
    prefix: tuple[str, ...] = (),
) -> AsyncIterator[Program]:
    """Run the program with its own data directory (or `data_dir`, which stays); killed at the end if it still runs.

    `prefix`: words before the command, which run it in another way.
    """
    with tempfile.TemporaryDirectory(prefix="marketwatch-test-") as own:
        data = str(data_dir or own)
        keep = {name: value for name, value in os.environ.items() if not name.startswith("MARKETWATCH_")}
        process = await asyncio.create_subprocess_exec(
            *prefix,
            sys.executable,
            "-m",
            "marketwatch",
            *arguments,
            *("--host", "127.0.0.1", "--port", str(port), "--no-browser"),
            cwd=data,
            env={**keep, "PYTHONPATH": str(_ROOT), "MARKETWATCH_DATA_DIR": data, "MARKETWATCH_TOKEN": TOKEN, **(env or {})},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        match = re.search(r"http://\S+", line)
        assert match, f"no address in {line!r}: {(await process.stderr.read()).decode()}"
        running = Program(process, match[0])
        readers = [asyncio.create_task(_collect(stream, running.log)) for stream in (process.stdout, process.stderr)]
        try:
            yield running
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await asyncio.gather(*readers)


async def _collect(stream: asyncio.StreamReader, into: list[str]) -> None:
    async for line in stream:
        into.append(line.decode(errors="replace"))
