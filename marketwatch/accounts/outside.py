"""Tokens of an outside identity provider (OpenID Connect), verified by the keys that it publishes."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jwt

from ..clock import Clock
from ..errors import Unauthorized
from .tokens import check_times

ALGORITHMS = ("RS256", "ES256")
_SKEW_S = 60
_LONGEST = 255
_OWN_CHECKS: Any = {"require": ["exp", "iss", "aud", "sub"], "verify_exp": False, "verify_iat": False, "verify_nbf": False}


class KeySource(Protocol):
    """Where the provider's keys come from."""

    async def key(self, kid: str) -> dict[str, Any] | None:
        """The JSON Web Key with this id, None where the provider does not have it. Raises Unavailable."""


class Identity(NamedTuple):
    """Whoever the provider says it is. `outside`: issuer and subject, which never change. `email` only where it is verified."""

    outside: str
    email: str | None
    name: str
    expires_ms: int


class OutsideTokens:
    """Reads tokens of one issuer for one audience."""

    def __init__(self, *, issuer: str, audience: str, keys: KeySource, clock: Clock) -> None:
        self.issuer = issuer
        self._audience = audience
        self._keys = keys
        self._clock = clock

    def is_theirs(self, text: str) -> bool:
        """Whether the token says that this issuer made it; nothing of it is believed yet."""
        try:
            claims = jwt.decode(text, options={"verify_signature": False})
        except jwt.PyJWTError:
            return False
        return claims.get("iss") == self.issuer

    async def read(self, text: str) -> Identity:
        """Raises Unauthorized for anything but a token that is good now, Unavailable where the keys cannot be fetched."""
        try:
            head = jwt.get_unverified_header(text)
        except jwt.PyJWTError:
            raise _bad() from None
        algorithm, kid = head.get("alg"), head.get("kid")
        if algorithm not in ALGORITHMS or not isinstance(kid, str) or len(kid) > _LONGEST:
            raise _bad()
        found = await self._keys.key(kid)
        if found is None:
            raise _bad()
        claims = self._decode(text, found, str(algorithm))
        check_times(claims, self._clock.now_ms(), _SKEW_S)
        return _identity(claims)

    def _decode(self, text: str, key: dict[str, Any], algorithm: str) -> dict[str, Any]:
        if key.get("alg", algorithm) != algorithm or key.get("use", "sig") != "sig":
            raise _bad()
        try:
            made = jwt.PyJWK.from_dict(key, algorithm=algorithm)
            return jwt.decode(
                text, made, algorithms=[algorithm], audience=self._audience, issuer=self.issuer, options=_OWN_CHECKS
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            raise _bad() from None


def _identity(claims: dict[str, Any]) -> Identity:
    subject = claims["sub"]
    if not isinstance(subject, str) or not 1 <= len(subject) <= _LONGEST or "\0" in subject:
        raise _bad()
    email = claims.get("email")
    verified = isinstance(email, str) and claims.get("email_verified") is True
    name = next((claims[key] for key in ("preferred_username", "nickname", "name") if isinstance(claims.get(key), str)), "")
    return Identity(f"{claims['iss']}|{subject}", email if verified else None, name, int(claims["exp"] * 1000))


def _bad() -> Unauthorized:
    return Unauthorized("The token of the identity provider is not a good one; sign in there again.")
