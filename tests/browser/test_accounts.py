"""Accounts in a browser: registering, the second factor, sessions; by keyboard alone, on a phone, without scripts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Literal

import pyotp
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import GENEROUS, Open
from tests.browser.test_every_page import violations
from tests.browser.test_portfolio import export
from tests.kit.program import Program, program

pytestmark = pytest.mark.asyncio(loop_scope="session")
PASSWORD = "kettle moss 41"
ENV = {**GENEROUS, "MARKETWATCH_ACCOUNTS": "open"}


@pytest_asyncio.fixture(loop_scope="session")
async def people() -> AsyncIterator[Program]:
    """A program with accounts, in which nobody has one yet."""
    async with program("demo", env=ENV) as running:
        await running.until("/")
        yield running


async def register(page: Page, name: str) -> None:
    """By keyboard alone, from the first field to the profile."""
    await page.get_by_label("Name", exact=True).focus()
    await page.keyboard.type(name)
    for text in ("", PASSWORD):
        await page.keyboard.press("Tab")
        await page.keyboard.type(text)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/profile")


async def sign_in(page: Page, name: str) -> None:
    await page.get_by_label("Name or e-mail address").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")


async def new_link(page: Page) -> str:
    """The path of a link to another password, made on the page of a person."""
    await page.get_by_role("button", name="Make a link").press("Enter")
    return "/reset" + (await page.locator(".once code").inner_text()).partition("/reset")[2]


async def own_something(page: Page) -> None:
    """A portfolio with a thousand imported trades whose value moves; but for the choice of the file by keyboard alone."""
    await page.get_by_label("Name").focus()
    await page.keyboard.type("Savings")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="Import a file").press("Enter")
    await page.get_by_label("CSV file").set_input_files({"name": "trades.csv", "mimeType": "text/csv", "buffer": export(1000)})
    await page.get_by_role("button", name="Look at it").press("Enter")
    await page.get_by_role("button", name="Import 1000 transactions").press("Enter")
    await expect(page.locator("#holdings tbody tr")).to_have_count(2)
    value = page.locator("#worth dd b").first
    await expect(value).not_to_have_text(await value.inner_text())


async def test_register_second_factor_portfolio_and_end_of_a_session_elsewhere(people: Program, look: Open) -> None:
    page = await look(people, "/register", tolerant=True)
    await expect(page.get_by_role("heading", name="Make the first account")).to_be_visible()
    await register(page, "ada")
    await expect(page.get_by_role("heading", name="ada admin")).to_be_visible()
    await page.locator("#begin").focus()
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("img", name="QR code of the secret")).to_be_visible()
    assert await violations(page) == []
    secret = await page.locator(".secret").text_content()
    assert secret
    await page.locator("#otp").focus()
    await page.keyboard.type(pyotp.TOTP(secret).now())
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="The second factor is on")).to_be_visible()
    codes = await page.locator(".codes code").all_text_contents()
    assert len(codes) == 10
    await page.goto(people.url + "/portfolio")
    await own_something(page)
    elsewhere = await look(people, "/login?back=/status", scripts=False)
    await sign_in(elsewhere, "ada")
    await elsewhere.get_by_label("Code").fill(codes[0])
    await elsewhere.keyboard.press("Enter")
    await elsewhere.wait_for_url("**/status")
    await elsewhere.goto(people.url + "/profile")
    await expect(elsewhere.get_by_text("9 recovery codes are left")).to_be_visible()
    await page.goto(people.url + "/profile")
    await page.get_by_role("button", name=re.compile("^End the session")).focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("That session has ended.")).to_be_visible()
    await elsewhere.goto(people.url + "/profile")
    await expect(elsewhere.get_by_role("heading", name="Sign in")).to_be_visible()
    assert "back=%2Fprofile" in elsewhere.url


async def test_wrong_password_is_told_and_the_name_is_kept(people: Program, look: Open) -> None:
    page = await look(people, "/login", tolerant=True)
    await page.get_by_label("Name or e-mail address").fill("nobody")
    await page.get_by_label("Password").fill("wrong-wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("Name or password are wrong.")
    await expect(page.get_by_label("Name or e-mail address")).to_have_value("nobody")


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_every_page_of_accounts_is_accessible_and_narrow_enough(
    people: Program, look: Open, theme: Literal["dark", "light"]
) -> None:
    page = await look(people, "/register", theme=theme)
    assert await violations(page) == []
    await register(page, "ada")
    await page.locator("[name=name]").fill("bot")
    await page.get_by_role("button", name="Make a key").click()
    await expect(page.get_by_role("heading", name="Your new key")).to_be_visible()
    assert await violations(page) == []
    await page.goto(people.url + "/admin")
    await page.get_by_role("button", name="Invite").click()
    await expect(page.get_by_role("heading", name="The invitation")).to_be_visible()
    assert await violations(page) == []
    await page.get_by_role("link", name="ada", exact=True).last.click()
    person, link = page.url.removeprefix(people.url), await new_link(page)
    assert await violations(page) == []
    for width in (320, 768, 1440):
        await page.set_viewport_size({"width": width, "height": 800})
        for path in ("/login", "/profile", "/admin", "/", *((person, link) if width == 320 else ())):
            await page.goto(people.url + path)
            widest = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert widest[0] <= widest[1], (path, width)
            assert await violations(page) == [], (path, width)


async def test_forgotten_password_and_leaving_without_scripts(people: Program, look: Open) -> None:
    page, other = await look(people, "/register", scripts=False), await look(people, "/register", tolerant=True)
    await register(page, "ada")
    await register(other, "bob")
    await page.goto(people.url + "/admin")
    await page.get_by_role("link", name="bob", exact=True).press("Enter")
    link = await new_link(page)
    await other.goto(people.url + link)
    await other.get_by_label(re.compile("^New password")).fill("slow kettle moss 42")
    await other.keyboard.press("Enter")
    await expect(other.get_by_role("status").filter(has_text="Your new password is set")).to_be_visible()
    await other.get_by_label("Name or e-mail address").fill("bob")
    await other.get_by_label("Password").fill("slow kettle moss 42")
    await other.keyboard.press("Enter")
    await other.wait_for_url(people.url + "/")
    await other.goto(people.url + "/profile")
    leaving = other.get_by_role("region", name="Delete this account")
    await leaving.get_by_label("Password").fill("slow kettle moss 42")
    await leaving.get_by_label("Your name, to confirm").fill("bob")
    await other.keyboard.press("Enter")
    await expect(other.get_by_text("Your account was deleted")).to_be_visible()
    await page.goto(people.url + "/admin")
    await expect(page.get_by_role("link", name="bob", exact=True)).to_have_count(0)


async def test_preferences_change_the_theme_without_scripts(people: Program, look: Open) -> None:
    page = await look(people, "/register", scripts=False)
    await register(page, "ada")
    await page.get_by_role("combobox", name="Theme").select_option("light")
    await page.get_by_label(re.compile("^Time zone")).fill("Europe/Berlin")
    await page.get_by_role("button", name="Keep", exact=True).click()
    await expect(page.get_by_text("Your preferences were kept.")).to_be_visible()
    await expect(page.locator("html")).to_have_attribute("data-theme", "light")
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await page.wait_for_url("**/login")
    await expect(page.get_by_role("link", name="Sign in", exact=True)).to_be_visible()
