"""Which addresses a webhook may reach."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.clock import ManualClock
from marketwatch.notify.address import CheckedResolver, checked, refusal
from marketwatch.notify.channel import DeliveryFailed, Message, Told
from marketwatch.notify.webhook import Webhook
from marketwatch.store.alert_rows import notices_of
from tests.kit.alerts import alert
from tests.kit.facts import T0

METADATA = [
    "169.254.169.254",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
]
NOBODY = ["0.0.0.0", "::", "224.0.0.1", "239.1.2.3", "ff02::1", "255.255.255.255", "169.254.1.1", "fe80::1", "fe80::1%eth0"]
OWN = [
    "127.0.0.1", "127.8.9.1", "::1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:c0a8:101", "2002:7f00:1::", "2002:c0a8:101::", "64:ff9b::7f00:1", "::7f00:1",
    "::10.0.0.1",
]  # fmt: skip
NOT_PUBLIC = [
    "100.64.0.1",
    "192.0.0.1",
    "198.18.0.1",
    "240.0.0.1",
    "2001:0:53aa:64c::1",
    "64:ff9b:1::1",
    "fec0::1",
    "2001:db8::1",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "2002:808:808::", "64:ff9b::808:808"]


@pytest.mark.parametrize("text", [*METADATA, *NOBODY, *OWN, *NOT_PUBLIC, "no address", ""])
def test_address_that_is_not_public_is_refused(text: str) -> None:
    assert refusal(text, private=False) is not None


@pytest.mark.parametrize("text", PUBLIC)
def test_public_address_is_allowed(text: str) -> None:
    assert refusal(text, private=False) is None


@pytest.mark.parametrize("text", OWN)
def test_own_network_is_allowed_with_leave(text: str) -> None:
    assert refusal(text, private=True) is None


@pytest.mark.parametrize("text", [text for text in (*METADATA, *NOBODY) if text != "255.255.255.255"])
def test_metadata_and_nobodys_addresses_are_refused_even_with_leave(text: str) -> None:
    assert refusal(text, private=True) is not None


@given(st.ip_addresses(v=4))
def test_address_inside_an_ipv6_form_is_judged_as_itself(address: object) -> None:
    for form in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert (refusal(form, private=False) is None) == (refusal(str(address), private=False) is None)


async def test_name_that_resolves_to_this_machine_is_refused() -> None:
    with pytest.raises(DeliveryFailed, match="is refused"):
        await CheckedResolver(private=False).resolve("localhost", 80)
    assert await CheckedResolver(private=True).resolve("localhost", 80)


def test_name_with_one_refused_address_among_good_ones_is_refused() -> None:
    found = [(socket.AF_INET, 6, "8.8.8.8"), (socket.AF_INET, 6, "10.0.0.1")]
    with pytest.raises(DeliveryFailed, match=r"10\.0\.0\.1"):
        checked("example.org", 80, found, private=False)
    assert [one["host"] for one in checked("example.org", 80, found[:1], private=False)] == ["8.8.8.8"]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "LOCALHOST", "localhost.", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.1",
        "127.0.1", "017700000001", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0", "0.0.0.0", "169.254.169.254",
        "10.0.0.1", "[fd00:ec2::254]", "[fe80::1]", "127.0.0.1.", "①②⑦.⓪.⓪.①",
    ],
)  # fmt: skip
@pytest.mark.offline
async def test_webhook_never_connects_to_a_refused_host_however_it_is_written(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []

    async def open_socket(*given: object, **_: object) -> None:
        opened.append(given)
        raise OSError(111, "refused by the test")

    monkeypatch.setattr(aiohttp.connector.TCPConnector, "_wrap_create_connection", open_socket)
    hook = Webhook(name="webhook", url=f"http://{host}/", secret="", private=False, clock=ManualClock(T0))
    fact = alert()
    message = Message("m", [Told(notices_of(fact, ("webhook",), T0)[0], fact)], False, "live")
    with pytest.raises(DeliveryFailed):
        await hook.send(message)
    assert opened == []


async def test_failure_names_the_host_and_none_of_the_secrets() -> None:
    url = "http://user:word@127.0.0.1:1/services/T0KEN?key=SECRET"
    fact = alert()
    message = Message("m", [Told(notices_of(fact, ("webhook",), T0)[0], fact)], False, "live")
    with pytest.raises(DeliveryFailed) as caught:
        await Webhook(name="webhook", url=url, secret="", private=True, clock=ManualClock(T0)).send(message)
    assert "http://127.0.0.1:1" in str(caught.value)
    assert not any(secret in str(caught.value) for secret in ("user", "word", "T0KEN", "SECRET"))


async def test_webhook_connects_to_the_address_it_has_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []

    async def open_socket(*_: object, addr_infos: list[tuple[object, ...]], **__: object) -> None:
        opened.extend(info[4] for info in addr_infos)
        raise OSError(111, "refused by the test")

    monkeypatch.setattr(aiohttp.connector.TCPConnector, "_wrap_create_connection", open_socket)
    fact = alert()
    message = Message("m", [Told(notices_of(fact, ("webhook",), T0)[0], fact)], False, "live")
    with pytest.raises(DeliveryFailed, match="refused by the test"):
        await Webhook(name="webhook", url="http://localhost:81/", secret="", private=True, clock=ManualClock(T0)).send(message)
    assert ("127.0.0.1", 81) in opened
