"""The time cursor: from an alert to the market at its moment, scrubbed there, and back to live; by pointer and by keyboard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import GENEROUS, Open
from tests.browser.test_every_page import violations
from tests.kit.program import Program, program

pytestmark = pytest.mark.asyncio(loop_scope="session")
RULES = """rules:
  - name: Price moves
    expression: change(1s) > 0
    symbols: [BTCUSDT]
"""
SLOW_MS = 60_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fired(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Program, str]]:
    """The demo market with a rule that fires and ends again and again, and a moment of which ten seconds before are stored."""
    rules: Path = tmp_path_factory.mktemp("rules") / "rules.yml"
    rules.write_text(RULES, "utf-8")
    async with program("demo", env={**GENEROUS, "MARKETWATCH_RULES": str(rules)}) as running:
        await running.until("/")
        yield running, await _moment(running)


async def _moment(running: Program) -> str:
    """Wait for an alert that is over, and until a while has passed since the start."""
    origin = running.url.rstrip("/")
    async with aiohttp.ClientSession() as client:
        for _ in range(400):
            async with client.get(f"{origin}/api/alerts?coin_id=BTCUSDT&state=resolved&limit=1000") as answer:
                rows = (await answer.json())["data"]
            if len(rows) > 2 and rows[0]["timestamp"][:17] != rows[-1]["timestamp"][:17]:
                return str(rows[0]["timestamp"])
            await asyncio.sleep(0.25)
    raise AssertionError("No alert ended in the demo market.")


async def _shown(page: Page) -> str:
    return await page.locator("#cursor-time").get_attribute("datetime") or ""


async def test_from_an_alert_to_its_moment_scrub_and_back_to_live(fired: tuple[Program, str], look: Open) -> None:
    page = await look(fired[0], "/alerts")
    page.set_default_timeout(SLOW_MS)
    link = page.locator("#past").get_by_role("link", name="Market then").first
    await expect(link).to_be_visible(timeout=SLOW_MS)
    await page.goto(fired[0].url.rstrip("/") + (await link.get_attribute("href") or ""))
    await expect(page.locator("body")).to_have_attribute("data-source", "replay")
    await expect(page.get_by_role("region", name="Time cursor")).to_contain_text("Replay")
    await expect(page).to_have_title("Market · Replay · marketwatch")
    assert await page.locator("#stream, #told, .toast").count() == 0
    first = await _shown(page)
    await page.evaluate("window.kept = true")
    scrubber = page.get_by_role("slider", name="Moment")
    await scrubber.focus()
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator("#app")).not_to_have_attribute("data-at", first, timeout=SLOW_MS)
    second = await _shown(page)
    assert datetime.fromisoformat(second) < datetime.fromisoformat(first)
    assert await page.evaluate("window.kept && document.activeElement.id") == "cursor-scrub"
    assert f"at={second}" in page.url
    await page.get_by_role("link", name="+1 step").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#app")).to_have_attribute("data-at", first, timeout=SLOW_MS)
    assert await page.evaluate("window.kept && document.activeElement.id") == "go-step-on"
    await expect(scrubber).to_have_value(await scrubber.get_attribute("value") or "")
    await page.get_by_role("link", name="Back to live").click()
    await expect(page.locator("body")).to_have_attribute("data-source", "demo")
    await expect(page.locator("body")).to_have_attribute("data-link", "live")


async def test_symbol_chart_ends_at_the_moment_and_follows_the_cursor(fired: tuple[Program, str], look: Open) -> None:
    page = await look(fired[0], f"/symbols/BTCUSDT?at={fired[1]}")
    page.set_default_timeout(SLOW_MS)
    chart = page.locator("#chart")
    await expect(chart).to_have_attribute("data-state", "ready", timeout=SLOW_MS)
    close = await page.evaluate("JSON.parse(document.getElementById('tick').dataset.candles)['1m'][4]")
    await expect(chart).to_have_attribute("data-close", str(close))
    at = await chart.get_attribute("data-at")
    await page.get_by_role("link", name="\N{MINUS SIGN}1 step").click()
    await expect(chart).not_to_have_attribute("data-at", at or "", timeout=SLOW_MS)
    await expect(chart).to_have_attribute("data-state", "ready", timeout=SLOW_MS)
    assert await chart.locator("canvas").count() > 0
    await page.get_by_role("link", name="24H", exact=True).click()
    await page.wait_for_url("**range=24h**")
    assert "at=" in page.url


@pytest.mark.parametrize("path", ["/", "/symbols/BTCUSDT", "/alerts"])
async def test_page_of_a_moment_is_accessible_and_narrow_enough(fired: tuple[Program, str], look: Open, path: str) -> None:
    for width, theme in ((1440, "light"), (320, "dark")):
        page = await look(fired[0], f"{path}?at={fired[1]}", width=width, theme=theme)
        await page.locator("#cursor summary").click()
        assert await violations(page) == []
        widest = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widest[0] <= widest[1]


async def test_moment_is_typed_without_scripts(fired: tuple[Program, str], look: Open) -> None:
    page = await look(fired[0], "/alerts?coin=BTCUSDT", scripts=False)
    page.set_default_timeout(SLOW_MS)
    await page.get_by_text("as of…").click()
    await page.get_by_label("Show this page as of (UTC)").fill(fired[1])
    await page.get_by_role("button", name="Show").click()
    await expect(page.locator("body")).to_have_attribute("data-source", "replay")
    assert "coin=BTCUSDT" in page.url
    await page.get_by_role("link", name="\N{MINUS SIGN}1 step").click()
    assert "coin=BTCUSDT" in page.url
    await page.get_by_role("link", name="BTC", exact=True).first.click()
    assert "at=" in page.url
    await page.get_by_role("link", name="Back to live").click()
    assert "at=" not in page.url


async def test_moment_that_is_not_stored_is_accessible(fired: tuple[Program, str], look: Open) -> None:
    page = await look(fired[0], "/?at=2020-01-01", width=320, tolerant=True)
    await expect(page.get_by_role("heading", name="Nothing is stored of this moment")).to_be_visible()
    assert await violations(page) == []
    widest = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widest[0] <= widest[1]
