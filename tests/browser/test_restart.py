"""A server that dies and comes back under an open page."""

from __future__ import annotations

import signal

import pytest
from playwright.async_api import expect

from tests.browser.conftest import GENEROUS, Open
from tests.kit.program import program

pytestmark = pytest.mark.asyncio(loop_scope="session")
BOOT = "document.querySelector('meta[name=boot]').content"


@pytest.mark.parametrize("path", ["/", "/symbols/BTCUSDT"])
async def test_killed_and_restarted_server_is_picked_up_again(look: Open, path: str) -> None:
    async with program("demo", env=GENEROUS) as first:
        await first.until("/")
        page = await look(first, path, tolerant=True)
        await page.wait_for_function("() => document.body.dataset.link === 'live'")
        boot = await page.evaluate(BOOT)
        await first.stop(signal.SIGKILL)
        await page.wait_for_function("() => document.body.dataset.link === 'lost'")
        await expect(page.locator(".lost")).to_be_visible()
        async with program("demo", env=GENEROUS, port=first.port) as second:
            await second.until("/")
            await page.wait_for_function(f"boot => {BOOT} !== boot", arg=boot)
            await page.wait_for_function("() => document.body.dataset.link === 'live'")
            await expect(page.locator(".lost")).to_be_hidden()
            price = page.locator(".price").first
            await expect(price).not_to_have_text(await price.text_content() or "")
