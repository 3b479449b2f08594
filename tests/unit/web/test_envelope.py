from __future__ import annotations

import math
from datetime import UTC, datetime

import orjson
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.web.envelope import failure, http_date, iso, success


@given(st.integers(0, 253_402_300_799_999))
def test_iso_any_time_equals_datetime(time_ms: int) -> None:
    moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    assert iso(time_ms) == f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"


def test_http_date_known_moment() -> None:
    assert http_date(1_763_683_200_999) == "Fri, 21 Nov 2025 00:00:00 GMT"


def test_success_unknown_numbers_become_null() -> None:
    body = orjson.loads(success([1.5, math.nan, math.inf, None], now_ms=0, source="demo"))
    assert body == {
        "success": True,
        "data": [1.5, None, None, None],
        "meta": {"timestamp": "1970-01-01T00:00:00.000Z", "source": "demo"},
    }


def test_failure_holds_code_message_and_details() -> None:
    body = orjson.loads(failure("CONFLICT", 'A "word".', [{"a": 1}]))
    assert body == {"success": False, "error": {"code": "CONFLICT", "message": 'A "word".', "details": [{"a": 1}]}}
