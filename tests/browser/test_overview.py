"""The market overview in a browser."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Open
from tests.kit.program import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")
PRICES = "[...document.querySelectorAll('.market tbody .price')].map(cell => cell.textContent)"


async def bases(page: Page) -> list[str]:
    """The symbols of the table from top to bottom."""
    return await page.locator(".market .sym b").all_text_contents()


async def test_prices_change_by_themselves(demo: Program, look: Open) -> None:
    page = await look(demo, "/")
    before = await page.evaluate(PRICES)
    await page.wait_for_function(f"before => JSON.stringify({PRICES}) !== before", arg=_json(before))
    await page.wait_for_selector(".price .up0, .price .up1, .price .down0, .price .down1", state="attached")
    assert await page.evaluate("document.body.dataset.link") == "live"


def _json(values: list[str]) -> str:
    return "[" + ",".join(f'"{value}"' for value in values) + "]"


async def test_rows_keep_their_order_and_their_elements_while_prices_change(demo: Program, look: Open) -> None:
    page = await look(demo, "/?sort=24h&dir=desc")
    order = await bases(page)
    await page.evaluate("for (const row of document.querySelectorAll('.market tbody tr')) row.marked = true")
    before = await page.evaluate(PRICES)
    await page.wait_for_function(f"before => JSON.stringify({PRICES}) !== before", arg=_json(before))
    assert await bases(page) == order
    assert await page.evaluate("[...document.querySelectorAll('.market tbody tr')].every(row => row.marked)")


async def test_headings_sort(demo: Program, look: Open) -> None:
    page = await look(demo, "/")
    await page.get_by_role("columnheader", name="Price").get_by_role("link").click()
    await expect(page.locator("th[aria-sort=descending]")).to_have_text("Price↓")
    assert (await bases(page))[0] == "BTC"
    await page.get_by_role("columnheader", name="Price").get_by_role("link").click()
    await expect(page.locator("th[aria-sort=ascending]")).to_have_text("Price↑")
    assert (await bases(page))[-1] == "BTC"


async def test_filter_narrows_while_typing_and_survives_updates(demo: Program, look: Open) -> None:
    page = await look(demo, "/")
    await page.locator("#q").press_sequentially("eth", delay=30)
    await expect(page.locator(".market tbody tr")).to_have_count(1)
    assert await bases(page) == ["ETH"]
    assert page.url.endswith("/?q=eth")
    price = await page.locator(".market .price").text_content()
    await expect(page.locator(".market .price")).not_to_have_text(price or "")
    await expect(page.locator("#q")).to_have_value("eth")
    await expect(page.locator("#q")).to_be_focused()
    await page.locator("#q").fill("nothing like this")
    await expect(page.get_by_text("No symbol matches “nothing like this”.")).to_be_visible()


async def test_views_filter(demo: Program, look: Open) -> None:
    page = await look(demo, "/")
    await page.get_by_role("link", name="Gainers").click()
    await expect(page.locator(".chip[aria-current]")).to_have_text("Gainers")
    assert await page.locator("tbody td.h24.down").count() == 0


async def test_search_by_keyboard_leads_to_a_symbol(demo: Program, look: Open) -> None:
    page = await look(demo, "/")
    await page.keyboard.press("/")
    await expect(page.locator("#search")).to_be_focused()
    await page.keyboard.type("sola")
    await expect(page.locator("#found a")).to_have_count(1)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/symbols/SOLUSDT")


async def test_search_closes_with_escape(demo: Program, look: Open) -> None:
    page = await look(demo, "/")
    await page.locator("#search").press_sequentially("b")
    await expect(page.locator("#found a").first).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#found a")).to_have_count(0)


async def test_theme_switch_acts_at_once_and_is_kept(demo: Program, look: Open) -> None:
    page = await look(demo, "/")
    dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.get_by_role("button", name="Light").click()
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    await page.reload()
    assert await page.evaluate("document.documentElement.dataset.theme") == "light"
    await expect(page.get_by_role("button", name="Light")).to_have_attribute("aria-pressed", "true")


async def test_demo_is_unmistakable(demo: Program, look: Open) -> None:
    page = await look(demo, "/")
    await expect(page.locator(".mark strong")).to_have_text("Demo")
    assert await page.title() == "Market · Demo · marketwatch"
    plain = await page.evaluate("getComputedStyle(document.querySelector('.side')).backgroundColor")
    assert await page.evaluate("getComputedStyle(document.querySelector('.top')).backgroundColor") != plain


async def test_reduced_motion_is_respected(demo: Program, look: Open) -> None:
    page = await look(demo, "/", reduced_motion="reduce")
    await page.wait_for_selector(".price .up0, .price .up1, .price .down0, .price .down1", state="attached")
    moving = "[...document.querySelectorAll('.price span')].some(e => getComputedStyle(e, '::after').animationName !== 'none')"
    assert await page.evaluate(moving) is False


async def test_clock_goes_on(demo: Program, look: Open) -> None:
    page = await look(demo, "/")
    time = await page.locator("#clock").text_content()
    await expect(page.locator("#clock")).not_to_have_text(time or "")
