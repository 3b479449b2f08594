"""The pages about accounts: signing in, registering, one's own profile, and what admins look after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ...accounts.preferences import CURRENCIES, Preferences
from ...model.accounts import ApiKey, AuditEntry, Invitation, Role, Session, User
from .. import format as fmt
from .agents import agent_words
from .settings import BudgetView, SettingView

ROLES = tuple(role.value for role in Role)


@dataclass(frozen=True, slots=True)
class LoginPage:
    """`name`: what was typed before. `ticket` not empty: the password was right, and a code is asked for. `said`: what was
    done."""

    back: str
    name: str
    ticket: str
    mistake: str
    can_register: bool
    said: str = ""


@dataclass(frozen=True, slots=True)
class ResetPage:
    """Another password by a link. `username` "": the link is no good, and `mistake` says so."""

    code: str
    username: str
    mistake: str


@dataclass(frozen=True, slots=True)
class RegisterPage:
    """`invite`: the code that the link brought. `first`: there is no account yet. `barred`: why one is needed."""

    invite: str
    name: str
    email: str
    mistake: str
    first: bool
    barred: str


@dataclass(frozen=True, slots=True)
class SessionView:
    """Where somebody is signed in. `agent`: in its own words; `name`: in those of people."""

    session_id: str
    kind: str
    name: str
    agent: str
    address: str
    seen: str
    current: bool


@dataclass(frozen=True, slots=True)
class KeyView:
    """An API key."""

    key_id: str
    name: str
    hint: str
    scopes: str
    used: str
    expires: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown this one time: a key, recovery codes, a link (an invitation, or to another password), or a secret with its
    QR code (`svg`)."""

    key: str = ""
    codes: tuple[str, ...] = ()
    secret: str = ""
    svg: str = ""
    invitation: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class ProfilePage:
    """Everything of one's own account. `mistake`: what was wrong with the last form; `said`: what was done."""

    username: str
    email: str
    role: str
    has_password: bool
    second_factor: bool
    codes_left: int
    preferences: Preferences
    symbols: str
    currencies: tuple[str, ...]
    sessions: tuple[SessionView, ...]
    keys: tuple[KeyView, ...]
    shown: Shown
    mistake: str
    said: str


@dataclass(frozen=True, slots=True)
class PersonView:
    """Somebody with an account."""

    user_id: str
    username: str
    email: str
    role: str
    active: bool
    second_factor: bool
    since: str


@dataclass(frozen=True, slots=True)
class PersonPage:
    """One person, as admins look after them. `own`: it is the account of the admin who looks."""

    person: PersonView
    has_password: bool
    own: bool
    shown: Shown
    mistake: str
    said: str


@dataclass(frozen=True, slots=True)
class InvitationView:
    """An invitation. `open`: it can be used, and withdrawn."""

    invitation_id: str
    role: str
    email: str
    state: str
    expires: str
    open: bool


@dataclass(frozen=True, slots=True)
class AuditView:
    """One line of the audit log."""

    sequence: int
    time: str
    actor: str
    action: str
    subject: str
    result: str
    address: str
    refused: bool


@dataclass(frozen=True, slots=True)
class AdminPage:
    """`older`: where the entries before these are, "" for none."""

    people: tuple[PersonView, ...]
    roles: tuple[str, ...]
    invitations: tuple[InvitationView, ...]
    audit: tuple[AuditView, ...]
    older: str
    settings: tuple[SettingView, ...]
    budgets: tuple[BudgetView, ...]
    shown: Shown
    mistake: str
    said: str = ""


def moment(time_ms: int | None, zone: str) -> str:
    """`2026-11-20 08:31` in a time zone."""
    if time_ms is None:
        return fmt.UNKNOWN
    try:
        where: ZoneInfo | None = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        where = None
    return datetime.fromtimestamp(time_ms / 1000, where or UTC).strftime("%Y-%m-%d %H:%M")


def session_view(session: Session, current: str, zone: str) -> SessionView:
    """A row of the table of sessions."""
    kind = "Browser" if session.kind == "browser" else "Program"
    return SessionView(
        session.session_id,
        kind,
        agent_words(session.agent) or fmt.UNKNOWN,
        session.agent,
        session.address,
        moment(session.seen_ms, zone),
        session.session_id == current,
    )


def key_view(key: ApiKey, zone: str) -> KeyView:
    """A row of the table of keys."""
    expires = "never" if key.expires_ms is None else moment(key.expires_ms, zone)
    return KeyView(key.key_id, key.name, key.hint, ", ".join(key.scopes), moment(key.used_ms, zone), expires)


def profile_page(
    user: User,
    preferences: Preferences,
    *,
    sessions: list[Session],
    keys: list[ApiKey],
    codes_left: int,
    current: str,
    shown: Shown,
    mistake: str = "",
    said: str = "",
) -> ProfilePage:
    """The page of somebody's own account."""
    zone = preferences.time_zone
    return ProfilePage(
        username=user.username,
        email=user.email or "",
        role=user.role.value,
        has_password=user.password_hash is not None,
        second_factor=user.second_factor,
        codes_left=codes_left,
        preferences=preferences,
        symbols=", ".join(preferences.symbols),
        currencies=CURRENCIES,
        sessions=tuple(session_view(one, current, zone) for one in sessions),
        keys=tuple(key_view(one, zone) for one in keys),
        shown=shown,
        mistake=mistake,
        said=said,
    )


def person_view(user: User, zone: str) -> PersonView:
    """A row of the table of people."""
    since = moment(user.created_ms, zone)
    return PersonView(
        user.user_id, user.username, user.email or fmt.UNKNOWN, user.role.value, user.active, user.second_factor, since
    )


def invitation_view(found: Invitation, zone: str, *, is_open: bool) -> InvitationView:
    """A row of the table of invitations."""
    state = "used" if found.used_ms is not None else "open" if is_open else "over"
    return InvitationView(
        found.invitation_id, found.role.value, found.email or "anybody", state, moment(found.expires_ms, zone), is_open
    )


def audit_view(entry: AuditEntry, zone: str) -> AuditView:
    """A row of the audit log."""
    return AuditView(
        entry.sequence,
        moment(entry.time_ms, zone),
        entry.actor,
        entry.action,
        entry.subject,
        entry.result,
        entry.address,
        not entry.result.startswith("ok"),
    )
