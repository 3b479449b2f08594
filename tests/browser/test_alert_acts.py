"""What people do with an alert in the browser: acknowledge, snooze, silence, and look after what could not be delivered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import GENEROUS, WAIT_MS, Open
from tests.browser.test_every_page import violations
from tests.kit.program import Program, program

pytestmark = pytest.mark.asyncio(loop_scope="session")
QUIET = "alert_thresholds: {volatility: off, drawdown: off, data_age: off}\n"
RULES = f"""{QUIET}rules:
  - {{name: Price is there, expression: price > 0, symbols: [BTCUSDT, ETHUSDT], severity: critical, channels: [app, webhook]}}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def firing(tmp_path: Path) -> AsyncIterator[Program]:
    """A program in which two alerts fire, whose notices to a webhook cannot be delivered."""
    path = tmp_path / "rules.yml"
    path.write_text(RULES, "utf-8")
    env = {
        **GENEROUS,
        "MARKETWATCH_RULES": str(path),
        "MARKETWATCH_FEED": "demo",
        "MARKETWATCH_WEBHOOK_URL": "http://127.0.0.1:9/hook",
    }
    async with program("run", env=env) as running:
        await running.until("/alerts")
        yield running


async def rows(page: Page, count: int) -> None:
    await expect(page.locator("#active .alert-list > li")).to_have_count(count, timeout=WAIT_MS)


async def test_acknowledged_by_pointer_and_by_keyboard_the_count_falls_in_every_tab(firing: Program, look: Open) -> None:
    page = await look(firing, "/alerts", owner=True)
    await rows(page, 2)
    other = await page.context.new_page()
    await other.goto(firing.url.rstrip("/") + "/")
    await expect(other.locator("#bell a b")).to_have_text("2", timeout=WAIT_MS)
    await page.bring_to_front()
    await page.locator("#active").get_by_role("button", name="Acknowledge Price is there, BTC").click()
    await expect(page.locator("#active .alert-list > li", has_text="BTC")).to_contain_text("seen", timeout=WAIT_MS)
    await other.bring_to_front()
    await expect(other.locator("#bell a b")).to_have_text("1", timeout=WAIT_MS)
    await page.bring_to_front()
    await page.locator("#active").get_by_role("button", name="Acknowledge Price is there, ETH").press("Enter")
    await expect(page.get_by_role("link", name="Alerts: nothing fires")).to_be_visible(timeout=WAIT_MS)
    await expect(page.locator("#count")).to_have_text("", timeout=WAIT_MS)
    await page.locator("#active").get_by_role("button", name="Not seen: Price is there, ETH").press("Enter")
    await expect(page.locator("#bell a b")).to_have_text("1", timeout=WAIT_MS)


async def test_snooze_and_silence_from_the_page_and_undo(firing: Program, look: Open) -> None:
    page = await look(firing, "/alerts", owner=True)
    await rows(page, 2)
    await page.get_by_label("How long to snooze Price is there, BTC").select_option("4h")
    await page.get_by_role("button", name="Snooze Price is there, BTC").click()
    await expect(page.locator("#active .alert-list > li", has_text="BTC")).to_contain_text("snoozed until", timeout=WAIT_MS)
    await expect(page.locator("#silences .silence-list").first).to_contain_text("symbol BTCUSDT", timeout=WAIT_MS)
    await page.locator("#active").get_by_role("link", name="Silence like this: Price is there, ETH").click()
    await expect(page.get_by_label("Symbol", exact=True)).to_have_value("ETHUSDT", timeout=WAIT_MS)
    await page.get_by_label("Why").fill("<b>Maintenance</b>")
    await page.get_by_role("button", name="Silence", exact=True).press("Enter")
    await expect(page.locator("#silences .silence-list").first).to_contain_text("<b>Maintenance</b>", timeout=WAIT_MS)
    await expect(page.get_by_role("link", name="Alerts: nothing fires")).to_be_visible(timeout=WAIT_MS)
    assert await violations(page) == []
    await page.get_by_role("button", name="End now:", exact=False).first.click()
    await expect(page.locator("#bell a b")).to_have_text("1", timeout=WAIT_MS)
    await expect(page.locator("#silences .past")).to_be_visible(timeout=WAIT_MS)


