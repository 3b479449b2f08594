"""The replay of an alert: played, paused, stepped and scrubbed, by pointer and by keyboard alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import GENEROUS, WAIT_MS, Open
from tests.browser.test_every_page import violations
from tests.kit.program import Program, program

pytestmark = pytest.mark.asyncio(loop_scope="session")
RULES = """rules:
  - name: Price moves
    expression: abs(change(5s)) > 0.0001 and trade_rate(5s) > 0
    symbols: [BTCUSDT]
"""
DRAWN = """() => [...document.querySelectorAll("#replay canvas")].map((canvas) => {
  if (!canvas.width || !canvas.height) return 0;
  const found = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set(), pixels = new Uint32Array(found.buffer);
  for (const pixel of pixels) if (pixel >>> 24) colours.add(pixel);
  return colours.size;
}).filter((colours) => colours > 3).length"""
"""How many canvases of the chart show something: more than grid lines."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fired(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Program, str]]:
    """The demo market with a rule that fires at once, and the address of the replay of its first alert."""
    rules: Path = tmp_path_factory.mktemp("rules") / "rules.yml"
    rules.write_text(RULES, "utf-8")
    async with program("demo", env={**GENEROUS, "MARKETWATCH_RULES": str(rules)}) as running:
        await running.until("/", timeout_s=60.0)
        yield running, await _first(running)


async def _first(running: Program) -> str:
    """Wait until an alert has fired and more than five seconds after it are stored."""
    origin = running.url.rstrip("/")
    async with aiohttp.ClientSession() as client:
        for _ in range(400):
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
    await expect(chart).to_have_attribute("data-state", "paused", timeout=WAIT_MS)
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
    await expect(chart).to_have_attribute("data-state", "paused", timeout=WAIT_MS)
    await page.get_by_role("button", name="+1 s").click()
    assert await _cursor(page) == first + 1
    await page.get_by_role("button", name="To the alert").click()
    assert await _cursor(page) == start
    await expect(page.locator("#tape li time").first).to_be_visible()


async def test_replay_is_driven_by_keyboard_alone(fired: tuple[Program, str], look: Open) -> None:
    page = await look(fired[0], fired[1])
    await expect(page.locator("#replay")).to_have_attribute("data-state", "paused", timeout=WAIT_MS)
    start = await _cursor(page)
    await page.keyboard.press("ArrowRight")
    assert await _cursor(page) == start + 1
    await page.keyboard.press("Home")
    await page.keyboard.press("Space")
    await expect(page.locator("#replay")).to_have_attribute("data-state", "playing")
    await page.keyboard.press("Space")
    await expect(page.locator("#replay")).to_have_attribute("data-state", "paused", timeout=WAIT_MS)
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
    await expect(page.locator("#replay")).to_have_attribute("data-state", "paused", timeout=WAIT_MS)
    assert await violations(page) == []
    widest = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widest[0] <= widest[1]


async def test_lanes_and_states_follow_the_cursor(fired: tuple[Program, str], look: Open) -> None:
    page = await look(fired[0], fired[1])
    await expect(page.locator("#replay")).to_have_attribute("data-state", "paused", timeout=WAIT_MS)
    terms = page.locator("#terms dd")
    await expect(terms).to_have_count(3)
    at_alert = await terms.all_inner_texts()
    assert at_alert[0].endswith(" %")
    await page.keyboard.press("Home")
    await expect(terms.first).to_have_text("—")
    await expect(page.locator("#standing")).to_have_text("unknown")
    await page.keyboard.press("a")
    assert await terms.all_inner_texts() == at_alert
    start = await _cursor(page)
    await page.keyboard.press("Shift+ArrowLeft")
    assert await _cursor(page) < start
    await page.locator("#replay canvas").nth(1).click(position={"x": 2, "y": 20})
    await expect(page.locator("#standing")).to_have_text("unknown")
    assert await page.evaluate(DRAWN) >= 5


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def downloaded(fired: tuple[Program, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the incident, as a browser would save it."""
    origin, path = fired[0].url.rstrip("/"), fired[1].replace("/replay?", "/replay/export?")
    file: Path = tmp_path_factory.mktemp("incident") / "incident.html"
    async with aiohttp.ClientSession() as client, client.get(origin + path) as answer:
        assert answer.status == 200
        file.write_bytes(await answer.read())
    return file


@asynccontextmanager
async def opened(
    browser: Browser, file: Path, *, width: int = 1440, scheme: Literal["dark", "light"] = "dark"
) -> AsyncIterator[Page]:
    """The file from the disk in a browser without a network; at the end nothing may have gone wrong or been asked for."""
    async with await browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    ) as context:
        page = await context.new_page()
        problems: list[str] = []
        page.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url) if request.url != file.as_uri() else None)
        await page.goto(file.as_uri())
        await expect(page.locator("#replay")).to_have_attribute("data-state", "paused", timeout=WAIT_MS)
        yield page
        assert [one for one in problems if not one.startswith("data:")] == []


async def test_file_of_an_incident_draws_plays_and_scrubs_from_the_disk(browser: Browser, downloaded: Path) -> None:
    async with opened(browser, downloaded) as page:
        assert await page.evaluate(DRAWN) >= 5
        await expect(page.locator(".mark")).to_contain_text("Replay")
        await expect(page.locator(".mark")).to_contain_text("Demo")
        start = await _cursor(page)
        await page.get_by_role("button", name="20×").click()
        await page.get_by_role("button", name="Play").click()
        await expect(page.locator("#replay")).not_to_have_attribute("data-cursor", str(start))
        await page.get_by_role("slider").fill("0")
        await expect(page.locator("#replay")).to_have_attribute("data-state", "paused", timeout=WAIT_MS)
        first = await _cursor(page)
        assert first < start
        await page.get_by_role("slider").blur()
        await page.keyboard.press("ArrowRight")
        assert await _cursor(page) == first + 1
        await page.keyboard.press("a")
        assert await _cursor(page) == start
        await expect(page.locator("#tape li time").first).to_be_visible()


async def test_file_of_an_incident_has_both_themes(browser: Browser, downloaded: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    async with opened(browser, downloaded, scheme="light") as page:
        light = await page.evaluate(ground)
        await page.get_by_role("button", name="Dark").click()
        dark = await page.evaluate(ground)
        await page.get_by_role("button", name="Light").click()
        assert await page.evaluate(ground) == light != dark


@pytest.mark.parametrize("width", [320, 1440])
async def test_axe_finds_nothing_in_the_file_of_an_incident(browser: Browser, downloaded: Path, width: int) -> None:
    async with opened(browser, downloaded, width=width) as page:
        assert await violations(page) == []
        widest = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widest[0] <= widest[1]
