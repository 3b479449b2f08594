"""Which addresses a webhook may reach: the public ones, unless the owner says otherwise; never a cloud's metadata service."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult

from .channel import DeliveryFailed

_METADATA = frozenset(
    ip_address(text) for text in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
)
_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_COMPATIBLE = IPv6Network("::/96")
Address = IPv4Address | IPv6Address


def innermost(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for (mapped, compatible, 6to4, NAT64), else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is not None:
        return inner
    low = int(address) & 0xFFFFFFFF
    if address in _NAT64 or (address in _COMPATIBLE and low > 1):
        return IPv4Address(low)
    return address


def refusal(text: str, *, private: bool) -> str | None:
    """Why `text`, an address in its usual form, must not be reached; None when it may. `private`: own networks are allowed."""
    try:
        address = innermost(ip_address(text))
    except ValueError:
        return "it is not an address"
    if address in _METADATA or address.is_link_local:
        return "it is a link-local or metadata address"
    if address.is_multicast or address.is_unspecified:
        return "it is not the address of one machine"
    if isinstance(address, IPv6Address) and (address.teredo is not None or address.is_site_local or address in _NAT64_LOCAL):
        return "it leads through a tunnel or into a network of old kind"
    if private and (address.is_loopback or address.is_private):
        return None
    if address.is_loopback:
        return "it is this machine"
    return None if address.is_global and not address.is_reserved else "it is not a public address"


def check(text: str, *, private: bool) -> None:
    """Raises DeliveryFailed, for good, when `text` must not be reached."""
    reason = refusal(text, private=private)
    if reason is not None:
        raise DeliveryFailed(
            f"The address {text} of the webhook is refused: {reason}. "
            "MARKETWATCH_WEBHOOK_PRIVATE=on allows this machine and private networks.",
            for_good=True,
        )


class CheckedResolver(AbstractResolver):
    """Looks a name up and answers only if every address may be reached. What it answers is what is connected to."""

    def __init__(self, *, private: bool) -> None:
        self._private = private

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Raises DeliveryFailed for a refused address, OSError for a name without one."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        return checked(host, port, [(kind, proto, str(where[0])) for kind, _, proto, _, where in found], private=self._private)

    async def close(self) -> None:
        """Holds nothing open."""


def checked(host: str, port: int, found: Sequence[tuple[int, int, str]], *, private: bool) -> list[ResolveResult]:
    """Addresses (family, protocol, text) as aiohttp wants them, all of them allowed. Raises DeliveryFailed."""
    answers: list[ResolveResult] = []
    for family, proto, text in found:
        check(text, private=private)
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        answers.append({"hostname": host, "host": text, "port": port, "family": family, "proto": proto, "flags": flags})
    return answers
