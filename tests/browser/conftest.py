"""A Chromium, the real program on the demo market, and pages that fail their test when anything goes wrong in them."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Literal

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.kit.ci import missing
from tests.kit.program import Program, program

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
GENEROUS = {"MARKETWATCH_RATE_LIMIT": "1000000", "MARKETWATCH_RATE_LIMIT_DATA": "1000000"}
WAIT_MS = 30_000
expect.set_options(timeout=WAIT_MS)
Open = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The Chromium of this machine; without one the test is skipped, where `CI` is set it fails."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        missing(f"No browser was found; install one of {', '.join(NAMES)}.")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield running
        await running.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def demo() -> AsyncIterator[Program]:
    """The program on the demo market, shared by the tests that only look."""
    async with program("demo", env=GENEROUS) as running:
        await running.until("/")
        yield running


class Watcher:
    """Notes what must not happen in a page: errors on the console, failures of scripts, requests that leave the origin."""

    def __init__(self, page: Page, origin: str) -> None:
        self.problems: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        page.on("request", lambda request: self._request(request.url, origin))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"console {message.type}: {message.text}")

    def _request(self, url: str, origin: str) -> None:
        if not url.startswith((origin + "/", "data:", "blob:")):
            self.problems.append(f"request to {url}")


@pytest_asyncio.fixture(loop_scope="session")
async def look(browser: Browser) -> AsyncIterator[Open]:
    """`await look(program, path, width=..., theme=..., scripts=...)` opens a page; at the end nothing may have gone wrong.

    `owner`: the browser is signed in as the owner. `tolerant` is for tests that break something on purpose.
    """
    async with AsyncExitStack() as stack:
        watchers: list[Watcher] = []

        async def open_page(
            where: Program,
            path: str,
            *,
            width: int = 1440,
            theme: Literal["dark", "light"] = "dark",
            scripts: bool = True,
            tolerant: bool = False,
            owner: bool = False,
            **more: Any,
        ) -> Page:
            context: BrowserContext = await browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=theme, java_script_enabled=scripts, **more
            )
            stack.push_async_callback(context.close)
            if owner:
                name, value = where.owner_cookie
                await context.add_cookies([{"name": name, "value": value, "url": where.url}])
            page = await context.new_page()
            page.set_default_timeout(WAIT_MS)
            if not tolerant:
                watchers.append(Watcher(page, where.url.rstrip("/")))
            await page.goto(where.url.rstrip("/") + path, wait_until="load")
            return page

        yield open_page
        problems = [problem for watcher in watchers for problem in watcher.problems]
    assert problems == []
