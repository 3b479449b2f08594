"""Tokens of an outside identity provider, against a provider that runs here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from marketwatch.errors import Forbidden, Unauthorized, Unavailable
from marketwatch.model.accounts import Rank, Role, Way
from marketwatch.web.jwks import KEEP_S, PAUSE_S, ProviderKeys
from tests.kit.town import START_MS, Town, town

AUDIENCE = "marketwatch-web"
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


class Provider:
    """Answers with its configuration and its keys."""

    def __init__(self) -> None:
        self.issuer = ""
        self.keys: dict[str, Any] = {"r1": RSA, "e1": EC}
        self.asked = 0
        self.down = False

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._configuration)
        app.router.add_get("/keys", self._keys)
        return app

    async def _configuration(self, _request: web.Request) -> web.Response:
        if self.down:
            raise web.HTTPServiceUnavailable
        return web.json_response({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"})

    async def _keys(self, _request: web.Request) -> web.Response:
        self.asked += 1
        rows = []
        for kid, key in self.keys.items():
            name = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
            algorithm = jwt.get_algorithm_by_name(name)
            rows.append({**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "alg": name, "use": "sig"})
        return web.json_response({"keys": rows})

    def token(self, kid: str = "r1", *, key: Any = None, algorithm: str = "", **claims: Any) -> str:
        """A good token but for what `claims` say; None leaves one out."""
        signing = key or self.keys[kid]
        name = algorithm or ("RS256" if isinstance(signing, rsa.RSAPrivateKey) else "ES256")
        now_s = START_MS // 1000
        whole = {"iss": self.issuer, "aud": AUDIENCE, "sub": "7", "iat": now_s, "exp": now_s + 3600, **claims}
        given = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(given, signing, algorithm=name, headers={"kid": kid})


@asynccontextmanager
async def both(folder: Path, mode: str = "open") -> AsyncIterator[tuple[Provider, Town]]:
    provider = Provider()
    async with TestServer(provider.app()) as server:
        provider.issuer = str(server.make_url("")).rstrip("/")
        async with town(folder, mode=mode, oidc_issuer=provider.issuer, oidc_audience=AUDIENCE) as plain:
            keys = ProviderKeys(provider.issuer, plain.clock)
            plain.accounts.identities._outside = _tokens(provider, keys, plain)
            yield provider, plain


def _tokens(provider: Provider, keys: ProviderKeys, made: Town) -> Any:
    from marketwatch.accounts.outside import OutsideTokens

    return OutsideTokens(issuer=provider.issuer, audience=AUDIENCE, keys=keys, clock=made.clock)


@pytest.mark.parametrize("kid", ["r1", "e1"])
async def test_outside_token_makes_an_account_once(tmp_path: Path, kid: str) -> None:
    async with both(tmp_path) as (provider, made):
        await made.person("ada")
        text = provider.token(kid, preferred_username="Grace H!", email="grace@example.org", email_verified=True)
        caller = await made.accounts.identities.by_bearer(text, "192.0.2.1")
        assert (caller.rank, caller.way) == (Rank.TRADER, Way.OUTSIDE)
        user = await made.accounts.users.find(caller.user_id)
        assert user.username.startswith("GraceH-")
        assert user.email == "grace@example.org"
        again = await made.accounts.identities.by_bearer(provider.token(kid, name="Other"), "")
        assert again.user_id == caller.user_id
        assert provider.asked == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"}, {"aud": None}, {"exp": START_MS // 1000}, {"exp": None}, {"nbf": START_MS // 1000 + 600},
        {"iat": START_MS // 1000 + 600}, {"sub": None}, {"sub": ""}, {"sub": "x" * 300},
    ],
    ids=str,
)  # fmt: skip
async def test_outside_token_with_another_claim_is_refused(tmp_path: Path, claims: dict[str, Any]) -> None:
    async with both(tmp_path) as (provider, made):
        await made.person("ada")
        with pytest.raises(Unauthorized):
            await made.accounts.identities.by_bearer(provider.token(**claims), "")


async def test_outside_token_of_another_key_algorithm_or_issuer_is_refused(tmp_path: Path) -> None:
    async with both(tmp_path) as (provider, made):
        await made.person("ada")
        public = jwt.get_algorithm_by_name("RS256").to_jwk(RSA.public_key())
        forged = [
            provider.token(key=rsa.generate_private_key(65537, 2048)),
            provider.token("e1", key=RSA),
            provider.token(algorithm="PS256"),
            provider.token(key=public.encode()[:64].ljust(64, b"x"), algorithm="HS256"),
            provider.token(iss="https://evil.example"),
            jwt.encode({"iss": provider.issuer, "sub": "7"}, "", algorithm="none", headers={"kid": "r1"}),
        ]
        for text in forged:
            with pytest.raises(Unauthorized):
                await made.accounts.identities.by_bearer(text, "")
        assert await made.accounts.store.count_users() == 1


async def test_new_keys_are_found_and_invented_ones_cost_one_question_a_minute(tmp_path: Path) -> None:
    async with both(tmp_path) as (provider, made):
        await made.person("ada")
        identities = made.accounts.identities
        await identities.by_bearer(provider.token(), "")
        fresh = ec.generate_private_key(ec.SECP256R1())
        for _ in range(5):
            with pytest.raises(Unauthorized):
                await identities.by_bearer(provider.token("e2", key=fresh), "")
        assert provider.asked == 1
        provider.keys = {"e2": fresh}
        await made.clock.advance(PAUSE_S)
        assert (await identities.by_bearer(provider.token("e2"), "")).way is Way.OUTSIDE
        with pytest.raises(Unauthorized):
            await identities.by_bearer(provider.token("r1", key=RSA, name="later"), "")
        assert provider.asked == 2


async def test_provider_that_is_away_keeps_nobody_out_whose_key_is_known(tmp_path: Path) -> None:
    async with both(tmp_path) as (provider, made):
        await made.person("ada")
        provider.down = True
        with pytest.raises(Unavailable):
            await made.accounts.identities.by_bearer(provider.token(), "")
        provider.down = False
        await made.clock.advance(PAUSE_S)
        await made.accounts.identities.by_bearer(provider.token(), "")
        provider.down = True
        await made.clock.advance(KEEP_S)
        late = provider.token(exp=START_MS // 1000 + 10_000)
        assert (await made.accounts.identities.by_bearer(late, "")).way is Way.OUTSIDE


async def test_newcomer_needs_an_invitation_to_a_verified_address(tmp_path: Path) -> None:
    async with both(tmp_path, mode="invite") as (provider, made):
        ada = await made.person("ada", code=await made.accounts.invitations.first())
        identities = made.accounts.identities
        await made.accounts.invitations.make(ada.user_id, Role.VIEWER, "grace@example.org")
        for claims in ({}, {"email": "grace@example.org"}, {"email": "other@example.org", "email_verified": True}):
            with pytest.raises(Forbidden, match="Nobody has invited"):
                await identities.by_bearer(provider.token(**claims), "")
        good = provider.token(email="Grace@example.org", email_verified=True)
        assert (await identities.by_bearer(good, "")).rank is Rank.VIEWER
        with pytest.raises(Forbidden):
            await identities.by_bearer(provider.token(sub="8", email="grace@example.org", email_verified=True), "")
