"""The keys of an outside identity provider, fetched where its configuration says and kept for an hour."""

from __future__ import annotations

import asyncio
import math
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from ..clock import Clock
from ..errors import Unavailable

KEEP_S = 3600.0
PAUSE_S = 60.0
_TIMEOUT_S = 5.0
_MOST_BYTES = 262_144
_MOST_KEYS = 100


class ProviderKeys:
    """KeySource over HTTP. A key that is not known makes it ask again, at most once a minute, so that new keys of the provider
    are found and invented ones cost nothing. While the provider does not answer, the keys of before go on counting."""

    def __init__(self, issuer: str, clock: Clock) -> None:
        self._issuer = issuer
        self._clock = clock
        self._keys: dict[str, dict[str, Any]] = {}
        self._fetched = -math.inf
        self._tried = -math.inf
        self._one = asyncio.Lock()

    async def key(self, kid: str) -> dict[str, Any] | None:
        """The key with this id, None where the provider has none. Raises Unavailable before it has ever answered."""
        async with self._one:
            now = self._clock.monotonic()
            fresh = kid in self._keys and now - self._fetched < KEEP_S
            if not fresh and now - self._tried >= PAUSE_S:
                self._tried = now
                await self._fetch()
        if math.isinf(self._fetched):
            raise Unavailable("The identity provider does not answer now; try again in a minute.")
        return self._keys.get(kid)

    async def _fetch(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as client:
                found = await _json(client, self._issuer.rstrip("/") + "/.well-known/openid-configuration")
                where = found.get("jwks_uri")
                if found.get("issuer") != self._issuer or not isinstance(where, str) or not _as_safe(where, self._issuer):
                    return
                keys = (await _json(client, where)).get("keys")
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return
        if isinstance(keys, list):
            good = [key for key in keys[:_MOST_KEYS] if isinstance(key, dict) and isinstance(key.get("kid"), str)]
            self._keys = {key["kid"]: key for key in good}
            self._fetched = self._clock.monotonic()


def _as_safe(address: str, issuer: str) -> bool:
    """Over TLS, or on this machine where the issuer itself is there."""
    named, trusted = urlsplit(address), urlsplit(issuer)
    return named.scheme == "https" or (trusted.scheme == "http" and named.hostname == trusted.hostname)


async def _json(client: aiohttp.ClientSession, address: str) -> dict[str, Any]:
    """An object. Raises ClientError, TimeoutError, ValueError."""
    async with client.get(address, allow_redirects=False) as answer:
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        body = await answer.content.read(_MOST_BYTES)
    found = orjson.loads(body)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found
