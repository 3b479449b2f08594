"""Access tokens that sign themselves, and secrets that only their hash is kept of."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any, NamedTuple

import jwt

from ..clock import Clock
from ..errors import ConfigError, Unauthorized

ACCESS_S = 600
KEY_BYTES = 32
ISSUER = "marketwatch"
AUDIENCE = "marketwatch-api"
_ALGORITHM = "HS256"
_KIND = "at+jwt"
_SKEW_S = 5
_REQUIRED = ["exp", "iat", "iss", "aud", "sub", "sid"]
_OWN_CHECKS: Any = {"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False}


class AccessClaims(NamedTuple):
    """What a good access token says."""

    user_id: str
    session_id: str
    expires_ms: int


class AccessTokens:
    """Issues and reads access tokens: HS256, ten minutes, for the API alone. Raises ConfigError for a key under 32 bytes."""

    def __init__(self, key: str, *, clock: Clock) -> None:
        raw = key.encode()
        if len(raw) < KEY_BYTES:
            raise ConfigError(f"SECRET_KEY has {len(raw)} bytes; it must have at least {KEY_BYTES}, or be left empty.")
        self._key = hmac.new(raw, b"access tokens", hashlib.sha256).digest()
        self._clock = clock
        self.kid = hashlib.sha256(self._key).hexdigest()[:12]
        """Names the key, so that a token of a former one is told apart from a forged one."""

    def issue(self, user_id: str, session_id: str) -> str:
        """A token for an account, good as long as its session is."""
        now_s = self._clock.now_ms() // 1000
        claims: dict[str, Any] = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": user_id, "sid": session_id, "iat": now_s, "exp": now_s + ACCESS_S,
            "jti": secrets.token_hex(8),
        }  # fmt: skip
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM, headers={"typ": _KIND, "kid": self.kid})

    def read(self, text: str) -> AccessClaims:
        """Raises Unauthorized for anything but a token of ours that is good now."""
        try:
            head = jwt.get_unverified_header(text)
            if head.get("alg") != _ALGORITHM or head.get("typ") != _KIND or head.get("kid") != self.kid:
                raise Unauthorized("The access token was not issued by this program; log in again.")
            claims = jwt.decode(text, self._key, algorithms=[_ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options=_OWN_CHECKS)
        except jwt.PyJWTError:
            raise Unauthorized("The access token is not a good one; log in again.") from None
        check_times(claims, self._clock.now_ms(), _SKEW_S)
        subject, session = claims["sub"], claims["sid"]
        if not isinstance(subject, str) or not isinstance(session, str):
            raise Unauthorized("The access token is not a good one; log in again.")
        return AccessClaims(subject, session, int(claims["exp"] * 1000))


def check_times(claims: dict[str, Any], now_ms: int, skew_s: int) -> None:
    """Raises Unauthorized unless the token counts now: by the program's clock, which PyJWT does not ask."""
    now_s = now_ms / 1000
    times: list[Any] = [claims.get(name, otherwise) for name, otherwise in (("exp", None), ("iat", 0), ("nbf", 0))]
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in times):
        raise Unauthorized("The token does not say from when to when it counts.")
    expires, issued, begins = times
    if expires <= now_s:
        raise Unauthorized("The token has expired; refresh it.")
    if max(issued, begins) > now_s + skew_s:
        raise Unauthorized("The token counts from a later time on; look at the clocks of both machines.")
