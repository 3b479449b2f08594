"""Rules written in a browser: put in force, fired live, told once, replayed, changed, deleted and brought back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import GENEROUS, WAIT_MS, Open
from tests.browser.test_alerts import QUIET, toasts
from tests.browser.test_every_page import violations
from tests.kit.program import Program, program

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def quiet(tmp_path: Path) -> AsyncIterator[Program]:
    """A program on the demo market without a rule."""
    (tmp_path / "rules.yml").write_text(QUIET, "utf-8")
    async with program("demo", env={**GENEROUS, "MARKETWATCH_RULES": str(tmp_path / "rules.yml")}) as running:
        await running.until("/readyz", timeout_s=90.0)
        yield running


async def fill(page: Page, name: str, expression: str, symbol: str = "BTCUSDT") -> None:
    await page.get_by_label("Name", exact=True).fill(name)
    await page.locator("#expression").fill(expression)
    await page.get_by_label("These").check()
    await page.get_by_label("Symbols of the rule").select_option(symbol)


async def test_rule_made_by_page_fires_is_told_once_replayed_changed_deleted_and_undone(quiet: Program, look: Open) -> None:
    page = await look(quiet, "/alerts", owner=True)
    await page.get_by_role("link", name="New rule").click()
    await fill(page, "Price is there", "price > 0")
    await page.get_by_label("For", exact=True).fill("8s")
    await expect(page.locator("#trial")).to_contain_text("In the last 24 hours", timeout=WAIT_MS)
    await page.get_by_role("button", name="Put in force").click()
    await expect(page.get_by_text('The rule "Price is there" is in force.')).to_be_visible(timeout=WAIT_MS)
    await expect(page.locator(".toast")).to_have_count(1, timeout=2 * WAIT_MS)
    assert await toasts(page) == ["BTC: Price is there"]
    await expect(page.locator("#rules .counts")).to_contain_text("1 firing", timeout=WAIT_MS)
    await page.get_by_role("link", name="Edit of Price is there").click()
    await expect(page.locator(".standings tbody tr")).to_contain_text(["firing"], timeout=WAIT_MS)
    await page.locator(".episodes a").first.click()
    await page.wait_for_url("**/replay?**")
    await page.go_back()
    await page.locator("#cooldown").fill("10m")
    await page.locator("#expression").fill("price < 0")
    await page.get_by_role("button", name="Save as the next version").click()
    await expect(page.locator("#past tbody tr")).to_contain_text(["Price is there"], timeout=WAIT_MS)
    await page.get_by_role("link", name="Edit of Price is there").click()
    await expect(page.locator(".versions")).to_contain_text("price < 0", timeout=WAIT_MS)
    await page.get_by_role("link", name="Delete").click()
    await page.get_by_role("button", name="Delete the rule").click()
    await expect(page.locator("#rules")).to_contain_text("No rule is set", timeout=WAIT_MS)
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_text('The rule "Price is there" is in force again.')).to_be_visible(timeout=WAIT_MS)
    await expect(page.locator("#rules")).to_contain_text("Price is there", timeout=WAIT_MS)


async def test_rule_changed_by_one_is_seen_by_another_without_loading_again(quiet: Program, look: Open) -> None:
    page = await look(quiet, "/alerts", owner=True)
    guest = await look(quiet, "/alerts")
    await expect(guest.get_by_role("button", name="Take")).to_have_count(0)
    await page.get_by_role("button", name="Take “Many whales”").click()
    await expect(guest.locator("#rules")).to_contain_text("Many whales", timeout=WAIT_MS)
    await expect(guest.get_by_role("link", name="Details of Many whales")).to_be_visible(timeout=WAIT_MS)
    await page.get_by_role("button", name="Switch off Many whales").click()
    await expect(guest.locator("#rules")).to_contain_text("switched off", timeout=WAIT_MS)
    await guest.get_by_role("link", name="Details of Many whales").click()
    await expect(guest.get_by_role("link", name="Sign in as the owner")).to_be_visible(timeout=WAIT_MS)


async def test_rule_made_by_keyboard_alone_with_a_name_completed(quiet: Program, look: Open) -> None:
    page = await look(quiet, "/alerts/rules/new", owner=True)
    await page.get_by_label("Name", exact=True).focus()
    await page.keyboard.type("By keys")
    await page.keyboard.press("Tab")
    await expect(page.locator("#expression")).to_be_focused()
    await page.keyboard.type("volat")
    await expect(page.locator("#complete")).to_be_visible(timeout=WAIT_MS)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await page.keyboard.type("60) > 50")
    assert await page.locator("#expression").input_value() == "volatility(60) > 50"
    await page.keyboard.press("Enter")
    await expect(page.get_by_text('The rule "By keys" is in force.')).to_be_visible(timeout=WAIT_MS)


async def test_mistake_is_shown_beside_its_field_and_is_where_the_keyboard_is(quiet: Program, look: Open) -> None:
    page = await look(quiet, "/alerts/rules/new", owner=True, tolerant=True)
    await fill(page, "Wrong", "volatilty(60) > 1")
    await expect(page.locator("#trial mark")).to_have_text("volatilty", timeout=WAIT_MS)
    await page.get_by_role("button", name="Put in force").click()
    await expect(page.locator("#expression-wrong mark")).to_have_text("volatilty", timeout=WAIT_MS)
    await expect(page.locator("#expression")).to_be_focused()
    await expect(page.locator("#expression")).to_have_value("volatilty(60) > 1")
    await expect(page.get_by_label("Symbols of the rule")).to_have_values(["BTCUSDT"])
    assert await violations(page) == []


async def test_rule_is_made_and_deleted_without_scripts(quiet: Program, look: Open) -> None:
    page = await look(quiet, "/alerts/rules/new", owner=True, scripts=False)
    await fill(page, "Without scripts", "price > 0")
    await page.get_by_role("button", name="Put in force").click()
    await expect(page.get_by_text('The rule "Without scripts" is in force.')).to_be_visible(timeout=WAIT_MS)
    await page.get_by_role("link", name="Delete Without scripts").click()
    await page.get_by_role("button", name="Delete the rule").click()
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator("#rules")).to_contain_text("Without scripts", timeout=WAIT_MS)


async def test_small_form_of_a_symbol_leads_to_a_filled_rule(quiet: Program, look: Open) -> None:
    page = await look(quiet, "/symbols/ETHUSDT", owner=True)
    await page.get_by_label("When", exact=True).select_option("above")
    await page.get_by_label("Number", exact=True).fill("99999")
    await page.get_by_role("button", name="Go on").click()
    await expect(page.locator("#expression")).to_have_value("crosses_above(price, 99999)")
    await page.get_by_role("button", name="Put in force").click()
    await expect(page.get_by_text('The rule "ETHUSDT above 99999" is in force.')).to_be_visible(timeout=WAIT_MS)


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("path", ["/alerts/rules/new", "/alerts/rules/default-drawdown", "/alerts"])
async def test_axe_finds_nothing_on_the_owner_s_pages(
    demo: Program, look: Open, path: str, theme: Literal["dark", "light"]
) -> None:
    page = await look(demo, path, theme=theme, owner=True)
    await page.wait_for_timeout(900)
    if path.endswith("/new"):
        await page.locator(".more summary").click()
        await page.locator("#catalogue summary").click()
    assert await violations(page) == []


@pytest.mark.parametrize("path", ["/alerts/rules/new", "/alerts/rules/default-drawdown", "/alerts"])
@pytest.mark.parametrize("width", [320, 768])
async def test_owner_s_pages_have_no_sideways_scroll(demo: Program, look: Open, path: str, width: int) -> None:
    page = await look(demo, path, width=width, owner=True)
    await page.wait_for_timeout(500)
    widest = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widest[0] <= widest[1]


AWAY = """
Document.prototype.hasFocus = () => false;
window.Notification = class extends EventTarget {
  static permission = "granted";
  constructor(title, options) {
    super();
    localStorage.setItem("shown", JSON.stringify([...JSON.parse(localStorage.getItem("shown") ?? "[]"), [title, options.tag]]));
  }
};
localStorage.setItem("notify", JSON.stringify({ shown: ["warning", "critical"], sound: [], volume: 0.5 }));
"""
"""A person who looks elsewhere and wants to be notified; what would be shown is written down."""
POST = """rule => fetch("/api/rules", {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(rule),
}).then(answer => answer.status)"""


async def test_notification_for_who_looks_elsewhere_comes_once_however_many_tabs_are_open(quiet: Program, look: Open) -> None:
    page = await look(quiet, "/alerts", owner=True)
    await page.context.add_init_script(AWAY)
    await page.reload()
    other = await page.context.new_page()
    await other.goto(quiet.url.rstrip("/") + "/")
    await page.bring_to_front()
    rule = {"name": "Price is there", "expression": "price > 0", "symbols": ["BTCUSDT"], "severity": "critical"}
    made = await page.evaluate(POST, rule)
    assert made == 201
    await page.wait_for_function("() => JSON.parse(localStorage.getItem('shown') ?? '[]').length > 0", timeout=2 * WAIT_MS)
    toasts = [await one.locator(".toast").count() for one in (page, other)]
    assert sum(toasts) == 1, toasts
    await other.bring_to_front()
    await expect(other.locator(".toast, #bell a b").first).to_be_visible(timeout=WAIT_MS)
    alert = await page.evaluate("fetch('/api/alerts').then(answer => answer.json()).then(found => found.data[0].alert_id)")
    shown = await page.evaluate("JSON.parse(localStorage.getItem('shown'))")
    assert shown == [["BTC: Price is there", alert]]
