"""Access tokens: whatever is changed about one, it is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from marketwatch.accounts.tokens import ACCESS_S, AccessTokens
from marketwatch.clock import ManualClock
from marketwatch.errors import ConfigError, Unauthorized

START_MS = 1_763_683_200_000
KEY = "a key of the tests that is long enough"


def tokens(clock: ManualClock | None = None, key: str = KEY) -> AccessTokens:
    return AccessTokens(key, clock=clock or ManualClock(START_MS))


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims(**changed: Any) -> dict[str, Any]:
    """Those of a good token, some of them changed, or left out by None."""
    now_s = START_MS // 1000
    whole = {
        "iss": "marketwatch",
        "aud": "marketwatch-api",
        "sub": "u1",
        "sid": "s1",
        "iat": now_s,
        "exp": now_s + 600,
        **changed,
    }
    return {name: value for name, value in whole.items() if value is not None}


def forged(made: AccessTokens, *, head: dict[str, Any] | None = None, algorithm: str = "HS256", **changed: Any) -> str:
    """A token that is signed with the right key, but says something else."""
    heads = {"typ": "at+jwt", "kid": made.kid, **(head or {})}
    return jwt.encode(claims(**changed), made._key, algorithm=algorithm, headers=heads)


def test_token_of_our_own_is_read() -> None:
    made = tokens()
    good = ("u1", "s1", START_MS + ACCESS_S * 1000)
    assert made.read(made.issue("u1", "s1")) == good
    assert made.read(forged(made)) == good


async def test_token_counts_for_ten_minutes() -> None:
    clock = ManualClock(START_MS)
    made = tokens(clock)
    text = made.issue("u1", "s1")
    await clock.advance(ACCESS_S - 1)
    assert made.read(text).session_id == "s1"
    await clock.advance(1)
    with pytest.raises(Unauthorized, match="expired"):
        made.read(text)


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "another"},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"exp": None},
        {"exp": START_MS // 1000},
        {"exp": "never"},
        {"exp": True},
        {"iat": None},
        {"iat": START_MS // 1000 + 3600},
        {"nbf": START_MS // 1000 + 3600},
        {"sub": None},
        {"sub": 7},
        {"sid": None},
        {"sid": ["s1"]},
    ],
    ids=str,
)
def test_token_with_another_claim_is_refused(changed: dict[str, Any]) -> None:
    made = tokens()
    payload = json.dumps(claims(**changed)).encode()
    text = jwt.api_jws.encode(payload, made._key, "HS256", {"typ": "at+jwt", "kid": made.kid})
    with pytest.raises(Unauthorized):
        made.read(text)


@pytest.mark.parametrize("head", [{"typ": "JWT"}, {"typ": None}, {"kid": "other"}, {"kid": "../../dev/null"}], ids=str)
def test_token_with_another_head_is_refused(head: dict[str, Any]) -> None:
    made = tokens()
    with pytest.raises(Unauthorized):
        made.read(forged(made, head=head))


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
def test_token_without_a_signature_is_refused(name: str) -> None:
    made = tokens()
    head = part({"alg": name, "typ": "at+jwt", "kid": made.kid})
    for signature in ("", "x", part("x")):
        with pytest.raises(Unauthorized):
            made.read(f"{head}.{part(claims())}.{signature}")


def test_token_of_another_algorithm_is_refused_even_with_our_key() -> None:
    made = tokens()
    for algorithm in ("HS384", "HS512"):
        with pytest.warns(jwt.warnings.InsecureKeyLengthWarning), pytest.raises(Unauthorized):
            made.read(forged(made, algorithm=algorithm))
    private = rsa.generate_private_key(65537, 2048)
    theirs = jwt.encode(claims(), private, algorithm="RS256", headers={"typ": "at+jwt", "kid": made.kid})
    with pytest.raises(Unauthorized):
        made.read(theirs)


def test_token_of_another_key_is_refused() -> None:
    made, other = tokens(), tokens(key=KEY + "2")
    with pytest.raises(Unauthorized, match="not issued by this program"):
        made.read(other.issue("u1", "s1"))
    borrowed = jwt.encode(claims(), other._key, algorithm="HS256", headers={"typ": "at+jwt", "kid": made.kid})
    with pytest.raises(Unauthorized):
        made.read(borrowed)


def test_token_with_one_letter_changed_is_refused() -> None:
    made = tokens()
    text = made.issue("u1", "s1")
    for at in range(0, len(text) - 1, 7):
        other = "A" if text[at] != "A" else "B"
        with pytest.raises(Unauthorized):
            made.read(text[:at] + other + text[at + 1 :])


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "x" * 5000, "é.é.é", part({}) + "." + part([]) + ".x", "\0.\0.\0"])
def test_text_that_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(Unauthorized):
        tokens().read(text)


def test_key_that_is_too_short_stops_the_start() -> None:
    with pytest.raises(ConfigError, match="has 31 bytes"):
        tokens(key="x" * 31)
