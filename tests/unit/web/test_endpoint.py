from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from marketwatch.errors import InvalidRequest
from marketwatch.web.api.endpoint import Parameters
from marketwatch.web.api.history import CandlesQuery, WhalesQuery
from marketwatch.web.api.market import CoinsQuery
from marketwatch.web.api.parameters import read_time

CANDLES = Parameters(CandlesQuery)


def read(**query: str) -> CandlesQuery:
    return CANDLES.read({"coin_id": "BTC"}, MultiDict(query))


def test_parameters_nothing_given_are_defaults() -> None:
    query = read()
    assert (query.coin_id, query.interval, query.from_ms, query.to_ms, query.limit) == ("BTC", "1m", None, None, 500)


def test_parameters_all_given_are_converted() -> None:
    query = CANDLES.read(
        {"coin_id": "eth"}, MultiDict({"interval": "1h", "from": "2025-11-21T00:00:00Z", "to": "1763686800000", "limit": "7"})
    )
    assert (query.interval, query.from_ms, query.to_ms, query.limit) == ("1h", 1_763_683_200_000, 1_763_686_800_000, 7)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"limt": "5"}, r'"limt" is unknown; known here: interval, from, to, limit; did you mean "limit"\?'),
        ({"coin_id": "x"}, r'"coin_id" is unknown'),
        ({"limit": "0"}, r'"limit" was "0"; it must be a whole number from 1 to 1000\.'),
        ({"limit": "1001"}, "whole number from 1 to 1000"),
        ({"limit": "1.5"}, "whole number"),
        ({"limit": ""}, "whole number"),
        ({"limit": "null"}, "whole number"),
        ({"limit": " 5"}, "whole number"),
        ({"limit": "1_0"}, "whole number"),
        ({"interval": "2m"}, '"interval" was "2m"; it must be one of 1s, 1m'),
        ({"from": "yesterday"}, '"from" was "yesterday"; it must be an ISO 8601 time'),
        ({"from": "-1"}, "ISO 8601"),
        ({"to": "99999999999999999"}, "ISO 8601"),
        ({"to": "2025-02-30T00:00:00Z"}, "ISO 8601"),
    ],
)
def test_parameters_bad_value_names_it_and_the_remedy(query: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        CANDLES.read({"coin_id": "BTC"}, MultiDict(query))


def test_parameters_given_twice_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r'"limit" was given more than once\.'):
        CANDLES.read({"coin_id": "BTC"}, MultiDict([("limit", "1"), ("limit", "2")]))


def test_parameters_coins_list_is_bounded() -> None:
    coins = Parameters(CoinsQuery)
    assert coins.read({}, MultiDict({"coins": "btc,ETH"})).coins == ["btc", "ETH"]
    assert coins.read({}, MultiDict()).coins is None
    for bad in ("", "btc,", ",".join(["btc"] * 51), "x" * 65):
        with pytest.raises(InvalidRequest, match="1 to 50 coins"):
            coins.read({}, MultiDict({"coins": bad}))


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e400", "abc", "0x10"])
def test_parameters_number_of_dollars_must_be_finite(value: str) -> None:
    with pytest.raises(InvalidRequest, match="a number of dollars"):
        Parameters(WhalesQuery).read({}, MultiDict({"min_usd": value}))


@given(
    st.dictionaries(
        st.text(max_size=12) | st.sampled_from(["limit", "from", "to", "interval"]), st.text(max_size=40), max_size=4
    )
)
def test_parameters_any_query_is_read_or_refused(query: dict[str, str]) -> None:
    try:
        limit = CANDLES.read({"coin_id": "BTC"}, MultiDict(query)).limit
        details = None
    except InvalidRequest as error:
        limit, details = 1, error.details
    assert details != []
    assert 1 <= limit <= 1000


@given(st.integers(0, 253_402_300_799_999))
def test_read_time_epoch_milliseconds_are_kept(time_ms: int) -> None:
    assert read_time(str(time_ms)) == time_ms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-11-21", 1_763_683_200_000),
        ("2025-11-21T00:00:00Z", 1_763_683_200_000),
        ("2025-11-21t00:00:00z", 1_763_683_200_000),
        ("2025-11-21T01:00:00+01:00", 1_763_683_200_000),
        ("2025-11-21T00:00:00.123Z", 1_763_683_200_123),
        ("2025-11-21 00:00", 1_763_683_200_000),
    ],
)
def test_read_time_iso_spellings(text: str, expected: int) -> None:
    assert read_time(text) == expected


@given(st.text(max_size=40))
def test_read_time_any_text_is_a_time_or_a_value_error(text: str) -> None:
    try:
        found = read_time(text)
    except ValueError:
        found = 0
    assert 0 <= found <= 253_402_300_799_999
