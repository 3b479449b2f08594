"""A portfolio from nothing to profit and loss that moves, by what a person sees and presses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.test_every_page import violations
from tests.kit.program import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")
HEAD = "Date(UTC),Pair,Side,Price,Executed,Amount,Fee\n"


def export(rows: int) -> bytes:
    """A Binance trade history: a purchase a minute of 0.001 BTC and 0.01 ETH by turns."""
    lines = []
    for number in range(rows):
        pair, quantity, price = ("BTCUSDT", "0.001BTC", 40_000) if number % 2 else ("ETHUSDT", "0.01ETH", 2_000)
        time = f"2026-01-{1 + number // 1440:02} {number // 60 % 24:02}:{number % 60:02}:00"
        lines.append(f"{time},{pair},BUY,{price},{quantity},{price / (1000 if number % 2 else 100)}USDT,0.01USDT")
    return (HEAD + "\n".join(lines) + "\n").encode()


async def shot(page: Page, name: str) -> None:
    """Kept where somebody asked for it, to be looked at."""
    folder = os.environ.get("MARKETWATCH_SHOTS")
    if folder:
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def test_portfolio_made_and_imported_shows_profit_that_moves(demo: Program, look: Open) -> None:
    page = await look(demo, "/portfolio", owner=True)
    await page.get_by_label("Name").fill("Savings")
    await page.get_by_role("button", name="New portfolio").click()
    await page.get_by_role("link", name="Import a file").click()
    await page.get_by_label("CSV file").set_input_files({"name": "trades.csv", "mimeType": "text/csv", "buffer": export(1000)})
    await page.get_by_role("button", name="Look at it").click()
    await expect(page.get_by_role("heading", name="Binance spot trade history")).to_be_visible()
    assert await violations(page) == []
    await shot(page, "import")
    await page.get_by_role("button", name="Import 1000 transactions").click()
    await expect(page.locator("#holdings tbody tr")).to_have_count(2)
    value = page.locator("#worth dd b").first
    before = await value.inner_text()
    await expect(value).not_to_have_text(before)
    assert await violations(page) == []
    await shot(page, "portfolio-dark")
    for width in (768, 320):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await shot(page, f"portfolio-{width}")
    light = await look(demo, page.url.removeprefix(demo.url.rstrip("/")), owner=True, theme="light")
    assert await violations(light) == []
    await shot(light, "portfolio-light")


async def test_columns_of_an_unknown_file_are_chosen_by_keyboard_without_scripts(demo: Program, look: Open) -> None:
    page = await look(demo, "/portfolio", owner=True, scripts=False, tolerant=True)
    await page.get_by_label("Name").fill("By hand")
    await page.get_by_role("button", name="New portfolio").click()
    await page.get_by_role("link", name="Import a file").click()
    await page.get_by_label("or its text").fill("Wann,Type,Coin,Menge,Price\n2026-01-01,buy,BTC,0.5,40000\n")
    await page.get_by_role("button", name="Look at it").press("Enter")
    await page.get_by_label("Time").press("w")
    await page.get_by_label("Quantity").press("m")
    await shot(page, "columns-unknown")
    await page.get_by_role("button", name="Look again").press("Enter")
    await expect(page.get_by_role("row", name="BTC 0.5 40000 USD")).to_be_visible()
    await page.set_viewport_size({"width": 320, "height": 900})
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.get_by_role("button", name="Import 1 transaction").press("Enter")
    await expect(page.locator("#holdings tbody tr")).to_have_count(1)


async def test_watchlist_is_made_by_a_person_without_scripts(demo: Program, look: Open) -> None:
    page = await look(demo, "/watchlist", owner=True, scripts=False)
    await page.get_by_label("Name of the list").fill("main")
    await page.get_by_label("First symbol of the list").fill("bitcoin")
    await page.get_by_role("button", name="Make it").click()
    await expect(page.get_by_role("link", name="BTCUSDT", exact=True).last).to_be_visible()
    await shot(page, "watchlist")
