"""The page of a symbol in a browser."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Open
from tests.kit.program import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")
PAGE = "/symbols/BTCUSDT"


async def ready(page: Page, bars: int = 50) -> None:
    """Wait until the chart shows at least `bars` candles."""
    await page.wait_for_function(
        "bars => { const chart = document.getElementById('chart');"
        " return chart.dataset.state === 'ready' && Number(chart.dataset.bars) >= bars; }",
        arg=bars,
    )


async def test_chart_draws_and_moves_with_the_market(demo: Program, look: Open) -> None:
    page = await look(demo, PAGE)
    await ready(page)
    assert await page.locator("#chart canvas").count() > 0
    colours = """() => { const canvas = document.querySelector('#chart canvas');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        return new Set([...Array(data.length / 4).keys()].map(i => data[4*i] << 16 | data[4*i+1] << 8 | data[4*i+2])).size; }"""
    assert await page.evaluate(colours) > 5
    close = await page.evaluate("document.getElementById('chart').dataset.close")
    await page.wait_for_function("close => document.getElementById('chart').dataset.close !== close", arg=close)


@pytest.mark.parametrize(("label", "interval"), [("24H", "5m"), ("7D", "1h"), ("1M", "4h")])
async def test_range_buttons_load_other_candles(demo: Program, look: Open, label: str, interval: str) -> None:
    page = await look(demo, PAGE)
    await ready(page)
    await page.locator("#chart").evaluate("chart => { chart.dataset.state = 'old'; }")
    await page.get_by_role("link", name=label, exact=True).click()
    await ready(page, 20)
    await expect(page.locator("#interval")).to_have_text(interval)
    await expect(page.locator(".ranges a[aria-current]")).to_have_text(label)
    assert page.url.endswith(f"?range={label.lower()}")
    await expect(page.locator("#candles caption")).to_contain_text(interval)


async def test_chart_is_read_by_keyboard(demo: Program, look: Open) -> None:
    page = await look(demo, PAGE)
    await ready(page)
    await page.locator("#chart").focus()
    await page.keyboard.press("Home")
    first = await page.locator("#legend").text_content()
    await page.keyboard.press("ArrowRight")
    second = await page.locator("#legend").text_content()
    assert first != second
    for key in ("+", "-", "Shift+ArrowLeft", "End"):
        await page.keyboard.press(key)
    await expect(page.locator("#legend")).to_contain_text("SMA")


async def test_crosshair_shows_the_candle_under_the_pointer(demo: Program, look: Open) -> None:
    page = await look(demo, PAGE)
    await ready(page)
    box = await page.locator("#chart").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + 120, box["y"] + 120)
    left = await page.locator("#legend span").first.text_content()
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 120)
    await expect(page.locator("#legend span").first).not_to_have_text(left or "")


async def test_wheel_zooms_the_chart_and_not_the_page(demo: Program, look: Open) -> None:
    page = await look(demo, PAGE)
    await ready(page)
    box = await page.locator("#chart").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + 300, box["y"] + 150)
    await page.mouse.wheel(0, -400)
    assert await page.evaluate("scrollY") == 0


async def test_head_tape_and_metrics_live(demo: Program, look: Open) -> None:
    page = await look(demo, PAGE)
    price = await page.locator("#head .price").text_content()
    newest = await page.locator("#prints tbody tr").first.text_content()
    await expect(page.locator("#head .price")).not_to_have_text(price or "")
    await expect(page.locator("#prints tbody tr").first).not_to_have_text(newest or "")
    await expect(page.get_by_role("row", name="Volatility")).to_contain_text("%")


async def test_candles_stand_in_a_table_too(demo: Program, look: Open) -> None:
    page = await look(demo, PAGE)
    await page.get_by_text("Candles as a table").click()
    await expect(page.get_by_role("region", name="Candle table")).to_be_visible()
    assert await page.locator("#candles tbody tr").count() >= 10


async def test_chart_follows_the_theme(demo: Program, look: Open) -> None:
    page = await look(demo, PAGE)
    await ready(page)
    before = await page.locator("#chart").screenshot()
    await page.get_by_role("button", name="Light").click()
    assert await page.locator("#chart").screenshot() != before
