"""Portfolios and watchlists over the interface, on SQLite: committed, valued, imported as a whole, and nobody else's."""

from __future__ import annotations

import io
from typing import Any

import pytest

from marketwatch.errors import StoreUnavailable
from marketwatch.model.portfolio import LOCAL_OWNER, Portfolio
from marketwatch.model.valuation import Valuations
from marketwatch.store.books import books_of
from tests.kit.alerts import rule
from tests.kit.clients import Client, send
from tests.kit.watches import START_MS, World, publish_trades, trade

BY_OWNER = True
BINANCE = """Date(UTC),Pair,Side,Price,Executed,Amount,Fee
2025-11-20 10:00:00,BTCUSDT,BUY,40000,0.5BTC,20000USDT,10USDT
2025-11-20 11:00:00,BTCUSDT,SELL,50000,0.1BTC,5000USDT,5USDT
"""
BROKEN = BINANCE.replace("0.1BTC", "a lot")
DAY = "2025-11-20T10:00:00Z"


async def begin(client: Client, name: str = "Main", **more: Any) -> str:
    status, found = await send(client, "POST", "/api/portfolio", {"name": name, **more})
    assert status == 201, found
    return str(found["portfolio_id"])


async def buy(
    client: Client, portfolio: str, coin: str = "BTC", quantity: Any = "0.5", price: Any = "40000", **more: Any
) -> Any:
    body = {"coin_id": coin, "quantity": quantity, "purchase_price": price, "purchase_date": DAY, **more}
    status, found = await send(client, "POST", f"/api/portfolio/{portfolio}/assets", body)
    assert status == 201, found
    return found


async def test_portfolio_made_is_committed_and_listed(made: World, client: Client) -> None:
    portfolio = await begin(client, "  Long   term ", base_currency="usdt", cost_method="fifo")
    stored = await books_of(made.store).portfolio(LOCAL_OWNER, portfolio)
    assert (stored.name, stored.base_currency, stored.cost_method) == ("Long term", "USDT", "fifo")
    status, found = await send(client, "GET", "/api/portfolio")
    assert (status, [(one["portfolio_id"], one["total_value"]) for one in found]) == (200, [(portfolio, "0")])


async def test_portfolio_with_a_purchase_is_worth_what_the_bid_says(client: Client) -> None:
    """0.5 BTC for 40,000 each and a fee of 10; the last price is 50,019 and its quote stood at 49,999.5, ten seconds ago."""
    portfolio = await begin(client)
    await buy(client, portfolio, fee="10")
    status, found = await send(client, "GET", f"/api/portfolio/{portfolio}/performance")
    assert status == 200
    (position,) = found["positions"]
    assert (position["coin_id"], position["symbol"], position["quantity"]) == ("BTC", "BTCUSDT", "0.5")
    assert (found["total_cost"], position["average_cost"], found["realized_pnl"]) == ("20010", "40020", "0")
    value = 0.5 * position["price"]
    assert position["price"] in (49_999.5, 50_019.0)
    assert float(found["total_value"]) == value
    assert float(found["gain_loss"]) == float(found["unrealized_pnl"]) == value - 20_010
    assert found["roi_pct"] == pytest.approx(100 * (value - 20_010) / 20_010)
    assert (position["allocation_pct"], found["missing_prices"]) == (100.0, [])


