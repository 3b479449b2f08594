"""The rule lab in a browser: type and see, drag by pointer and by keys, take the suggestion, watch progress and cancel."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import orjson
import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import WAIT_MS, Open
from tests.kit.program import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")
RULE = "/alerts/lab?expression=change(10)+<=+-0.001&symbols=BTCUSDT&span=1h"
NUMBER = re.compile(r"^change\(10\) <= (-?[\d.]+)$")


async def threshold_of(page: Page) -> float:
    """The number that stands in the rule now."""
    found = NUMBER.match(await page.locator("#expression").input_value())
    assert found is not None
    return float(found[1])


async def until(page: Page, condition: str) -> None:
    """Wait until something is so in the page; Playwright's own way needs `eval`, which the pages forbid."""
    async with asyncio.timeout(WAIT_MS / 1000):
        while not await page.evaluate(f"Boolean({condition})"):
            await asyncio.sleep(0.05)


async def lab(look: Open, demo: Program, path: str = RULE, **more: Any) -> Page:
    """The lab with a line to drag, once the market has been running long enough for one."""
    async with asyncio.timeout(60):
        while "lab-line" not in await demo.until(path):
            await asyncio.sleep(0.5)
    page = await look(demo, path, **more)
    await expect(page.locator("#threshold")).to_be_visible(timeout=WAIT_MS)
    return page


async def test_rule_that_is_typed_is_answered_and_kept_in_the_address(demo: Program, look: Open) -> None:
    page = await look(demo, "/alerts/lab")
    await expect(page.get_by_text("Write a rule to see")).to_be_visible()
    await page.locator("#expression").fill("price > 0")
    await expect(page.locator("#outcome .strip")).to_contain_text("Firings", timeout=WAIT_MS)
    await expect(page).to_have_url(re.compile(r"expression=price\+%3E\+0"))
    await page.locator("#expression").fill("pric > 0")
    await expect(page.locator("#outcome .mistake mark")).to_have_text("pric", timeout=WAIT_MS)
    await expect(page.locator("#expression")).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#lab-chart")).to_be_hidden()


async def test_threshold_is_dragged_by_pointer_and_the_rule_is_asked_anew(demo: Program, look: Open) -> None:
    page = await lab(look, demo)
    before = await threshold_of(page)
    count = await page.locator("#outcome").get_attribute("data-count")
    box = await page.locator("#threshold").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x, y + 30, steps=6)
    await page.mouse.up()
    assert await threshold_of(page) < before
    await expect(page.locator("#outcome")).not_to_have_attribute("data-count", str(count), timeout=WAIT_MS)
    moved = await threshold_of(page)
    await expect(page.locator("#lab-line")).to_have_attribute("data-threshold", str(moved), timeout=WAIT_MS)
    await expect(page.locator("#threshold-value")).to_have_text(
        f"<= {await page.locator('#threshold').get_attribute('aria-valuenow')}"
    )


async def test_threshold_is_moved_by_keys_and_says_what_it_does(demo: Program, look: Open) -> None:
    page = await lab(look, demo)
    handle = page.locator("#threshold")
    await expect(handle).to_have_role("slider")
    before = await threshold_of(page)
    await handle.press("ArrowDown")
    after = await threshold_of(page)
    assert after < before
    for _ in range(2):
        await handle.press("PageUp")
    assert await threshold_of(page) > before
    await handle.press("Home")  # the least that was seen, as its number is written: a few steps may lie below the digits
    await expect(page.locator("#outcome")).to_have_attribute("data-count", re.compile(r"^\d$"), timeout=WAIT_MS)
    await handle.press("ArrowUp")
    await expect(handle).to_have_attribute(
        "aria-valuetext", re.compile(r"^change\(10\) <= -[\d.]+, \d+ firings$"), timeout=WAIT_MS
    )
    await expect(handle).to_be_focused()


