"""The gate in front of every route, over real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from marketwatch.clock import ManualClock
from marketwatch.errors import StoreDamaged, StoreUnavailable
from marketwatch.store.writer import StoreWriter
from marketwatch.tasks import Tasks
from tests.kit.clients import Client
from tests.kit.streams import connect, request_bytes, serving
from tests.kit.watches import START_MS, World, world

EVERYWHERE = (
    "/",
    "/healthz",
    "/api/market/price/BTC",
    "/api/market/candles/BTC",
    "/api/nothing",
    "/nothing",
    "/static/app.css",
    "/metrics",
)


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_gate_any_answer_carries_the_security_headers(client: Client, path: str) -> None:
    answer = await client.get(path)
    policy = answer.headers["Content-Security-Policy"]
    for part in (
        "default-src 'self'",
        "img-src 'self' data:",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    ):
        assert part in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert "Strict-Transport-Security" not in answer.headers
    assert answer.headers["Server"] == "marketwatch"
    assert answer.headers["X-Request-Id"]


async def test_gate_request_ids_are_different(client: Client) -> None:
    ids = {(await client.get("/api/market/price/BTC")).headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5


async def test_gate_behind_https_proxy_sends_hsts(tmp_path: Path) -> None:
    async with world(tmp_path, trusted_hops=1) as made, made.client() as client:
        for path in ("/api/market/price/BTC", "/", "/nothing"):
            secure = await client.get(path, headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "1.2.3.4"})
            plain = await client.get(path, headers={"X-Forwarded-Proto": "http", "X-Forwarded-For": "1.2.3.4"})
            assert secure.headers["Strict-Transport-Security"] == "max-age=31536000"
            assert "Strict-Transport-Security" not in plain.headers


async def test_gate_without_trusted_hops_believes_no_proxy_header(client: Client) -> None:
    answer = await client.get("/", headers={"X-Forwarded-Proto": "https"})
    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/api/market/price/BTC", "/readyz", "/static/app.css"])
async def test_gate_foreign_host_is_refused(client: Client, path: str) -> None:
    answer = await client.get(path, headers={"Host": "rebound.evil.test"})
    assert answer.status == 400
    assert "rebound.evil.test" in await answer.text()


async def test_gate_foreign_host_may_ask_whether_we_live(client: Client) -> None:
    assert (await client.get("/healthz", headers={"Host": "market.onrender.test"})).status == 200


async def test_gate_allowed_host_is_answered(tmp_path: Path) -> None:
    async with world(tmp_path, allowed_hosts=("market.onrender.test",)) as made, made.client() as client:
        assert (await client.get("/readyz", headers={"Host": "market.onrender.test"})).status == 200


async def test_gate_absolute_target_with_foreign_host_is_refused(made: World) -> None:
    async with serving(made.build()) as port:
        reader, writer = await connect(port)
        writer.write(b"GET http://evil.test/api/market/price/BTC HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 400 " in await asyncio.wait_for(reader.readline(), 5)
        writer.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_gate_other_method_is_405_with_envelope(client: Client, method: str) -> None:
    answer = await client.request(method, "/api/market/prices")
    body = await answer.json()
    assert (answer.status, body["error"]["code"], answer.headers["Allow"]) == (405, "METHOD_NOT_ALLOWED", "GET, HEAD")
    assert body["success"] is False


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/market/price/BTC", "/api/market/candles/BTC", "/api/market/stream"])
async def test_gate_head_answers_without_body(client: Client, path: str) -> None:
    answer = await client.head(path)
    assert answer.status == 200
    assert await answer.read() == b""


async def test_gate_unknown_path_is_envelope_under_api_and_page_elsewhere(client: Client) -> None:
    api = await client.get("/api/nothing")
    page = await client.get("/nothing")
    assert (await api.json())["error"] == {
        "code": "RESOURCE_NOT_FOUND",
        "message": 'There is nothing at "/api/nothing".',
        "details": [],
    }
    assert (page.status, page.content_type) == (404, "text/html")
    assert "<script>" not in await (await client.get("/<script>alert(1)</script>")).text()


async def test_gate_unexpected_failure_is_500_counted_and_tells_nothing_inner(made: World) -> None:
    app = made.build()

    async def broken(_request: web.Request) -> web.Response:
        raise ZeroDivisionError("inner secret")

    app.router.add_get("/api/broken", broken)
    app.router.add_get("/broken", broken)
    async with TestClient(TestServer(app)) as client:
        for path in ("/api/broken", "/broken"):
            answer = await client.get(path)
            text = await answer.text()
            assert answer.status == 500
            assert "inner secret" not in text
            assert answer.headers["X-Request-Id"] in text
    assert b'marketwatch_errors_total{place="/api/broken"} 1.0' in made.telemetry.exposition()


async def test_gate_store_away_is_503_with_retry_after(made: World) -> None:
    app = made.build()

    async def away(_request: web.Request) -> web.Response:
        raise StoreUnavailable("postgresql://me:secret@db is down")

    app.router.add_get("/api/away", away)
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/api/away")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert "secret" not in await answer.text()


async def test_gate_damaged_store_is_500_without_its_words(made: World) -> None:
    app = made.build()

    async def damaged(_request: web.Request) -> web.Response:
        raise StoreDamaged("page 7 of /srv/mine/market.db is torn")

    async def late(_request: web.Request) -> web.Response:
        raise TimeoutError

    app.router.add_get("/api/damaged", damaged)
    app.router.add_get("/api/late", late)
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/api/damaged")
        assert answer.status == 500
        assert "/srv/mine" not in await answer.text()
        assert (await client.get("/api/late")).status == 503


async def test_gate_error_page_that_fails_itself_is_still_a_page(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> web.Response:
        raise RuntimeError("template is gone")

    monkeypatch.setattr("marketwatch.web.render.error_page", broken)
    async with made.client() as client:
        answer = await client.get("/<b>nothing")
        text = await answer.text()
        assert (answer.status, answer.content_type) == (404, "text/html")
        assert "There is no such page" in text
        assert "<b>" not in text


async def test_readyz_names_a_task_that_died(made: World) -> None:
    deaths: list[str] = []
    tasks = Tasks(on_death=lambda name, _error: deaths.append(name))

    async def dies() -> None:
        raise OSError("the line is cut")

    tasks.start("feed:binance", dies())
    async with TestClient(TestServer(made.build(tasks=tasks))) as client:
        answer = await client.get("/readyz")
        assert answer.status == 503
        assert (await answer.json())["reasons"] == ["The task feed:binance has ended: OSError('the line is cut')."]
    await tasks.aclose()


async def test_metrics_show_the_writer_of_the_moment(made: World) -> None:
    writer = StoreWriter(store=made.store, clock=made.clock, settings=made.settings, publish=made.watch.bus.publish)
    made.watch.bus.publish(writer.status())
    async with made.client() as client:
        text = await (await client.get("/metrics")).text()
    for name in ("store_queue_depth 0.0", "store_dropped_total 0.0", "store_rows_written_total 0.0", "store_failing 0.0"):
        assert f"marketwatch_{name}" in text
    await writer.aclose()


async def test_gate_large_body_is_413_unread(client: Client) -> None:
    answer = await client.get("/api/market/prices", data=b"x" * 70_000)
    assert answer.status == 413
    assert (await answer.json())["error"]["code"] == "PAYLOAD_TOO_LARGE"


async def test_gate_without_a_market_data_is_503_and_probes_live(tmp_path: Path) -> None:
    async with world(tmp_path, played=False) as made, made.client() as client:
        answer = await client.get("/api/market/price/BTC")
        assert answer.status == 503
        assert "No market is open yet" in (await answer.json())["error"]["message"]
        assert (await client.get("/healthz")).status == 200
        ready = await client.get("/readyz")
        assert ready.status == 503
        assert "No market is open yet" in (await ready.json())["reasons"][0]


async def test_gate_rate_limit_general_is_exact_and_names_the_wait(tmp_path: Path) -> None:
    async with world(tmp_path, rate_limit=100, rate_limit_data=1000) as made, made.client() as client:
        statuses = [(await client.get("/nothing")).status for _ in range(101)]
        assert statuses == [404] * 100 + [429]
        refused = await client.get("/nothing")
        assert 0 < int(refused.headers["Retry-After"]) <= 120
        assert (await client.get("/api/market/price/BTC")).status == 200
        assert (await client.get("/healthz")).status == 200
        assert (await client.get("/static/app.css")).status == 200
        assert isinstance(made.clock, ManualClock)
        made.clock.move_to(made.clock.now_ms() + 1000 * int(refused.headers["Retry-After"]))
        assert (await client.get("/nothing")).status == 404


async def test_gate_rate_limit_data_is_an_envelope(tmp_path: Path) -> None:
    async with world(tmp_path, rate_limit_data=5) as made, made.client() as client:
        statuses = [(await client.get("/api/market/price/BTC")).status for _ in range(5)]
        answer = await client.get("/api/market/price/BTC")
        assert (statuses, answer.status) == ([200] * 5, 429)
        body = await answer.json()
        assert body["error"]["code"] == "RATE_LIMITED"
        assert body["error"]["details"][0]["limit"] == 5


async def test_gate_rate_limit_counts_clients_behind_the_trusted_proxy_apart(tmp_path: Path) -> None:
    async with world(tmp_path, rate_limit_data=1, trusted_hops=1) as made, made.client() as client:

        async def ask(forwarded: str) -> int:
            return (await client.get("/api/market/price/BTC", headers={"X-Forwarded-For": forwarded})).status

        assert [await ask("9.9.9.9, 1.1.1.1"), await ask("8.8.8.8, 1.1.1.1"), await ask("2.2.2.2")] == [200, 429, 200]


async def test_gate_page_with_assets_and_reconnects_never_trips(tmp_path: Path) -> None:
    async with world(tmp_path, rate_limit=100, rate_limit_data=1000) as made, made.client() as client:
        for _ in range(20):
            assert (await client.get("/")).status == 200
            for _ in range(15):
                assert (await client.get("/static/app.css")).status == 200
            for _ in range(4):
                stream = await client.get("/stream/overview")
                assert stream.status == 200
                stream.close()


async def test_gate_filter_as_one_types_counts_as_data(tmp_path: Path) -> None:
    async with world(tmp_path, rate_limit=5, rate_limit_data=20) as made, made.client() as client:
        typed = [(await client.get("/search?q=b", headers={"HX-Request": "true"})).status for _ in range(21)]
        assert typed == [200] * 20 + [429]
        assert (await client.get("/nothing")).status == 404


async def test_gate_garbage_instead_of_http_is_400_and_counted(made: World) -> None:
    async with serving(made.build()) as port:
        for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"G\x00T / HTTP/1.1\r\n\r\n"):
            reader, writer = await connect(port)
            writer.write(garbage)
            assert b" 400 " in await asyncio.wait_for(reader.readline(), 5)
            writer.close()
        reader, writer = await connect(port)
        writer.write(request_bytes("/healthz", port, X_Long="x" * 9000))
        assert b" 400 " in await asyncio.wait_for(reader.readline(), 5)
        writer.close()
    assert b'marketwatch_bad_requests_total{reason="malformed"} 4.0' in made.telemetry.exposition()


async def test_gate_metrics_count_routes_by_pattern(client: Client) -> None:
    for path in ("/api/market/price/BTC", "/api/market/price/ETH", "/api/market/price/nope"):
        await client.get(path)
    text = await (await client.get("/metrics")).text()
    assert 'marketwatch_http_requests_total{route="/api/market/price/{coin_id}",status="200"} 2.0' in text
    assert 'marketwatch_http_requests_total{route="/api/market/price/{coin_id}",status="404"} 1.0' in text
    for name in (
        "feed_lag_seconds",
        "feed_trades_total",
        "feed_reconnects_total",
        "gaps",
        "sse_clients",
        "loop_lag_seconds_bucket",
    ):
        assert f"marketwatch_{name}" in text
    assert 'marketwatch_feed_lag_seconds{venue="binance"} 0.05' in text
    step = next(line for line in text.splitlines() if line.startswith("marketwatch_sample_time_seconds "))
    assert float(step.split()[1]) == START_MS / 1000 + 12.5