async def test_portfolio_with_a_coin_without_a_price_names_it_and_has_no_value(client: Client) -> None:
    portfolio = await begin(client)
    await buy(client, portfolio, "NOSUCH", "1", "5")
    found = (await send(client, "GET", f"/api/portfolio/{portfolio}"))[1]
    assert (found["total_value"], found["missing_prices"], found["total_cost"]) == (None, ["NOSUCH"], "5")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {"name": ""}),
        ("", {"name": "a", "base_currency": "U S D"}),
        ("", {"name": "a", "cost_method": "lifo"}),
        ("", {"name": "a", "owner_id": "other"}),
        ("/assets", {"coin_id": "BTC", "quantity": "0", "purchase_price": "1"}),
        ("/assets", {"coin_id": "BTC", "quantity": "1,5", "purchase_price": "1"}),
        ("/assets", {"coin_id": "BTC", "quantity": "1e999999", "purchase_price": "1"}),
        ("/assets", {"coin_id": "BTC", "quantity": "NaN", "purchase_price": "1"}),
        ("/assets", {"coin_id": "BTC", "quantity": "1", "purchase_price": "1", "purchase_date": "yesterday"}),
        ("/transactions", {"type": "buy", "coin_id": "BTC", "quantity": "1"}),
        ("/transactions", {"type": "gift", "coin_id": "BTC", "quantity": "1"}),
        ("/import", {"csv": "no,such,header\n1,2,3\n"}),
    ],
)
async def test_portfolio_impossible_body_is_refused_and_nothing_changes(client: Client, path: str, body: Any) -> None:
    portfolio = await begin(client)
    status, found = await send(client, "POST", f"/api/portfolio/{portfolio}{path}" if path else "/api/portfolio", body)
    assert (status, found["code"]) == (400, "INVALID_REQUEST"), found
    assert (await send(client, "GET", f"/api/portfolio/{portfolio}"))[1]["transactions"] == 0
    assert len((await send(client, "GET", "/api/portfolio"))[1]) == 1


async def test_portfolio_selling_more_than_is_held_is_a_conflict_that_changes_nothing(client: Client) -> None:
    portfolio = await begin(client)
    await buy(client, portfolio)
    body = {"type": "sell", "coin_id": "BTC", "quantity": "0.6", "price": "1", "time": "2025-11-20T12:00:00Z"}
    status, found = await send(client, "POST", f"/api/portfolio/{portfolio}/transactions", body)
    assert (status, found["code"]) == (409, "CONFLICT")
    assert (await send(client, "GET", f"/api/portfolio/{portfolio}"))[1]["transactions"] == 1


async def test_transaction_changed_and_deleted_books_everything_anew(client: Client) -> None:
    portfolio = await begin(client)
    bought = await buy(client, portfolio)
    path = f"/api/portfolio/{portfolio}/transactions"
    sell = {"type": "sell", "coin_id": "bitcoin", "quantity": "0.5", "price": "50000", "time": "2025-11-20T12:00:00Z"}
    assert (await send(client, "POST", path, sell))[0] == 201
    found = (await send(client, "GET", f"/api/portfolio/{portfolio}"))[1]
    assert (found["realized_pnl"], found["total_value"]) == ("5000", "25000")
    change = {"type": "buy", "coin_id": "BTC", "quantity": "0.5", "price": "30000", "time": DAY}
    one = f"{path}/{bought['transaction_id']}"
    status, changed = await send(client, "PUT", one, {**change, "version": 1})
    assert (status, changed["version"], changed["price"]) == (200, 2, "30000")
    assert (await send(client, "GET", f"/api/portfolio/{portfolio}"))[1]["realized_pnl"] == "10000"
    assert (await send(client, "PUT", one, {**change, "version": 1}))[0] == 409
    assert (await send(client, "DELETE", one))[0] == 409
    sold = (await send(client, "GET", path))[1][0]
    assert sold["type"] == "sell"
    assert (await send(client, "DELETE", f"{path}/{sold['transaction_id']}"))[0] == 200
    assert [row["type"] for row in (await send(client, "GET", path))[1]] == ["buy"]
    assert (await send(client, "DELETE", f"{path}/nothing"))[0] == 404


async def test_portfolio_deleted_is_restored_with_everything(client: Client) -> None:
    portfolio = await begin(client)
    await buy(client, portfolio)
    assert (await send(client, "DELETE", f"/api/portfolio/{portfolio}"))[1]["deleted_at"] is not None
    assert (await send(client, "GET", "/api/portfolio"))[1] == []
    late = {"coin_id": "BTC", "quantity": 1, "purchase_price": 1}
    assert (await send(client, "POST", f"/api/portfolio/{portfolio}/assets", late))[0] == 409
    status, found = await send(client, "POST", f"/api/portfolio/{portfolio}/restore")
    assert (status, found["deleted_at"], found["transactions"]) == (200, None, 1)


