"""Accounts in the database: the named queries behind `AccountStore`, the same for SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..model.accounts import ApiKey, AuditEntry, Invitation, PasswordReset, RefreshToken, Role, Scope, Session, User
from .leaving import leaving
from .reads import Reads, Step
from .rows import clean

_NEVER = 2**62


def name_key(text: str) -> str:
    """What names and addresses are compared by."""
    return clean(text).strip().casefold()


class StoredAccounts:
    """AccountStore over a database that its owner opens and closes."""

    def __init__(self, database: Reads) -> None:
        self._database = database

    async def _first(self, query: str, *values: Any) -> Sequence[Any] | None:
        rows = await self._database.rows(query, *values)
        return rows[0] if rows else None

    async def _changed(self, query: str, *values: Any) -> bool:
        return await self._database.change(query, *values) > 0

    async def add_user(self, user: User, invitation_id: str | None = None) -> bool:
        row = (
            user.user_id, user.username, name_key(user.username), user.email, user.email and name_key(user.email),
            user.password_hash, user.role.value, user.created_ms, user.active, user.totp_secret, user.totp_confirmed,
            user.totp_step, user.outside, user.preferences,
        )  # fmt: skip
        steps = [Step("add_user", row)]
        if invitation_id is not None:
            steps.insert(0, Step("use_invitation", (invitation_id, user.created_ms, user.user_id)))
        return await self._database.changes(steps)

    async def user(self, user_id: str) -> User | None:
        return _user(await self._first("user", clean(user_id)))

    async def user_named(self, name: str) -> User | None:
        return _user(await self._first("user_named", name_key(name)))

    async def user_outside(self, outside: str) -> User | None:
        return _user(await self._first("user_outside", clean(outside)))

    async def users(self) -> list[User]:
        return [user for row in await self._database.rows("users") if (user := _user(row)) is not None]

    async def count_users(self) -> int:
        return int((await self._database.rows("count_users"))[0][0])

    async def set_profile(self, user_id: str, username: str, email: str | None) -> bool:
        return await self._changed("set_profile", user_id, username, name_key(username), email, email and name_key(email))

    async def set_preferences(self, user_id: str, preferences: str) -> bool:
        return await self._changed("set_preferences", user_id, preferences)

    async def set_password(self, user_id: str, password_hash: str) -> bool:
        change = Step("set_password", (user_id, password_hash))
        return await self._database.changes([change, Step("drop_reset", (user_id,), must=False)])

    async def set_standing(self, user_id: str, role: Role, *, active: bool) -> bool:
        change = Step("set_standing", (user_id, role.value, active))
        return await self._database.changes([Step("hold_admins", (), must=False), change])

    async def set_totp(self, user_id: str, secret: str | None, *, confirmed: bool, step: int) -> bool:
        change = Step("set_totp", (user_id, secret, confirmed, step))
        return await self._database.changes([change, Step("drop_recovery_codes", (user_id,), must=False)])

    async def use_totp_step(self, user_id: str, step: int) -> bool:
        return await self._changed("use_totp_step", user_id, step)

    async def put_recovery_codes(self, user_id: str, hashes: Sequence[str]) -> None:
        drop = Step("drop_recovery_codes", (user_id,), must=False)
        await self._database.changes([drop, *(Step("add_recovery_code", (user_id, code)) for code in hashes)])

    async def use_recovery_code(self, user_id: str, code_hash: str, at_ms: int) -> bool:
        return await self._changed("use_recovery_code", user_id, code_hash, at_ms)

    async def recovery_codes_left(self, user_id: str) -> int:
        return int((await self._database.rows("recovery_codes_left", user_id))[0][0])

    async def add_session(self, session: Session, refresh: RefreshToken | None = None) -> None:
        tokens = [Step("add_refresh_token", tuple(refresh))] if refresh is not None else []
        await self._database.changes([Step("add_session", tuple(session)), *tokens])

    async def session(self, session_id: str) -> Session | None:
        row = await self._first("session", clean(session_id))
        return None if row is None else Session(*row)

    async def session_of_token(self, token_hash: str) -> Session | None:
        row = await self._first("session_of_token", token_hash)
        return None if row is None else Session(*row)

    async def sessions_of(self, user_id: str) -> list[Session]:
        return [Session(*row) for row in await self._database.rows("sessions_of", clean(user_id))]

    async def touch_session(self, session_id: str, seen_ms: int, address: str) -> bool:
        return await self._changed("touch_session", session_id, seen_ms, address)

    async def end_session(self, session_id: str) -> bool:
        return await self._database.changes(
            [Step("end_session", (session_id,)), Step("drop_refresh_tokens", (session_id,), must=False)]
        )

    async def end_sessions_of(self, user_id: str, *, but: str = "") -> int:
        ended = await self._database.change("end_sessions_of", user_id, but)
        await self._database.change("drop_orphans")
        return ended

    async def drop_ended(self, now_ms: int, idle_ms: int) -> int:
        ended = await self._database.change("drop_ended", now_ms, now_ms - idle_ms)
        await self._database.change("drop_orphans")
        await self._database.change("drop_expired_tokens", now_ms)
        await self._database.change("drop_expired_resets", now_ms)
        return ended

    async def refresh_token(self, token_hash: str) -> RefreshToken | None:
        row = await self._first("refresh_token", token_hash)
        return None if row is None else RefreshToken(*row)

    async def rotate(self, token_hash: str, at_ms: int, successor: RefreshToken) -> bool:
        used = Step("use_refresh_token", (token_hash, at_ms))
        return await self._database.changes([used, Step("add_refresh_token", tuple(successor))])

    async def add_api_key(self, key: ApiKey) -> None:
        await self._database.change("add_api_key", *key[:5], ",".join(key.scopes), *key[6:])

    async def api_key(self, token_hash: str) -> ApiKey | None:
        row = await self._first("api_key", token_hash)
        return None if row is None else _api_key(row)

    async def api_keys_of(self, user_id: str) -> list[ApiKey]:
        return [_api_key(row) for row in await self._database.rows("api_keys_of", clean(user_id))]

    async def touch_api_key(self, key_id: str, used_ms: int) -> bool:
        return await self._changed("touch_api_key", key_id, used_ms)

    async def drop_api_key(self, user_id: str, key_id: str) -> bool:
        return await self._changed("drop_api_key", clean(user_id), clean(key_id))

    async def add_invitation(self, invitation: Invitation) -> None:
        email = invitation.email and name_key(invitation.email)
        await self._database.change("add_invitation", *invitation._replace(email=email))

    async def invitation(self, token_hash: str) -> Invitation | None:
        row = await self._first("invitation", token_hash)
        return None if row is None else _invitation(row)

    async def invitation_for(self, email: str, now_ms: int) -> Invitation | None:
        row = await self._first("invitation_for", name_key(email), now_ms)
        return None if row is None else _invitation(row)

    async def invitations(self) -> list[Invitation]:
        return [_invitation(row) for row in await self._database.rows("invitations")]

    async def drop_invitation(self, invitation_id: str) -> bool:
        return await self._changed("drop_invitation", clean(invitation_id))

    async def add_reset(self, reset: PasswordReset) -> None:
        await self._database.change("add_reset", *reset)

    async def reset(self, token_hash: str) -> PasswordReset | None:
        row = await self._first("reset", token_hash)
        return None if row is None else PasswordReset(*row)

    async def use_reset(self, reset: PasswordReset, at_ms: int, password_hash: str) -> bool:
        ends = [Step(query, (reset.user_id,), must=False) for query in ("drop_tokens_of", "drop_sessions_of")]
        used = Step("use_reset", (reset.token_hash, reset.user_id, at_ms))
        return await self._database.changes([used, Step("set_password", (reset.user_id, password_hash)), *ends])

    async def drop_user(self, user_id: str, at_ms: int) -> bool:
        return await self._database.changes(await leaving(self._database, clean(user_id), at_ms))

    async def append_audit(self, entry: AuditEntry) -> bool:
        return await self._changed("append_audit", *entry)

    async def last_audit(self) -> AuditEntry | None:
        found = await self.audit_before(_NEVER, 1)
        return found[0] if found else None

    async def audit_before(self, sequence: int, limit: int) -> list[AuditEntry]:
        return [AuditEntry(*row) for row in await self._database.rows("audit_before", sequence, limit)]

    async def audit_after(self, sequence: int, limit: int) -> list[AuditEntry]:
        return [AuditEntry(*row) for row in await self._database.rows("audit_after", sequence, limit)]


def _user(row: Sequence[Any] | None) -> User | None:
    if row is None:
        return None
    user = User(*row)
    return user._replace(role=Role(user.role), active=bool(user.active), totp_confirmed=bool(user.totp_confirmed))


def _api_key(row: Sequence[Any]) -> ApiKey:
    key = ApiKey(*row)
    return key._replace(scopes=tuple(Scope(word) for word in row[5].split(",") if word))


def _invitation(row: Sequence[Any]) -> Invitation:
    found = Invitation(*row)
    return found._replace(role=Role(found.role))
