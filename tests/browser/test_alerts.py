"""An alert from the rules file to the screen: toast once, bell, page, history."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import GENEROUS, WAIT_MS, Open
from tests.kit.program import Program, program

pytestmark = pytest.mark.asyncio(loop_scope="session")
QUIET = "alert_thresholds: {volatility: off, drawdown: off, data_age: off}\n"
NAME = "Price <b>is</b> there"


def firing(severity: str, *symbols: str) -> str:
    """A rules file whose rule fires at the first sample."""
    listed = ", ".join(symbols)
    return f"{QUIET}rules:\n  - name: {NAME}\n    expression: price > 0\n    symbols: [{listed}]\n    severity: {severity}\n"


class Rulebook:
    """A program on the demo market, and its rules file."""

    def __init__(self, running: Program, path: Path) -> None:
        self.program = running
        self._path = path

    def write(self, text: str) -> None:
        """Replace the file; the program reads it within two seconds."""
        beside = self._path.with_suffix(".new")
        beside.write_text(text, "utf-8")
        beside.replace(self._path)


@pytest_asyncio.fixture(loop_scope="session")
async def rulebook(tmp_path: Path) -> AsyncIterator[Rulebook]:
    path = tmp_path / "rules.yml"
    path.write_text(QUIET, "utf-8")
    async with program("demo", env={**GENEROUS, "MARKETWATCH_RULES": str(path)}) as running:
        await running.until("/alerts")
        yield Rulebook(running, path)


async def toasts(page: Page) -> list[str]:
    return await page.locator(".toast b").all_text_contents()


async def test_alert_is_told_once_shown_everywhere_and_kept(rulebook: Rulebook, look: Open) -> None:
    page = await look(rulebook.program, "/alerts")
    await expect(page.locator("#rules")).to_contain_text("No rule is set")
    await expect(page.get_by_text("Rules in a file")).to_be_visible()
    await expect(page.get_by_role("link", name="Alerts: nothing fires")).to_be_visible()
    rulebook.write(firing("critical", "BTCUSDT"))
    await expect(page.locator(".toast")).to_have_count(1, timeout=WAIT_MS)
    assert await toasts(page) == [f"BTC: {NAME}"]
    await expect(page.locator("#toasts")).to_have_attribute("aria-live", "polite")
    await expect(page.locator("#count")).to_have_text("1")
    await expect(page.get_by_role("link", name="Alerts: 1 firing")).to_be_visible()
    await expect(page.locator("#active .alert-list li")).to_contain_text([f"BTC {NAME}"])
    await expect(page.locator("#rules .counts")).to_contain_text("1 firing")
    second = await page.context.new_page()
    for path, place in (("/", "#firing"), ("/symbols/BTCUSDT", "#marks")):
        await second.goto(rulebook.program.url.rstrip("/") + path)
        await expect(second.locator(f"{place} li")).to_contain_text([NAME])
        assert await toasts(second) == []
    await page.wait_for_timeout(1_500)
    await page.get_by_role("button", name="Dismiss this alert's notice").press("Enter")
    await expect(page.locator(".toast")).to_have_count(0)
    rulebook.write(QUIET)
    await expect(page.locator("#past tbody tr")).to_contain_text([NAME], timeout=WAIT_MS)
    await expect(page.locator("#active .alert-list li")).to_have_count(0)
    await expect(page.locator("#count")).to_have_text("")
    await page.wait_for_timeout(600)
    assert await toasts(page) == []


async def test_many_alerts_at_once_do_not_cover_the_page(rulebook: Rulebook, look: Open) -> None:
    page = await look(rulebook.program, "/", width=320)
    rulebook.write(firing("warning", "BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT"))
    await expect(page.locator("#bell a b")).to_have_text("5", timeout=WAIT_MS)
    await expect(page.locator(".toast")).to_have_count(3)
    widest = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widest[0] <= widest[1]


async def test_alerts_page_is_filtered_by_links_without_scripts(rulebook: Rulebook, look: Open) -> None:
    rulebook.write(firing("info", "BTCUSDT", "ETHUSDT"))
    watching = await look(rulebook.program, "/alerts")
    await expect(watching.locator("#active .alert-list li")).to_have_count(2, timeout=WAIT_MS)
    page = await look(rulebook.program, "/alerts", scripts=False)
    await page.get_by_role("link", name="ETH", exact=True).first.click()
    await expect(page).to_have_url(rulebook.program.url.rstrip("/") + "/alerts?coin=ETHUSDT")
    await expect(page.locator("#active .alert-list li")).to_have_count(1)
    await page.get_by_role("link", name="Resolved").click()
    await expect(page.locator("#active .alert-list li")).to_have_count(0)
    await page.get_by_role("link", name=NAME).first.click()
    await expect(page.locator("#rules a[aria-current]")).to_have_text(NAME)
