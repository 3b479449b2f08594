"""Who people are: accounts, sessions, keys, invitations, the audit log. Secrets appear here as hashes only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """What an account may do: look, change what is its own and what all share, look after the others."""

    VIEWER = "viewer"
    TRADER = "trader"
    ADMIN = "admin"


class Rank(IntEnum):
    """How far a caller may go; each rank may what the ones below it may."""

    GUEST = 0
    VIEWER = 1
    TRADER = 2
    ADMIN = 3
    OWNER = 4


class Scope(StrEnum):
    """What an API key is for: reading, changing, looking after others."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class Way(StrEnum):
    """How a caller showed who they are."""

    NONE = "none"
    OWNER_TOKEN = "owner token"  # noqa: S105
    OWNER_COOKIE = "owner cookie"
    SESSION = "session"
    ACCESS_TOKEN = "access token"  # noqa: S105
    API_KEY = "api key"
    OUTSIDE = "identity provider"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request. `user_id` is "" for a guest and "owner" for the owner of the program, who has no account.

    `session_id`: the session behind a cookie or an access token. `key_id`, `scopes`: of an API key. `preferences`: of the
    account, JSON.
    """

    user_id: str
    name: str
    rank: Rank
    way: Way
    session_id: str = ""
    key_id: str = ""
    scopes: frozenset[Scope] = frozenset()
    preferences: str = "{}"

    @property
    def by_cookie(self) -> bool:
        """The browser said it by itself, so a page of another site could have sent the request."""
        return self.way in (Way.SESSION, Way.OWNER_COOKIE)

    @property
    def has_account(self) -> bool:
        return self.user_id not in ("", OWNER_ID)


OWNER_ID = "owner"
GUEST = Caller("", "", Rank.GUEST, Way.NONE)
RANKS = {Role.VIEWER: Rank.VIEWER, Role.TRADER: Rank.TRADER, Role.ADMIN: Rank.ADMIN}


class User(NamedTuple):
    """An account. `password_hash` None: signs in through an identity provider (`outside`: its issuer and subject).

    `totp_secret` counts once it is confirmed; `totp_step` is the newest step whose code was used. `preferences` is JSON.
    """

    user_id: str
    username: str
    email: str | None
    password_hash: str | None
    role: Role
    created_ms: int
    active: bool = True
    totp_secret: str | None = None
    totp_confirmed: bool = False
    totp_step: int = 0
    outside: str | None = None
    preferences: str = "{}"

    @property
    def second_factor(self) -> bool:
        """Signing in takes a code."""
        return self.totp_secret is not None and self.totp_confirmed


class Session(NamedTuple):
    """A browser that is signed in (`token_hash` of its cookie), or a program that holds a family of refresh tokens."""

    session_id: str
    user_id: str
    kind: str  # "browser" or "api"
    token_hash: str | None
    created_ms: int
    seen_ms: int
    expires_ms: int
    address: str
    agent: str


class RefreshToken(NamedTuple):
    """One token of the family of a session; usable until `used_ms`."""

    token_hash: str
    session_id: str
    issued_ms: int
    expires_ms: int
    used_ms: int | None = None


class ApiKey(NamedTuple):
    """A key of a program of somebody. `hint` is its beginning, by which a person knows it."""

    key_id: str
    user_id: str
    name: str
    token_hash: str
    hint: str
    scopes: tuple[Scope, ...]
    created_ms: int
    expires_ms: int | None = None
    used_ms: int | None = None


class Invitation(NamedTuple):
    """Lets one person register, with `role`; for `email` alone when there is one."""

    invitation_id: str
    token_hash: str
    role: Role
    email: str | None
    invited_by: str
    created_ms: int
    expires_ms: int
    used_ms: int | None = None
    used_by: str | None = None


class PasswordReset(NamedTuple):
    """Lets whoever has its code set another password for an account, once. `made_by`: the admin's id."""

    user_id: str
    token_hash: str
    made_by: str
    created_ms: int
    expires_ms: int


class AuditEntry(NamedTuple):
    """Who did what to what, with which result, from where. `digest` covers all fields and the digest before it."""

    sequence: int
    time_ms: int
    actor: str
    action: str
    subject: str
    result: str
    address: str
    previous: str
    digest: str
