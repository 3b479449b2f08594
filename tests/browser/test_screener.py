"""The screener by what a person sees and presses: a filter written, rows that live, an order, a name, an alert."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.test_every_page import violations
from tests.kit.program import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")
QUERY = {"filter": "price > 0", "columns": "price, spread_bps, trade_rate(10), rsi(14, 1m)", "sort": "price"}
ADDRESS = f"/screener?{urlencode(QUERY)}"


async def shot(page: Page, name: str) -> None:
    """Kept where somebody asked for it, to be looked at."""
    folder = os.environ.get("MARKETWATCH_SHOTS")
    if folder:
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def names(page: Page) -> list[str]:
    return await page.locator("#matches th").all_text_contents()


async def test_screen_written_by_keyboard_lives_is_sorted_kept_and_made_an_alert(demo: Program, look: Open) -> None:
    page = await look(demo, "/screener", owner=True)
    await expect(page.get_by_role("link", name="Falling fast")).to_be_visible()
    await page.get_by_label("Filter", exact=True).focus()
    await page.keyboard.type("pri")
    await expect(page.locator("#complete-filter li").first).to_be_visible()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Escape")
    filled = await page.get_by_label("Filter", exact=True).input_value()
    assert filled.startswith("price")
    await page.get_by_label("Filter", exact=True).fill("price > 1")
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Columns", exact=True)).to_be_focused()
    await page.get_by_label("Columns", exact=True).fill("price, spread_bps, trade_rate(10)")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/screener?filter=*")
    assert "BTCUSDT" in await names(page)
    assert "DOGEUSDT" not in await names(page)
    price = page.locator("#matches tr", has_text="BTCUSDT").locator("td").first
    await expect(price).not_to_have_text(await price.inner_text())
    heading = page.get_by_role("columnheader", name="price").get_by_role("link")
    for word in ("descending", "ascending"):
        await heading.focus()
        await page.keyboard.press("Enter")
        await expect(page.locator(f"th[aria-sort={word}]")).to_contain_text("price")
    assert (await names(page))[-1] == "BTCUSDT"
    await page.get_by_label("Name of the screen").fill("Above a dollar")
    await page.get_by_role("button", name="Save", exact=True).focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".chip[aria-current]", has_text="Above a dollar")).to_be_visible()
    await expect(page.get_by_label("Columns", exact=True)).to_have_value("price, spread_bps, trade_rate(10)")
    await shot(page, "screener-saved")
    await page.get_by_role("link", name="Make this an alert").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Name", exact=True)).to_have_value("Above a dollar")
    await expect(page.locator("#expression")).to_have_value("price > 1")
    await page.go_back()
    await page.get_by_role("button", name="Delete Above a dollar").click()
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator(".chip[aria-current]", has_text="Above a dollar")).to_be_visible()


async def test_star_of_a_live_row_stays_while_the_row_moves_and_leads_to_a_list(demo: Program, look: Open) -> None:
    page = await look(demo, "/", owner=True)
    price = page.locator("#r0 .price span")
    await expect(price).not_to_have_text(await price.inner_text())
    star = page.get_by_role("link", name="Add BTCUSDT to a watchlist")
    await expect(star).to_be_visible()
    await expect(page.locator("#s0 svg")).to_be_visible()
    await star.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Add BTCUSDT to a list")).to_be_visible()


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_screen_is_sound_in_both_themes_and_narrow(demo: Program, look: Open, theme: Literal["dark", "light"]) -> None:
    page = await look(demo, ADDRESS, theme=theme, owner=True)
    assert await violations(page) == []
    await shot(page, f"screener-{theme}")
    for width in (768, 320):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await shot(page, f"screener-{theme}-{width}")
    assert await violations(page) == []


async def test_screen_works_without_scripts(demo: Program, look: Open) -> None:
    page = await look(demo, "/screener", scripts=False)
    await page.get_by_label("Filter", exact=True).fill("price >")
    await page.get_by_role("button", name="Show").click()
    await expect(page.locator("#filter-wrong")).to_contain_text("A value is missing here")
    await page.get_by_label("Filter", exact=True).fill("price > 1000")
    await page.get_by_role("button", name="Show").click()
    assert sorted(await names(page)) == ["BTCUSDT", "ETHUSDT"]
    await page.get_by_role("link", name="With spread_bps").click()
    await expect(page.get_by_role("columnheader", name="spread_bps")).to_be_visible()
