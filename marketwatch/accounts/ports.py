"""What accounts need of a database. Both adapters are held to one contract by `tests/contract/test_accounts_store.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..model.accounts import ApiKey, AuditEntry, Invitation, PasswordReset, RefreshToken, Role, Session, User


class AccountStore(Protocol):
    """Durable accounts. Raises StoreUnavailable when a later try may succeed, StoreError otherwise.

    An answered change is committed. Names and e-mail addresses are compared without regard to case.
    """

    async def add_user(self, user: User, invitation_id: str | None = None) -> bool:
        """With the role of an admin when there is no account yet. False, and nothing changed, where name, e-mail or outside
        identity are taken, or the invitation is used or gone."""

    async def user(self, user_id: str) -> User | None: ...

    async def user_named(self, name: str) -> User | None:
        """By user name, else by e-mail address."""

    async def user_outside(self, outside: str) -> User | None: ...

    async def users(self) -> list[User]:
        """All, oldest first, at most 1,000."""

    async def count_users(self) -> int: ...

    async def set_profile(self, user_id: str, username: str, email: str | None) -> bool:
        """False where another account has that name or address."""

    async def set_preferences(self, user_id: str, preferences: str) -> bool: ...

    async def set_password(self, user_id: str, password_hash: str) -> bool:
        """Ends a link to another password."""

    async def set_standing(self, user_id: str, role: Role, *, active: bool) -> bool:
        """False where no active admin would be left."""

    async def set_totp(self, user_id: str, secret: str | None, *, confirmed: bool, step: int) -> bool:
        """The second factor, or None for none; takes the recovery codes away with it."""

    async def use_totp_step(self, user_id: str, step: int) -> bool:
        """False where this step or a later one was used before."""

    async def put_recovery_codes(self, user_id: str, hashes: Sequence[str]) -> None:
        """In the place of those there were."""

    async def use_recovery_code(self, user_id: str, code_hash: str, at_ms: int) -> bool:
        """False where it is unknown or used."""

    async def recovery_codes_left(self, user_id: str) -> int: ...

    async def add_session(self, session: Session, refresh: RefreshToken | None = None) -> None: ...

    async def session(self, session_id: str) -> Session | None: ...

    async def session_of_token(self, token_hash: str) -> Session | None: ...

    async def sessions_of(self, user_id: str) -> list[Session]:
        """Newest first."""

    async def touch_session(self, session_id: str, seen_ms: int, address: str) -> bool: ...

    async def end_session(self, session_id: str) -> bool:
        """With its refresh tokens."""

    async def end_sessions_of(self, user_id: str, *, but: str = "") -> int: ...

    async def drop_ended(self, now_ms: int, idle_ms: int) -> int:
        """Forget sessions that are over or were idle for too long, and the refresh tokens of all sessions that are gone."""

    async def refresh_token(self, token_hash: str) -> RefreshToken | None: ...

    async def rotate(self, token_hash: str, at_ms: int, successor: RefreshToken) -> bool:
        """Use the one token up and keep the other. False where it was used before."""

    async def add_api_key(self, key: ApiKey) -> None: ...

    async def api_key(self, token_hash: str) -> ApiKey | None: ...

    async def api_keys_of(self, user_id: str) -> list[ApiKey]: ...

    async def touch_api_key(self, key_id: str, used_ms: int) -> bool: ...

    async def drop_api_key(self, user_id: str, key_id: str) -> bool: ...

    async def add_invitation(self, invitation: Invitation) -> None: ...

    async def invitation(self, token_hash: str) -> Invitation | None: ...

    async def invitation_for(self, email: str, now_ms: int) -> Invitation | None:
        """An open one for this very address."""

    async def invitations(self) -> list[Invitation]:
        """Newest first, at most 1,000."""

    async def drop_invitation(self, invitation_id: str) -> bool:
        """False where it is used or gone."""

    async def add_reset(self, reset: PasswordReset) -> None:
        """In the place of an earlier one of the same account."""

    async def reset(self, token_hash: str) -> PasswordReset | None: ...

    async def use_reset(self, reset: PasswordReset, at_ms: int, password_hash: str) -> bool:
        """Another password, and the end of all sessions with their refresh tokens. False where it is used, replaced or over."""

    async def drop_user(self, user_id: str, at_ms: int) -> bool:
        """The account and all that is its own, in one transaction. False, and nothing changed, where no active admin would be
        left, or there is no such account.

        Its own are sessions, keys, codes, links that it made and nobody has used, portfolios, watchlists, screens, and the
        rules that look at its money, whose alerts lose the figures of it. Rules about the market are everybody's: they stay,
        as the owner's of the program. The audit log stays as it is.
        """

    async def append_audit(self, entry: AuditEntry) -> bool:
        """False where its number is taken."""

    async def last_audit(self) -> AuditEntry | None: ...

    async def audit_before(self, sequence: int, limit: int) -> list[AuditEntry]:
        """Newest first."""

    async def audit_after(self, sequence: int, limit: int) -> list[AuditEntry]:
        """Oldest first."""
