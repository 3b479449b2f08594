from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.web.hosts import HostList, host_name


@pytest.mark.parametrize(
    "header", ["localhost", "localhost:8000", "LOCALHOST", "127.0.0.1:8000", "127.9.9.9", "[::1]:80", "app.localhost"]
)
def test_host_list_loopback_names_are_ours(header: str) -> None:
    assert header in HostList(bound="127.0.0.1")


@pytest.mark.parametrize(
    "header", ["", "evil.test", "192.168.1.5", "localhost.evil.test", "127.0.0.1.evil.test", "[::1", "a:b:c", "localhost:x"]
)
def test_host_list_bound_to_loopback_refuses_others(header: str) -> None:
    assert header not in HostList(bound="127.0.0.1")


def test_host_list_bound_everywhere_takes_addresses_but_no_names() -> None:
    hosts = HostList(bound="0.0.0.0")
    assert "192.168.1.5:8000" in hosts
    assert "[2001:db8::1]" in hosts
    assert "rebound.evil.test" not in hosts


def test_host_list_allowed_names_and_suffixes() -> None:
    hosts = HostList(bound="0.0.0.0", allowed=("Market.Example.com", ".example.org"))
    assert "market.example.com" in hosts
    assert "market.example.com.:443" in hosts
    assert "a.b.example.org" in hosts
    assert "example.org" in hosts
    assert "notexample.org" not in hosts
    assert "x.market.example.com" not in hosts
    assert "anything.test" in HostList(bound="127.0.0.1", allowed=("*",))


def test_host_list_bound_name_is_ours() -> None:
    assert "market.lan:8000" in HostList(bound="market.lan")


@given(st.text(max_size=300))
def test_host_list_any_header_is_judged_the_same_twice(header: str) -> None:
    hosts = HostList(bound="127.0.0.1", allowed=("example.com",))
    assert (header in hosts) == (header in hosts)
    name = host_name(header)
    assert name is None or (name and len(name) <= 255)