async def test_portfolio_renamed_from_an_old_version_or_to_a_taken_name_is_a_conflict(client: Client) -> None:
    portfolio = await begin(client)
    await begin(client, "Other")
    assert (await send(client, "PUT", f"/api/portfolio/{portfolio}", {"name": "Mine", "version": 1}))[1]["version"] == 2
    assert (await send(client, "PUT", f"/api/portfolio/{portfolio}", {"name": "Again", "version": 1}))[0] == 409
    assert (await send(client, "PUT", f"/api/portfolio/{portfolio}", {"name": "OTHER"}))[0] == 409
    assert (await send(client, "POST", "/api/portfolio", {"name": "other"}))[0] == 409


async def test_portfolio_of_somebody_else_is_not_found_whatever_is_asked(made: World, client: Client) -> None:
    await books_of(made.store).add_portfolio(Portfolio("theirs", "somebody", "Secret"))
    await made.books.load()
    entry = {"type": "buy", "coin_id": "BTC", "quantity": 1, "price": 1}
    asked: list[tuple[str, str, Any]] = [
        ("GET", "", None), ("GET", "/transactions", None), ("GET", "/performance", None), ("GET", "/export", None),
        ("PUT", "", {"name": "x"}), ("DELETE", "", None), ("POST", "/restore", None), ("POST", "/transactions", entry),
        ("POST", "/assets", {"coin_id": "BTC", "quantity": 1, "purchase_price": 1}), ("POST", "/import", {"csv": BINANCE}),
        ("PUT", "/transactions/t", entry), ("DELETE", "/transactions/t", None),
    ]  # fmt: skip
    for method, path, body in asked:
        status, found = await send(client, method, f"/api/portfolio/theirs{path}", body)
        assert (status, found["code"]) == (404, "RESOURCE_NOT_FOUND"), (method, path)
        assert "Secret" not in str(found)
    assert (await send(client, "GET", "/api/portfolio"))[1] == []


async def test_portfolio_reading_takes_the_owner(made: World) -> None:
    async with made.client() as stranger:
        for path in (
            "/api/portfolio",
            "/api/portfolio/p",
            "/api/portfolio/p/export",
            "/api/portfolio/p/performance",
            "/api/watchlist",
        ):
            assert (await send(stranger, "GET", path))[0] == 401, path


async def test_import_previewed_stores_nothing_and_imported_twice_adds_nothing(client: Client) -> None:
    portfolio = await begin(client)
    path = f"/api/portfolio/{portfolio}/import"
    status, found = await send(client, "POST", path, {"csv": BINANCE, "preview": True})
    assert (status, found["title"], found["new"], found["imported"]) == (200, "Binance spot trade history", 2, 0)
    assert (await send(client, "GET", f"/api/portfolio/{portfolio}"))[1]["transactions"] == 0
    async with client.post(path, data=BINANCE.encode(), headers={"Content-Type": "text/csv"}) as answer:
        told = (await answer.json())["data"]
    assert (told["imported"], told["portfolio"]["transactions"]) == (2, 2)
    assert (await send(client, "POST", path, {"csv": BINANCE}))[1]["imported"] == 0
    assert (await send(client, "GET", f"/api/portfolio/{portfolio}"))[1]["realized_pnl"] == "993"


async def test_import_with_a_bad_row_names_it_and_stores_nothing(client: Client) -> None:
    portfolio = await begin(client)
    path = f"/api/portfolio/{portfolio}/import"
    status, found = await send(client, "POST", path, {"csv": BROKEN})
    assert (status, found["details"][0]["line"]) == (400, 3)
    assert (await send(client, "POST", path, {"csv": BROKEN, "preview": True}))[1]["problem_count"] == 1
    assert (await send(client, "GET", f"/api/portfolio/{portfolio}"))[1]["transactions"] == 0


async def test_import_takes_files_that_no_other_route_takes(client: Client) -> None:
    portfolio = await begin(client)
    row = "2025-11-20T10:00:{:02}Z,buy,BTC,0.001,40000,USDT,,,,{}\r\n"
    rows = "".join(row.format(number % 60, f"note {number} {'x' * 60}") for number in range(1200))
    text = "time,type,coin,quantity,price,currency,rate,fee,fee_currency,note\r\n" + rows
    assert len(text) > 65_536
    assert (await send(client, "POST", f"/api/portfolio/{portfolio}/import", {"csv": text}))[1]["imported"] == 1200
    assert (await send(client, "POST", "/api/portfolio", {"name": "x" * 70_000}))[0] == 413
    async with client.post(
        f"/api/portfolio/{portfolio}/import", data=io.BytesIO(b"x" * 5_200_000), headers={"Content-Type": "text/csv"}
    ) as answer:
        assert answer.status == 413


