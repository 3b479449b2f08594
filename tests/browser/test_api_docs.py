"""The API page in a real browser, under the same strict policy as every other page."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.kit.program import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_api_docs_try_it_out_shows_a_live_answer(demo: Program, look: Open) -> None:
    page = await look(demo, "/api/docs")
    operation = page.locator("#operations-market-market_price")
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.locator("input[placeholder^='coin_id']").fill("bitcoin")
    await operation.get_by_role("button", name="Execute").click()
    await expect(operation.locator(".live-responses-table .response-col_status").nth(1)).to_contain_text("200")
    await expect(operation.locator(".live-responses-table")).to_contain_text("BTCUSDT")


async def test_api_docs_without_scripts_name_the_document(demo: Program, look: Open) -> None:
    page = await look(demo, "/api/docs", scripts=False)
    await expect(page.get_by_role("link", name="/api/openapi.json")).to_be_visible()