async def test_toast_is_acknowledged_and_shows_once_over_two_tabs(firing: Program, look: Open) -> None:
    page = await look(firing, "/", owner=True)
    await rows_of_toasts(page)
    other = await page.context.new_page()
    await other.goto(firing.url.rstrip("/") + "/status")
    await other.wait_for_timeout(1_500)
    await expect(other.locator(".toast")).to_have_count(0, timeout=WAIT_MS)
    await page.bring_to_front()
    before = await page.locator(".toast").count()
    await page.locator(".toast").first.get_by_role("button", name="Acknowledge").click()
    await expect(page.locator(".toast")).to_have_count(before - 1, timeout=WAIT_MS)
    await expect(page.locator("#bell a b")).to_have_text("1", timeout=WAIT_MS)


async def rows_of_toasts(page: Page) -> None:
    """At least one toast; a page that opens late makes its own by loading while the alert is fresh."""
    await expect(page.locator("#bell a b")).to_have_text("2", timeout=WAIT_MS)
    if not await page.locator(".toast").count():
        item = "document.querySelector('#told li').dataset.time"
        await page.evaluate(
            f"localStorage.removeItem('told'); {item} = String(Date.now() + 1e6); dispatchEvent(new Event('x'))"
        )
        await page.evaluate("document.querySelector('.state').append(document.createComment('x'))")
    await expect(page.locator(".toast").first).to_be_visible(timeout=WAIT_MS)


async def test_stranger_finds_no_button(firing: Program, look: Open) -> None:
    page = await look(firing, "/alerts")
    await rows(page, 2)
    await expect(page.get_by_role("button", name="Acknowledge", exact=False)).to_have_count(0, timeout=WAIT_MS)
    await expect(page.get_by_text("Silence alerts", exact=True)).to_be_hidden()


async def test_dead_letter_is_shown_and_tried_again_without_scripts(firing: Program, look: Open) -> None:
    page = await look(firing, "/alerts/deliveries?state=dead", owner=True, scripts=False)
    for _ in range(30):
        if await page.get_by_role("button", name="Try all that were given up again").count():
            break
        await page.wait_for_timeout(500)
        await page.reload()
    await expect(page.get_by_text("is refused: it is this machine").first).to_be_visible(timeout=WAIT_MS)
    await page.get_by_role("button", name="Send a test notice by webhook").click()
    await expect(page.locator("#trial")).to_contain_text("is refused: it is this machine", timeout=WAIT_MS)
    await page.get_by_role("link", name="Given up").click()
    await page.get_by_role("button", name="Discard the notice", exact=False).first.click()
    await page.get_by_role("link", name="Discarded").click()
    await expect(page.locator(".deliveries tbody tr")).to_have_count(1, timeout=WAIT_MS)


async def test_settings_of_sound_and_notification_are_remembered_and_reach_other_tabs(firing: Program, look: Open) -> None:
    page = await look(firing, "/alerts", permissions=["notifications"])
    await page.get_by_text("Sound and notifications of this browser").click()
    box = page.locator("#notify input[name=sound][value=critical]")
    await box.check()
    await page.reload()
    await page.get_by_text("Sound and notifications of this browser").click()
    await expect(box).to_be_checked()
    await page.get_by_role("button", name="Try them").press("Enter")
    assert await violations(page) == []


@pytest.mark.parametrize("width", [320, 768])
async def test_pages_of_acts_fit_a_phone(firing: Program, look: Open, width: int) -> None:
    for path in ("/alerts", "/alerts/deliveries"):
        page = await look(firing, path, owner=True, width=width)
        await page.wait_for_timeout(600)
        widest = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widest[0] <= widest[1], path
        assert await violations(page) == []