async def test_export_can_be_imported_again(client: Client) -> None:
    portfolio, other = await begin(client), await begin(client, "Copy")
    await buy(client, portfolio, note="=cmd()")
    async with client.get(f"/api/portfolio/{portfolio}/export") as answer:
        text = await answer.text()
        assert answer.headers["Content-Disposition"] == 'attachment; filename="Main.csv"'
    assert "'=cmd()" in text
    assert (await send(client, "POST", f"/api/portfolio/{other}/import", {"csv": text}))[1]["imported"] == 1
    async with client.get(f"/api/portfolio/{portfolio}/export?format=json") as answer:
        assert (await answer.json())["transactions"][0]["note"] == "=cmd()"
    assert (await client.get(f"/api/portfolio/{portfolio}/export?format=xls")).status == 400


async def test_portfolio_change_reaches_the_marks_of_the_next_step(made: World, client: Client) -> None:
    heard: list[Valuations] = []
    made.watch.bus.subscribe(Valuations, heard.append, name="test")
    portfolio = await begin(client)
    await buy(client, portfolio)
    publish_trades(made.watch, trade("BTCUSDT", 5_000, 60_000.0, 0.1, START_MS + 30_000))
    publish_trades(made.watch, trade("BTCUSDT", 5_001, 60_000.0, 0.1, START_MS + 40_000))
    assert heard[-1].portfolio_ids == (portfolio,)
    assert heard[-1].columns["value"].tolist() == [30_000.0]
    assert heard[-1].rows == {("owner", "main"): 0}


async def test_portfolio_while_the_database_is_away_says_so_and_changes_nothing(
    made: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    portfolio = await begin(client)

    async def away(*_args: Any, **_more: Any) -> bool:
        raise StoreUnavailable("The disk is gone.")

    monkeypatch.setattr(type(made.store), "changes", away)
    status, found = await send(
        client, "POST", f"/api/portfolio/{portfolio}/assets", {"coin_id": "BTC", "quantity": 1, "purchase_price": 1}
    )
    assert (status, found["code"]) == (503, "UNAVAILABLE")
    monkeypatch.undo()
    assert (await send(client, "GET", f"/api/portfolio/{portfolio}"))[1]["transactions"] == 0


async def test_watchlist_is_ordered_noted_and_followed_by_the_rules(made: World, client: Client) -> None:
    made.desk.take_file([rule("r", symbols=("watchlist/main",))])
    status, found = await send(
        client, "POST", "/api/watchlist", {"name": "main", "items": ["eth", {"symbol": "XYZ", "note": "soon"}]}
    )
    assert status == 201
    assert [(one["symbol"], one["note"], one["watched"]) for one in found["items"]] == [
        ("ETHUSDT", "", True),
        ("XYZ", "soon", False),
    ]
    assert made.watch.state.watchlists == {"main": ("ETHUSDT", "XYZ")}
    path = f"/api/watchlist/{found['watchlist_id']}"
    status, found = await send(client, "PUT", path, {"items": ["BTC", "ETH"], "version": 1})
    assert (status, found["version"]) == (200, 2)
    assert made.watch.state.watchlists == {"main": ("BTCUSDT", "ETHUSDT")}
    assert (await send(client, "PUT", path, {"items": [], "version": 1}))[0] == 409
    assert (await send(client, "POST", "/api/watchlist", {"name": "Main"}))[0] == 409
    assert (await send(client, "POST", "/api/watchlist", {"name": "a b"}))[0] == 400
    assert (await send(client, "DELETE", path))[0] == 200
    assert made.watch.state.watchlists == {}
    assert (await send(client, "GET", path))[0] == 404


async def test_watchlist_of_the_store_is_known_before_the_rules_of_the_next_start(made: World, client: Client) -> None:
    await send(client, "POST", "/api/watchlist", {"name": "main", "items": ["BTC"]})
    again: list[Any] = []
    await made.books.begin(again.append)
    assert again[-1].lists == {"main": ("BTCUSDT",)}
