"""`/api/portfolio/{portfolio_id}/history` and the chart of the page, from candles that are stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from marketwatch.model.market import Candle
from marketwatch.ports import WriteBatch
from tests.kit.clients import Client
from tests.kit.watches import START_MS, World, history, world

BY_OWNER = True
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
GONE = range(10, 13)


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    """48 hours and 40 days of BTC and ETH are stored, but three hours of ETH are missing, one of them as a flagged candle."""
    async with world(tmp_path) as found:
        rows: list[Candle] = []
        for symbol, base in (("BTCUSDT", 49_000.0), ("ETHUSDT", 2_000.0)):
            rows += history(symbol, "1d", DAY_MS, 40, START_MS, base)
            hours = history(symbol, "1h", HOUR_MS, 48, START_MS, base)
            if symbol == "ETHUSDT":
                hours = [one for place, one in enumerate(hours) if place - 24 not in GONE or place - 24 == GONE[0]]
                place = 24 + GONE[0]
                hours[place] = hours[place]._replace(volume=0.0, quote_volume=0.0, trades=0, gap=True)
            rows += hours
        await found.store.write(WriteBatch(candles=rows))
        yield found


async def owning(client: Client, *, days: int = 30) -> str:
    """Two ether since so many days."""
    async with client.post("/api/portfolio", json={"name": "Main"}) as answer:
        portfolio = str((await answer.json())["data"]["portfolio_id"])
    body = {"coin_id": "ETH", "quantity": "2", "purchase_price": "1500", "purchase_date": str(START_MS - days * DAY_MS)}
    async with client.post(f"/api/portfolio/{portfolio}/assets", json=body) as answer:
        assert answer.status == 201, await answer.text()
    return portfolio


async def asked(client: Client, portfolio: str, query: str, status: int = 200) -> Any:
    async with client.get(f"/api/portfolio/{portfolio}/history{query}") as answer:
        found = await answer.json()
        assert answer.status == status, found
        return found["data"] if status == 200 else found["error"]


async def test_history_by_hour_is_quantity_times_stored_close_and_names_its_gap(client: Client) -> None:
    """Hour n of the day (n = 0 at midnight before START) closes at 2,000 + 24 + n; two ether are held."""
    portfolio = await owning(client)
    found = await asked(client, portfolio, "?range=24h")
    assert (found["range"], found["interval"], found["base_currency"]) == ("24h", "1h", "USD")
    points = found["points"]
    assert [point["time"] for point in points[:2]] == ["2025-11-20T00:00:00.000Z", "2025-11-20T01:00:00.000Z"]
    assert points[-1]["time"] == found["as_of"]
    values = [point["value"] for point in points]
    assert values[:11] == [2.0 * (2_000 + 23 + hour) for hour in range(11)]
    assert values[11:14] == [None, None, None]
    assert values[14:25] == [2.0 * (2_000 + 23 + hour) for hour in range(14, 25)]
    assert found["gaps"] == [{"from": "2025-11-20T10:00:00.000Z", "to": "2025-11-20T14:00:00.000Z"}]
    assert found["missing_history"] == ["ETH"]
    assert points[0]["benchmark"] == values[0]
    assert points[5]["benchmark"] == pytest.approx(values[0] * 49_028 / 49_023)
    assert points[5]["drawdown_pct"] == 0.0
    async with client.get(f"/api/portfolio/{portfolio}") as answer:
        worth = float((await answer.json())["data"]["total_value"])
    assert values[-1] == worth
    assert found["twr_pct"] == pytest.approx(100 * (worth / values[0] - 1))


@pytest.mark.parametrize(
    ("query", "interval", "points"),
    [("", "1d", 32), ("?range=1y", "1d", 32), ("?range=30d", "1h", 722), ("?range=7d&interval=1d", "1d", 9)],
)
async def test_history_has_a_point_for_each_step_since_the_first_transaction(
    client: Client, query: str, interval: str, points: int
) -> None:
    portfolio = await owning(client)
    found = await asked(client, portfolio, query)
    assert (found["interval"], len(found["points"])) == (interval, points)
    assert found["max_drawdown_pct"] is not None


async def test_history_that_would_be_endless_or_unknown_is_refused(client: Client) -> None:
    portfolio = await owning(client, days=600)
    error = await asked(client, portfolio, "?range=all&interval=1h", 400)
    assert "416 days at most" in error["message"]
    assert "one of 24h, 7d, 30d, 1y, all" in (await asked(client, portfolio, "?range=2w", 400))["message"]
    async with client.get(f"/portfolio/{portfolio}?range=all&interval=1h") as answer:
        assert (answer.status, 'aria-current="true">by day' in await answer.text()) == (200, True)


async def test_history_of_a_portfolio_without_transactions_is_empty(client: Client) -> None:
    async with client.post("/api/portfolio", json={"name": "Empty"}) as answer:
        portfolio = str((await answer.json())["data"]["portfolio_id"])
    found = await asked(client, portfolio, "?range=7d")
    assert (found["points"], found["gaps"], found["twr_pct"]) == ([], [], None)


async def test_page_draws_the_chosen_range_with_its_gap_and_says_so(client: Client) -> None:
    portfolio = await owning(client)
    async with client.get(f"/portfolio/{portfolio}?range=24h") as answer:
        text = await answer.text()
    assert text.count('class="equity" points') == 2
    assert "No prices of ETH are stored for a part of this span" in text
    assert "2025-11-20 10:00 to 2025-11-20 14:00" in text
    assert 'aria-current="true">24H</a>' in text
    assert text.count('class="drawdown" points') == 2
    async with client.get(f"/portfolio/{portfolio}?range=nonsense") as answer:
        assert 'aria-current="true">All</a>' in await answer.text()
