"""The replay of an alert: played, paused, stepped and scrubbed, by pointer and by keyboard alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
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
    expression: abs(change(5s)) > 0.0001
    symbols: [BTCUSDT]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fired(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Program, str]]:
    """The demo market with a rule that fires at once, and the address of the replay of its first alert."""
    rules: Path = tmp_path_factory.mktemp("rules") / "rules.yml"
    rules.write_text(RULES, "utf-8")
    async with program("demo", env={**GENEROUS, "MARKETWATCH_RULES": str(rules)}) as running:
        await running.until("/")
        yield running, await _first(running)


async def _first(running: Program) -> str:
    """Wait until an alert has fired and more than five seconds after it are stored."""
    origin = running.url.rstrip("/")
    async with aiohttp.ClientSession() as client:
        for _ in range(200):
            async with client.get(f"{origin}/api/alerts?coin_id=BTCUSDT&limit=1000") as answer:
                rows = [row for row in (await answer.json())["data"] if row["state"] != "pending"]
            if rows:
                path = f"replay?alert_id={rows[-1]['alert_id']}"
                async with client.get(f"{origin}/api/{path}") as answer:
                    found = (await answer.json())["data"]
                if sum(event["time"] > found["marker"]["time"] for event in found["events"]) > 20:
                    return "/" + path
            await asyncio.sleep(0.25)
    raise AssertionError("No alert fired in the demo market.")


async def _cursor(page: Page) -> int:
    return int(await page.locator("#replay").get_attribute("data-cursor") or 0)


async def test_replay_is_played_paused_stepped_and_scrubbed(fired: tuple[Program, str], look: Open) -> None:
    page = await look(fired[0], fired[1])
    chart = page.locator("#replay")
    await expect(chart).to_have_attribute("data-state", "paused")
    await expect(page.locator("#cursor")).to_contain_text("at the alert")
    await expect(page.locator("#standing")).to_have_text("firing")
    await expect(page.locator("body")).to_have_attribute("data-source", "replay")
    start = await _cursor(page)
    await page.get_by_role("button", name="20×").click()
    await page.get_by_role("button", name="Play").click()
    await expect(chart).not_to_have_attribute("data-cursor", str(start))
    assert await _cursor(page) > start
    await page.get_by_role("slider").fill("0")
    first = await _cursor(page)
    assert first <= start
    await expect(chart).to_have_attribute("data-state", "paused")
    await page.get_by_role("button", name="+1 s").click()
    assert await _cursor(page) == first + 1
    await page.get_by_role("button", name="To the alert").click()
    assert await _cursor(page) == start
    await expect(page.locator("#tape li time").first).to_be_visible()


async def test_replay_is_driven_by_keyboard_alone(fired: tuple[Program, str], look: Open) -> None:
    page = await look(fired[0], fired[1])
    await expect(page.locator("#replay")).to_have_attribute("data-state", "paused")
    start = await _cursor(page)
    await page.keyboard.press("ArrowRight")
    assert await _cursor(page) == start + 1
    await page.keyboard.press("Home")
    await page.keyboard.press("Space")
    await expect(page.locator("#replay")).to_have_attribute("data-state", "playing")
    await page.keyboard.press("Space")
    await expect(page.locator("#replay")).to_have_attribute("data-state", "paused")
    await page.get_by_role("slider").focus()
    await page.keyboard.press("End")
    assert await page.evaluate("document.getElementById('scrub').value === document.getElementById('scrub').max")


async def test_replay_without_scripts_shows_the_table_and_the_marker(fired: tuple[Program, str], look: Open) -> None:
    page = await look(fired[0], fired[1], scripts=False)
    await expect(page.locator("tr.marked")).to_have_count(1)
    await expect(page.locator("#player")).to_be_hidden()


@pytest.mark.parametrize("width", [320, 1440])
async def test_axe_finds_nothing_in_a_replay(fired: tuple[Program, str], look: Open, width: int) -> None:
    page = await look(fired[0], fired[1], width=width)
    await expect(page.locator("#replay")).to_have_attribute("data-state", "paused")
    assert await violations(page) == []
    widest = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widest[0] <= widest[1]
