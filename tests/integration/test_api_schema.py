"""The OpenAPI document is valid, tells the truth about every answer, and a fuzzer that believes it finds nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from marketwatch.clock import SystemClock
from marketwatch.model.accounts import Role, Scope
from marketwatch.model.alerts import Alerts, Rules
from marketwatch.model.market import Gap, GapReason, GapState
from marketwatch.model.portfolio import Watchlist, WatchlistItem
from marketwatch.model.screens import Screen
from marketwatch.store.books import books_of
from marketwatch.web.api import ENDPOINTS
from marketwatch.web.openapi import document
from tests.kit.alerts import alert, rule
from tests.kit.books import entry, portfolio
from tests.kit.streams import serving
from tests.kit.watches import START_MS, TOKEN, World, history, warm, world

SAMPLES = {
    "coin_id": "BTC",
    "coin_1": "BTC",
    "coin_2": "ETH",
    "alert_id": "a1",
    "user_id": "me",
    "rule_id": "r1",
    "symbol": "BTC",
    "portfolio_id": "p1",
    "watchlist_id": "w1",
    "screen_id": "s1",
}


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, accounts="open") as found:
        warm(found.watch, history("BTCUSDT", "1m", 60_000, 300, START_MS))
        found.watch.bus.publish(Gap("g", "binance", "BTCUSDT", GapReason.SILENCE, GapState.LOST, START_MS, START_MS + 1))
        found.watch.bus.publish(Rules([rule(symbols=("BTCUSDT",)), rule("r2")]))
        context = {"terms": {"change(5m)": -3.25}, "quality": ["gap"]}
        found.watch.bus.publish(Alerts(START_MS, [alert(context=context), alert("a2", rule_id="r2", threshold=None)], ["a1"]))
        yield found


async def own(made: World, owner_id: str) -> None:
    """Give somebody a portfolio and a watchlist."""
    books, mine = books_of(made.store), portfolio()._replace(owner_id=owner_id)
    await books.add_portfolio(mine)
    await books.write_transactions(mine, put=[entry("buy", "BTC", "0.5", "40000", time_ms=START_MS - 86_400_000)])
    await books.add_watchlist(Watchlist("w1", owner_id, "main", (WatchlistItem("BTCUSDT", "note"),)))
    await books.add_screen(Screen("s1", owner_id, "Falling", "change(5m) < -1", "price"))
    await made.books.load()


def validator(schema: dict[str, Any], whole: dict[str, Any]) -> Any:
    """A validator of `schema` whose references lead into the document."""
    return jsonschema_rs.Draft202012Validator({**schema, "components": whole["components"]})


def closed(schema: Any) -> Any:
    """The schema with every object closed: a field that the document does not name is an error."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(part) for name, part in schema.items()}
    if found.get("type") == "object" and "properties" in found:
        found["additionalProperties"] = False
    return found


def test_openapi_document_is_valid_31() -> None:
    whole = document()
    assert whole["openapi"] == "3.1.0"
    for name, schema in whole["components"]["schemas"].items():
        jsonschema_rs.Draft202012Validator({**schema, "components": whole["components"]})
        assert name.isidentifier(), name


def test_openapi_every_reference_leads_somewhere() -> None:
    whole = document()
    references = set[str]()

    def collect(part: Any) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                references.add(part["$ref"])
            for value in part.values():
                collect(value)
        elif isinstance(part, list):
            for value in part:
                collect(value)

    collect(whole)
    assert references
    assert {reference.rpartition("/")[2] for reference in references} <= set(whole["components"]["schemas"])


def test_openapi_names_every_endpoint_once_with_all_parameters() -> None:
    whole = document()
    operations = [operation["operationId"] for path in whole["paths"].values() for operation in path.values()]
    assert len(set(operations)) == len(operations)
    assert {endpoint.path for endpoint in ENDPOINTS} <= set(whole["paths"])
    candles = whole["paths"]["/api/market/candles/{coin_id}"]["get"]
    assert [parameter["name"] for parameter in candles["parameters"]] == ["coin_id", "interval", "from", "to", "limit"]
    assert [parameter["required"] for parameter in candles["parameters"]] == [True, False, False, False, False]
    limit = candles["parameters"][-1]["schema"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 1000, 500)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
