"""`/api/users`: registering, logging in, and what somebody may see and change of themselves."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ...accounts.preferences import Preferences, read_preferences, write_preferences
from ...errors import InvalidRequest, NotFound, Unauthorized
from ...model.accounts import Rank, Session, User
from ..callers import Visit
from ..envelope import iso
from .action import Action
from .desk import Desk
from .endpoint import Endpoint
from .market import NoQuery

Text = Annotated[str, Meta(max_length=200)]
Secret = Annotated[str, Meta(min_length=1, max_length=400)]
Email = Annotated[str, Meta(max_length=254)]
_ID_WORDS = "the id of an account, or me"
UserId = Annotated[str, Meta(min_length=1, max_length=40, description=_ID_WORDS, extra={"expects": _ID_WORDS, "example": "me"})]
TAG = "accounts"
ME = "me"


class UserQuery(msgspec.Struct, frozen=True):
    """Whose."""

    user_id: UserId


class RegisterAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`invitation`: the code of an invitation, where registering needs one."""

    username: Text
    password: Text
    email: Email | None = None
    invitation: Text | None = None


class LoginAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`username` or `email`; `otp`: the code of the second factor, or a recovery code, where the account has one."""

    password: Text
    username: Text | None = None
    email: Email | None = None
    otp: Text | None = None


class RefreshAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A refresh token that was not used yet."""

    refresh_token: Secret


class LogoutAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`refresh_token`: whose session ends, where the request itself bears no access token."""

    refresh_token: Secret | None = None


class ProfileAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new name and address."""

    username: Text
    email: Email | None = None


class PasswordAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The present password and the new one."""

    password: Text
    new_password: Text


class GrantRow(msgspec.Struct, frozen=True):
    """What a program bears from now on: the access token for `expires_in` seconds, then the refresh token, once."""

    user_id: str
    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int


class UserRow(msgspec.Struct, frozen=True):
    """An account."""

    user_id: str
    username: str
    email: str | None
    role: str
    active: bool
    second_factor: bool
    created_at: str


class SessionRow(msgspec.Struct, frozen=True):
    """Where somebody is signed in. `kind`: browser or api. `current`: the session of this very request."""

    session_id: str
    kind: str
    created_at: str
    seen_at: str
    expires_at: str
    address: str
    agent: str
    current: bool


class Ended(msgspec.Struct, frozen=True):
    """How many sessions ended."""

    ended: int


class SessionQuery(msgspec.Struct, frozen=True):
    """Which session of whom."""

    user_id: UserId
    session_id: Annotated[
        str, Meta(min_length=1, max_length=40, extra={"expects": "the id of a session", "example": "s_0123456789abcdef0123"})
    ]


def user_row(user: User) -> UserRow:
    """The row of an account."""
    return UserRow(
        user.user_id, user.username, user.email, user.role.value, user.active, user.second_factor, iso(user.created_ms)
    )


def session_row(session: Session, current: str) -> SessionRow:
    """The row of a session; `current`: the id of the session of the request."""
    return SessionRow(
        session.session_id,
        session.kind,
        iso(session.created_ms),
        iso(session.seen_ms),
        iso(session.expires_ms),
        session.address,
        session.agent,
        session.session_id == current,
    )


async def own_account(visit: Visit, user_id: str) -> User:
    """The account of the caller. Raises NotFound for that of anybody else, and for the owner, who has none."""
    if user_id not in (ME, visit.caller.user_id) or not visit.caller.has_account:
        raise NotFound(f'There is no account "{user_id[:40]}" of yours.')
    return await visit.accounts.users.find(visit.caller.user_id)


async def _seen_account(visit: Visit, user_id: str) -> User:
    """The account of the caller, or for an admin of anybody. Raises NotFound."""
    if visit.caller.rank >= Rank.ADMIN and user_id != ME:
        return await visit.accounts.users.find(user_id)
    return await own_account(visit, user_id)


async def _register(_desk: Desk, _query: NoQuery, body: RegisterAsk, visit: Visit) -> GrantRow:
    user = await visit.accounts.users.register(
        username=body.username,
        email=body.email,
        password=body.password,
        code=body.invitation,
        place=visit.place,
        by_owner=visit.caller.rank is Rank.OWNER,
    )
    return GrantRow(**_plain(await visit.accounts.grant(user, visit.place)))


async def _login(_desk: Desk, _query: NoQuery, body: LoginAsk, visit: Visit) -> GrantRow:
    name = body.username or body.email
    if not name:
        raise InvalidRequest("Name the account by `username` or `email`.", [{"field": "username"}])
    user = await visit.accounts.sign_in.whole(name, body.password, body.otp, visit.place)
    return GrantRow(**_plain(await visit.accounts.grant(user, visit.place)))


async def _refresh(_desk: Desk, _query: NoQuery, body: RefreshAsk, visit: Visit) -> GrantRow:
    return GrantRow(**_plain(await visit.accounts.refresh(body.refresh_token, visit.place)))


def _plain(grant: Any) -> dict[str, Any]:
    return {name: getattr(grant, name) for name in GrantRow.__struct_fields__}


async def _logout(_desk: Desk, _query: NoQuery, body: LogoutAsk, visit: Visit) -> Ended:
    sessions, caller = visit.accounts.sessions, visit.caller
    session = await sessions.find(caller.user_id, caller.session_id) if caller.session_id else None
    if session is None and body.refresh_token is not None:
        session = await sessions.of_refresh_token(body.refresh_token)
    if session is None:
        return Ended(0)
    await sessions.end(session)
    await visit.accounts.audit.note(caller.name or session.user_id, "log out", session.user_id, address=visit.place.address)
    return Ended(1)


async def _user(_desk: Desk, query: UserQuery, visit: Visit) -> UserRow:
    return user_row(await _seen_account(visit, query.user_id))


async def _put_user(_desk: Desk, query: UserQuery, body: ProfileAsk, visit: Visit) -> UserRow:
    user = await own_account(visit, query.user_id)
    changed = await visit.accounts.users.set_profile(user, body.username, body.email)
    visit.accounts.identities.forget(user.user_id)
    await visit.accounts.audit.note(user.username, "change profile", user.user_id, address=visit.place.address)
    return user_row(changed)


async def _preferences(_desk: Desk, query: UserQuery, visit: Visit) -> Preferences:
    return read_preferences((await own_account(visit, query.user_id)).preferences)


async def _put_preferences(_desk: Desk, query: UserQuery, body: Preferences, visit: Visit) -> Preferences:
    user = await own_account(visit, query.user_id)
    await visit.accounts.store.set_preferences(user.user_id, await write_preferences(body))
    visit.accounts.identities.forget(user.user_id)
    return body


async def change_password(visit: Visit, user: User, present: str, new: str) -> int:
    """Another password; ends all other sessions and answers how many. Raises InvalidRequest, Unauthorized, TooMany."""
    accounts = visit.accounts
    if user.password_hash is None:
        raise Unauthorized("This account signs in through its identity provider and has no password.")
    await accounts.sign_in.confirm_password(user, present, visit.place)
    await accounts.users.set_password(user, new)
    ended = await accounts.sessions.end_all(user.user_id, but=visit.caller.session_id)
    await accounts.audit.note(user.username, "change password", user.user_id, address=visit.place.address)
    return ended


async def _put_password(_desk: Desk, query: UserQuery, body: PasswordAsk, visit: Visit) -> Ended:
    user = await own_account(visit, query.user_id)
    return Ended(await change_password(visit, user, body.password, body.new_password))


async def _sessions(_desk: Desk, query: UserQuery, visit: Visit) -> list[SessionRow]:
    user = await own_account(visit, query.user_id)
    found = await visit.accounts.sessions.of_user(user.user_id)
    return [session_row(one, visit.caller.session_id) for one in found]


async def end_session(visit: Visit, user: User, session_id: str) -> None:
    """Sign out somewhere else, or here. Raises NotFound."""
    session = await visit.accounts.sessions.find(user.user_id, session_id)
    if session is None:
        raise NotFound(f'There is no session "{session_id[:40]}" of yours.')
    await visit.accounts.sessions.end(session)
    await visit.accounts.audit.note(user.username, "end session", session_id, address=visit.place.address)


async def _end_session(_desk: Desk, query: SessionQuery, _body: None, visit: Visit) -> Ended:
    await end_session(visit, await own_account(visit, query.user_id), query.session_id)
    return Ended(1)


def opened(path: str, summary: str, body: Any, data: Any, answer: Any, **more: Any) -> Action[Any]:
    """An action that everybody may call, five times a minute."""
    return Action(
        "POST",
        f"/api/users/{path}",
        summary,
        NoQuery,
        body,
        data,
        answer,
        TAG,
        path,
        role="anyone",
        accounts=True,
        **more,
    )


def personal(
    method: str, path: str, summary: str, query: Any, body: Any, data: Any, answer: Any, name: str, **more: Any
) -> Any:
    """An action on one's own account, by a person who is signed in."""
    return Action(
        method, path, summary, query, body, data, answer, TAG, name, role="viewer", accounts=True, person=True, **more
    )


