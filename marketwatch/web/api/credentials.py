"""API keys and the second factor of one's own account."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ...errors import NotFound
from ...model.accounts import ApiKey, Scope, User
from ..callers import Visit
from ..envelope import iso
from .action import Action
from .desk import Desk
from .endpoint import Endpoint
from .users import Text, UserId, UserQuery, own, own_account, personal

ScopeName = Literal["read", "write", "admin"]


class KeyAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`expires_in_days`: null for a key that is good until it is deleted."""

    name: Annotated[str, Meta(min_length=1, max_length=60)]
    scopes: Annotated[list[ScopeName], Meta(min_length=1, max_length=3)]
    expires_in_days: Annotated[int, Meta(ge=1, le=3650)] | None = None


class KeyRow(msgspec.Struct, frozen=True):
    """An API key. `hint` is its beginning."""

    key_id: str
    name: str
    hint: str
    scopes: list[str]
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class NewKeyRow(msgspec.Struct, frozen=True):
    """`key` is shown this one time."""

    key: str
    details: KeyRow


class KeyQuery(msgspec.Struct, frozen=True):
    """Which key of whom."""

    user_id: UserId
    key_id: Annotated[
        str, Meta(min_length=1, max_length=40, extra={"expects": "the id of a key", "example": "k_0123456789abcdef0123"})
    ]


class PasswordOnly(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The present password."""

    password: Text


class CodeAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code of the authenticator."""

    otp: Text


class TotpRow(msgspec.Struct, frozen=True):
    """What an authenticator takes in: the secret, or the address of the QR code."""

    secret: str
    uri: str


class RecoveryRow(msgspec.Struct, frozen=True):
    """Codes for when the device is lost, each good once; shown this one time."""

    recovery_codes: list[str]


class Done(msgspec.Struct, frozen=True):
    """It was done."""

    done: bool = True


def key_row(key: ApiKey) -> KeyRow:
    """The row of a key."""
    expires = None if key.expires_ms is None else iso(key.expires_ms)
    used = None if key.used_ms is None else iso(key.used_ms)
    return KeyRow(key.key_id, key.name, key.hint, [scope.value for scope in key.scopes], iso(key.created_ms), expires, used)


async def _keys(_desk: Desk, query: UserQuery, visit: Visit) -> list[KeyRow]:
    user = await own_account(visit, query.user_id)
    return [key_row(key) for key in await visit.accounts.keys.of_user(user.user_id)]


async def make_key(visit: Visit, user: User, name: str, scopes: list[Scope], days: int | None) -> tuple[ApiKey, str]:
    """A key and its text. Raises InvalidRequest, Conflict."""
    key, text = await visit.accounts.keys.make(user.user_id, name, scopes, days)
    await visit.accounts.audit.note(user.username, "make key", key.key_id, address=visit.place.address)
    return key, text


async def _make_key(_desk: Desk, query: UserQuery, body: KeyAsk, visit: Visit) -> NewKeyRow:
    user = await own_account(visit, query.user_id)
    key, text = await make_key(visit, user, body.name, [Scope(one) for one in body.scopes], body.expires_in_days)
    return NewKeyRow(text, key_row(key))


async def drop_key(visit: Visit, user: User, key_id: str) -> None:
    """Raises NotFound."""
    if not await visit.accounts.keys.drop(user.user_id, key_id):
        raise NotFound(f'There is no key "{key_id[:40]}" of yours.')
    visit.accounts.identities.forget(user.user_id)
    await visit.accounts.audit.note(user.username, "delete key", key_id, address=visit.place.address)


async def _drop_key(_desk: Desk, query: KeyQuery, _body: None, visit: Visit) -> Done:
    await drop_key(visit, await own_account(visit, query.user_id), query.key_id)
    return Done()


async def begin_totp(visit: Visit, user: User, password: str) -> TotpRow:
    """Secret and address for an authenticator. Raises Unauthorized, Conflict, TooMany."""
    from ...accounts.totp import provisioning_uri

    await visit.accounts.sign_in.confirm_password(user, password, visit.place)
    secret = await visit.accounts.second_factor.begin(user)
    return TotpRow(secret, provisioning_uri(secret, user.username))


async def _begin_totp(_desk: Desk, query: UserQuery, body: PasswordOnly, visit: Visit) -> TotpRow:
    return await begin_totp(visit, await own_account(visit, query.user_id), body.password)


async def confirm_totp(visit: Visit, user: User, code: str) -> list[str]:
    """The recovery codes; from now on signing in takes a code. Raises InvalidRequest, Conflict, TooMany."""
    visit.accounts.sign_in.delays.check(user.user_id, visit.place.address)
    codes = await visit.accounts.second_factor.confirm(user, code)
    await visit.accounts.audit.note(user.username, "second factor on", user.user_id, address=visit.place.address)
    return codes


async def _confirm_totp(_desk: Desk, query: UserQuery, body: CodeAsk, visit: Visit) -> RecoveryRow:
    return RecoveryRow(await confirm_totp(visit, await own_account(visit, query.user_id), body.otp))


async def end_totp(visit: Visit, user: User, password: str) -> None:
    """Raises Unauthorized, TooMany."""
    await visit.accounts.sign_in.confirm_password(user, password, visit.place)
    await visit.accounts.second_factor.end(user)
    await visit.accounts.audit.note(user.username, "second factor off", user.user_id, address=visit.place.address)


async def _end_totp(_desk: Desk, query: UserQuery, body: PasswordOnly, visit: Visit) -> Done:
    await end_totp(visit, await own_account(visit, query.user_id), body.password)
    return Done()


_KEYS = "/api/users/{user_id}/keys"
_TOTP = "/api/users/{user_id}/totp"
ENDPOINTS: tuple[Endpoint[Any], ...] = (own(_KEYS, "One's API keys", UserQuery, list[KeyRow], _keys, "keys"),)
ACTIONS: tuple[Action[Any], ...] = (
    personal("POST", _KEYS, "Make a key", UserQuery, KeyAsk, NewKeyRow, _make_key, "make_key", status=201, conflicts=True),
    personal("DELETE", _KEYS + "/{key_id}", "Delete a key", KeyQuery, None, Done, _drop_key, "drop_key"),
    personal(
        "POST", _TOTP, "Begin with a second factor", UserQuery, PasswordOnly, TotpRow, _begin_totp, "begin_totp", conflicts=True
    ),
    personal(
        "POST",
        _TOTP + "/confirm",
        "Switch the second factor on",
        UserQuery,
        CodeAsk,
        RecoveryRow,
        _confirm_totp,
        "confirm_totp",
        conflicts=True,
    ),
    personal("POST", _TOTP + "/disable", "Switch it off", UserQuery, PasswordOnly, Done, _end_totp, "end_totp"),
)