async def test_openapi_every_answer_has_the_documented_shape_and_no_more(made: World, endpoint: Any) -> None:
    whole = closed(document())
    operation = whole["paths"][endpoint.path]["get"]
    query = {one["name"]: SAMPLES[one["name"]] for one in operation["parameters"] if one["required"] and one["in"] == "query"}
    ada = await made.person("ada", Role.ADMIN)
    await own(made, ada.user_id)
    await made.people.keys.make(ada.user_id, "bot", [Scope.READ])
    await made.people.invitations.make(ada.user_id, Role.VIEWER)
    async with made.client() as client:
        client.session.headers.update(await made.bearer(ada))
        answer = await client.get(endpoint.path.format(**SAMPLES), params=query)
        body = await answer.json()
        assert answer.status == 200
        good = operation["responses"]["200"]["content"]["application/json"]["schema"]
        validator(good, whole).validate(body)
        refused = await client.get(endpoint.path.format(**SAMPLES), params={**query, "no_such": "1"})
        bad = operation["responses"]["400"]["content"]["application/json"]["schema"]
        assert refused.status == 400
        validator(bad, whole).validate(await refused.json())


async def test_openapi_is_served_with_an_entity_tag(made: World) -> None:
    async with made.client() as client:
        answer = await client.get("/api/openapi.json")
        assert (await answer.json())["info"]["title"] == "marketwatch"
        again = await client.get("/api/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status == 304


_FUZZ = """
import sys
import schemathesis
from schemathesis.cli import schemathesis as command
command(sys.argv[1:], standalone_mode=True)
"""


_OPTIONS = (
    "--max-examples=20",
    "--generation-deterministic",
    "--no-color",
    "--exclude-path=/api/market/stream",
    "--exclude-path=/api/alerts/stream",
    "--request-timeout=10",
    f"--header=Authorization: Bearer {TOKEN}",
)

_EXPRESSIONS_HAVE_A_GRAMMAR = """
[[operations]]
include-name = "POST /api/silences"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "POST /api/deliveries/test"
checks.not_a_server_error.enabled = false

[[operations]]
include-name = "POST /api/rules/preview"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "POST /api/rules/explain"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "POST /api/rules"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "PUT /api/rules/{rule_id}"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "POST /api/portfolio"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "PUT /api/portfolio/{portfolio_id}"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "POST /api/portfolio/{portfolio_id}/assets"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "POST /api/portfolio/{portfolio_id}/transactions"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "PUT /api/portfolio/{portfolio_id}/transactions/{transaction_id}"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "POST /api/portfolio/{portfolio_id}/import"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "POST /api/watchlist"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "PUT /api/watchlist/{watchlist_id}"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "GET /api/screener"
checks.positive_data_acceptance.enabled = false
checks.content_type_conformance.enabled = false

[[operations]]
include-name = "POST /api/screens"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "PUT /api/screens/{screen_id}"
checks.positive_data_acceptance.enabled = false
"""
"""No JSON schema can say which text is a rule, a name that is free, or a transaction that the books can take. An address
with long texts beyond ASCII is refused by the server's protocol, in plain text, before anything of ours sees it."""


@pytest.mark.slow
@pytest.mark.timeout(480)
async def test_openapi_fuzzed_by_schemathesis_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(_EXPRESSIONS_HAVE_A_GRAMMAR)
    async with world(tmp_path, clock=SystemClock()) as made, serving(made.build()) as port:
        command = [sys.executable, "-W", "ignore", "-c", _FUZZ, "run", f"http://127.0.0.1:{port}/api/openapi.json", *_OPTIONS]
        process = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = await asyncio.wait_for(process.communicate(), 450)
        assert process.returncode == 0, output.decode()[-20000:]
