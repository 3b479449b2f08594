"""Which address of a venue is asked next."""

from __future__ import annotations

import pytest

from marketwatch.errors import EndpointForbidden
from marketwatch.feed.endpoints import Endpoints


def test_first_address_is_used_until_it_failed_twice_in_a_row() -> None:
    endpoints = Endpoints(["wss://a/", "wss://b"])
    endpoints.failed("wss://a")
    endpoints.answered()
    endpoints.failed("wss://a")
    assert endpoints.current == "wss://a"
    endpoints.failed("wss://a")
    assert endpoints.current == "wss://b"


def test_addresses_get_their_turn_again() -> None:
    endpoints = Endpoints(["a", "b"], patience=1)
    endpoints.failed("a")
    endpoints.failed("b")
    assert endpoints.current == "a"


def test_failure_of_another_address_changes_nothing() -> None:
    endpoints = Endpoints(["a", "b"], patience=1)
    endpoints.failed("b")
    assert endpoints.current == "a"


def test_forbidden_address_is_left_for_good_and_told_once() -> None:
    endpoints = Endpoints(["a", "b", "c"], patience=1)
    endpoints.failed("a")
    assert endpoints.forbid("b", 451)
    assert not endpoints.forbid("b", 451)
    assert endpoints.current == "c"
    endpoints.failed("c")
    assert endpoints.current == "a"
    assert endpoints.forbidden == {"b": 451}


def test_no_address_left_raises_with_the_status_of_each() -> None:
    endpoints = Endpoints(["a"])
    endpoints.forbid("a", 403)
    with pytest.raises(EndpointForbidden, match="HTTP 403"):
        _ = endpoints.current