async def test_threshold_of_a_price_lies_on_the_candles(demo: Program, look: Open) -> None:
    page = await lab(look, demo, "/alerts/lab?expression=price+>+1&symbols=BTCUSDT&span=1h")
    await page.locator("#threshold").press("End")
    await expect(page.locator("#expression")).to_have_value(re.compile(r"^price > \d{3,}"))
    assert await page.locator("#chart").get_attribute("data-metric") == "price"


async def test_suggestion_is_taken_with_one_click(demo: Program, look: Open) -> None:
    page = await lab(look, demo, RULE + "&per_day=4000")
    text = await page.locator("#take").get_attribute("data-expression")
    await expect(page.locator(".tip")).to_contain_text("Firings")
    await page.locator("#take").click()
    assert await page.locator("#expression").input_value() == text
    assert text is not None
    await expect(page.locator("#lab-line")).to_have_attribute("data-threshold", str(float(text.split()[-1])), timeout=WAIT_MS)
    link = page.get_by_role("link", name="Save as rule")
    assert "/alerts/rules/new?expression=change" in str(await link.get_attribute("href"))


async def test_progress_is_shown_and_a_changed_mind_ends_the_question(demo: Program, look: Open) -> None:
    """The stream is played by the test, so that it stands still for as long as is needed."""
    page = await look(demo, "/alerts/lab?expression=price+>+0&symbols=BTCUSDT")
    lines = [
        {"type": "progress", "place": 2, "share": 0.0, "symbol": "", "elapsed_s": 1.0},
        {"type": "progress", "place": 0, "share": 0.42, "symbol": "ETHUSDT", "elapsed_s": 7.0},
    ]
    await page.evaluate(
        """(lines) => {
            const real = window.fetch;
            window.aborted = 0;
            window.fetch = (url, options) => {
                if (!String(url).startsWith("/stream/lab")) return real(url, options);
                options.signal.addEventListener("abort", () => { window.aborted += 1; });
                const body = new ReadableStream({ start(control) {
                    window.tell = (at) => control.enqueue(new TextEncoder().encode(lines[at] + "\\n"));
                    options.signal.addEventListener("abort", () => control.error(new DOMException("", "AbortError")));
                } });
                return Promise.resolve(new Response(body));
            };
        }""",
        [orjson.dumps(line).decode() for line in lines],
    )
    await page.locator("#expression").fill("price > 1")
    await until(page, "window.tell")
    await until(page, "document.getElementById('lab').classList.contains('asking')")
    await page.wait_for_timeout(400)
    await page.evaluate("window.tell(0)")
    await expect(page.locator("#working-text")).to_have_text("Waiting: 2 questions are before yours.")
    await page.evaluate("window.tell(1)")
    await expect(page.locator("#working-text")).to_have_text("42 % · ETHUSDT · 7 s")
    assert await page.locator("#progress").evaluate("(bar) => bar.value") == 42
    await page.locator("#expression").fill("price > 12")
    await until(page, "window.aborted === 1")
    await page.wait_for_timeout(800)
    await page.evaluate("window.tell(1)")
    await page.get_by_role("button", name="Cancel").press("Enter")
    await until(page, "window.aborted === 2")
    await expect(page.locator("#working")).to_be_hidden()
    await expect(page.locator("#expression")).to_be_focused()


async def test_lab_that_does_not_answer_says_so(demo: Program, look: Open) -> None:
    page = await look(demo, "/alerts/lab", tolerant=True)

    async def refuse(route: Route) -> None:
        await route.fulfill(status=503, body="no")

    await page.route("**/stream/lab*", refuse)
    await page.locator("#expression").fill("price > 1")
    await expect(page.locator("#working-text")).to_have_text("The lab does not answer now (503).", timeout=WAIT_MS)


async def test_lab_without_scripts_answers_the_form(demo: Program, look: Open) -> None:
    page = await look(demo, "/alerts/lab", scripts=False)
    await page.locator("#expression").fill("price > 0")
    await page.get_by_role("button", name="Try it").click()
    await expect(page.locator("#outcome .strip")).to_contain_text("Firings")
    await expect(page.get_by_role("link", name="Save as rule")).to_be_visible()
