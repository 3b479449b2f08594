from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import orjson
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.telemetry import Telemetry, configure_logging, get_logger, redact


@pytest.fixture
def sink() -> Iterator[io.StringIO]:
    """Log lines of one test; the former set-up comes back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("wss://ws.finnhub.io?token=abc123secret", "abc123secret"),
        ("https://x.test/a?x=1&api_key=s3cr3t&y=2", "s3cr3t"),
        ("postgresql://user:p%40ss-word@db.test:5432/market", "p%40ss-word"),
        ("redis://:hunter22@cache.test/0", "hunter22"),
        ("Authorization: Bearer eyJhbGciOi.abc.def", "eyJhbGciOi.abc.def"),
        ("connect failed: password=hunter22 host=db", "hunter22"),
    ],
)
def test_redact_text_with_secret_hides_it(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert "[hidden]" in redact(text)


@pytest.mark.parametrize(
    "text", ["BTCUSDT 64,000.5", "https://data.test/api?symbol=BTCUSDT&limit=10", "user@example.test wrote"]
)
def test_redact_plain_text_leaves_it(text: str) -> None:
    assert redact(text) == text


@given(st.text(alphabet="abcdefXYZ0123456789-_.~", min_size=6, max_size=40), st.sampled_from(["token", "api_key", "signature"]))
def test_redact_any_token_in_a_url_never_survives(secret: str, name: str) -> None:
    text = redact(f"GET wss://feed.test/ws?{name}={secret}#end")
    assert text == f"GET wss://feed.test/ws?{name}=[hidden]#end"


def test_log_json_line_holds_facts_and_no_secret(sink: io.StringIO) -> None:
    configure_logging("INFO", json=True, stream=sink)
    get_logger("t").warning(
        "feed_lost", url="wss://x.test/?token=abcdef", headers={"Authorization": "Bearer abcdefgh"}, tries=3
    )
    line = orjson.loads(sink.getvalue())
    assert line["event"] == "feed_lost"
    assert line["level"] == "warning"
    assert line["tries"] == 3
    assert line["url"] == "wss://x.test/?token=[hidden]"
    assert line["headers"] == {"Authorization": "[hidden]"}


def test_log_of_the_standard_library_is_redacted_too(sink: io.StringIO) -> None:
    configure_logging("INFO", json=True, stream=sink)
    try:
        raise ValueError("no route to postgresql://me:s3cret@db.test/x")
    except ValueError:
        logging.getLogger("asyncpg").exception("connecting to %s", "postgresql://me:s3cret@db.test/x")
    text = sink.getvalue()
    assert "s3cret" not in text
    assert "ValueError" in orjson.loads(text)["exception"]


def test_log_console_below_level_writes_nothing(sink: io.StringIO) -> None:
    configure_logging("WARNING", stream=sink)
    get_logger("t").info("quiet")
    assert sink.getvalue() == ""
    get_logger("t").error("loud", password="hunter22")
    assert "loud" in sink.getvalue()
    assert "hunter22" not in sink.getvalue()


def test_telemetry_two_registries_do_not_share_counts() -> None:
    one, other = Telemetry(), Telemetry()
    one.errors.labels("x").inc()
    assert b'marketwatch_errors_total{place="x"} 1.0' in one.exposition()
    assert b'place="x"' not in other.exposition()


def test_http_times_observed_requests_fill_buckets_cumulatively() -> None:
    telemetry = Telemetry()
    for seconds in (0.0001, 0.004, 20.0):
        telemetry.http.observe("/a", 200, seconds)
    telemetry.http.observe("/a", 404, 0.004)
    text = telemetry.exposition().decode()
    assert 'marketwatch_http_requests_total{route="/a",status="200"} 3.0' in text
    assert 'marketwatch_http_request_seconds_bucket{le="0.0005",route="/a"} 1.0' in text
    assert 'marketwatch_http_request_seconds_bucket{le="0.005",route="/a"} 3.0' in text
    assert 'marketwatch_http_request_seconds_bucket{le="+Inf",route="/a"} 4.0' in text
    assert telemetry.http.count("/a") == 4
    assert telemetry.http.count("/a", 404) == 1