def own(path: str, summary: str, query: Any, data: Any, answer: Any, name: str, **more: Any) -> Endpoint[Any]:
    """What somebody may read of themselves."""
    return Endpoint(path, summary, query, data, answer, TAG, operation=name, role="viewer", accounts=True, **more)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    own("/api/users/{user_id}", "An account", UserQuery, UserRow, _user, "user"),
    own("/api/users/{user_id}/preferences", "What somebody likes to see", UserQuery, Preferences, _preferences, "preferences"),
    own("/api/users/{user_id}/sessions", "Where one is signed in", UserQuery, list[SessionRow], _sessions, "sessions"),
)
ACTIONS: tuple[Action[Any], ...] = (
    opened("register", "Make an account", RegisterAsk, GrantRow, _register, budget="sign-in", status=201, conflicts=True),
    opened("login", "Log in", LoginAsk, GrantRow, _login, budget="sign-in"),
    opened("refresh", "Fresh tokens for a refresh token", RefreshAsk, GrantRow, _refresh),
    opened("logout", "Log out", LogoutAsk, Ended, _logout),
    personal(
        "PUT", "/api/users/{user_id}", "Change name and address", UserQuery, ProfileAsk, UserRow, _put_user, "put_user",
        conflicts=True,
    ),
    personal(
        "PUT", "/api/users/{user_id}/preferences", "Change preferences", UserQuery, Preferences, Preferences, _put_preferences,
        "put_preferences",
    ),
    personal(
        "POST", "/api/users/{user_id}/password", "Change the password", UserQuery, PasswordAsk, Ended, _put_password,
        "put_password",
    ),
    personal(
        "DELETE", "/api/users/{user_id}/sessions/{session_id}", "Sign out somewhere", SessionQuery, None, Ended, _end_session,
        "end_session",
    ),
)  # fmt: skip
