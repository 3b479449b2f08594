"""What holds for every page: accessible, narrow enough, usable by keyboard and without scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Open
from tests.kit.program import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")
AXE = Path(__file__).parent / "vendor" / "axe-core-4.14.1.min.js"
PAGES = (
    "/",
    "/?view=gainers&q=zzz",
    "/symbols/BTCUSDT",
    "/alerts",
    "/alerts?state=firing&coin=BTC",
    "/status",
    "/search?q=o",
    "/screener",
)


async def violations(page: Page) -> list[str]:
    """What axe finds, in one line each."""
    await page.evaluate(AXE.read_text("utf-8"))
    found: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{item['id']}: {item['help']}: {[node['html'][:160] for node in item['nodes'][:3]]}" for item in found["violations"]
    ]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_axe_finds_nothing(demo: Program, look: Open, path: str, theme: Literal["dark", "light"]) -> None:
    page = await look(demo, path, theme=theme)
    await page.wait_for_timeout(700)
    if "symbols" in path or path == "/status":
        await page.locator("main details summary").click()
    assert await violations(page) == []


@pytest.mark.parametrize("path", ["/nothing/here", "/symbols/NOPE"])
async def test_axe_finds_nothing_on_error_pages(demo: Program, look: Open, path: str) -> None:
    page = await look(demo, path, tolerant=True)
    await expect(page.get_by_role("link", name="Go to the overview")).to_be_visible()
    assert await violations(page) == []


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [320, 768])
async def test_page_has_no_sideways_scroll(demo: Program, look: Open, path: str, width: int) -> None:
    page = await look(demo, path, width=width)
    await page.wait_for_timeout(500)
    widest = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widest[0] <= widest[1]


@pytest.mark.parametrize("width", [660, 800, 1010, 1180, 1250, 1366, 1440])
async def test_table_stays_in_its_column(demo: Program, look: Open, width: int) -> None:
    page = await look(demo, "/", width=width)
    tag = "<em class='tag soft'>no trade for 45 s</em><em class='tag warn'>gap 12 s</em>"
    await page.evaluate("tag => document.querySelector('.sym').insertAdjacentHTML('beforeend', tag)", tag)
    right = "name => document.querySelector(name).getBoundingClientRect().right"
    assert await page.evaluate(right, ".market") <= await page.evaluate(right, "#market") + 1


async def test_long_list_fits_a_phone(demo: Program, look: Open) -> None:
    page = await look(demo, "/", width=320)
    await page.evaluate("document.querySelector('.market').classList.remove('cards')")
    widest = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widest[0] <= widest[1]


@pytest.mark.parametrize("path", ["/", "/symbols/BTCUSDT", "/alerts", "/status"])
async def test_axe_finds_nothing_on_a_phone(demo: Program, look: Open, path: str) -> None:
    page = await look(demo, path, width=320)
    await page.wait_for_timeout(500)
    assert await violations(page) == []


async def test_overview_is_walked_by_keyboard_alone(demo: Program, look: Open) -> None:
    page = await look(demo, "/")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    seen: list[str] = []
    for _ in range(40):
        await page.keyboard.press("Tab")
        seen.append(await page.evaluate("document.activeElement.textContent.trim() || document.activeElement.id"))
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", seen[-1]
        if seen[-1].startswith("BTC"):
            break
    assert seen[:1] == ["q"]
    assert "Price" in seen
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/symbols/BTCUSDT")


async def test_sorting_by_keyboard(demo: Program, look: Open) -> None:
    page = await look(demo, "/")
    await page.get_by_role("columnheader", name="24 h", exact=True).get_by_role("link").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("th[aria-sort=descending]")).to_have_text("24 h↓")


async def test_pages_show_their_data_without_scripts(demo: Program, look: Open) -> None:
    page = await look(demo, "/", scripts=False)
    rows = page.locator(".market tbody tr")
    assert await rows.count() == 8
    assert "," in (await page.locator(".market .price").first.text_content() or "")
    await page.get_by_role("columnheader", name="Price").get_by_role("link").click()
    assert (await page.locator(".market .sym b").all_text_contents())[0] == "BTC"
    await page.locator("#q").fill("doge")
    await page.keyboard.press("Enter")
    await expect(rows).to_have_count(1)


async def test_symbol_page_works_without_scripts(demo: Program, look: Open) -> None:
    page = await look(demo, "/symbols/ETHUSDT", scripts=False)
    await page.get_by_role("link", name="24H", exact=True).click()
    await page.get_by_text("Candles as a table").click()
    assert await page.locator("#candles tbody tr").count() >= 10
    await page.get_by_role("button", name="Light").click()
    assert page.url.endswith("/symbols/ETHUSDT")
    await expect(page.locator("html")).to_have_attribute("data-theme", "light")
    await page.locator("#search").fill("cardano")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/symbols/ADAUSDT")


async def test_status_tells_of_feed_store_and_settings(demo: Program, look: Open) -> None:
    page = await look(demo, "/status")
    await expect(page.get_by_role("rowheader", name="Demo market")).to_be_visible()
    await expect(page.locator("#box-store")).to_contain_text("SQLite")
    uptime = await page.locator("#box-process").text_content()
    await expect(page.locator("#box-process")).not_to_have_text(uptime or "")
    await page.get_by_text("Settings").click()
    await expect(page.get_by_role("rowheader", name="sample_ms")).to_be_visible()
