"""What admins see and change: people, invitations, the audit log."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ...errors import NotFound
from ...model.accounts import AuditEntry, Invitation, Role
from ..callers import Visit
from ..envelope import iso
from .action import Action
from .credentials import Done
from .desk import Desk
from .endpoint import Endpoint
from .market import NoQuery
from .parameters import Limit
from .users import TAG, Email, UserQuery, UserRow, user_row

_LATEST = 2**53 - 1
RoleWord = Literal["viewer", "trader", "admin"]


class StandingAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`active` false: the account is switched off."""

    role: RoleWord
    active: bool = True


class InvitationAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`email`: for this address alone."""

    role: RoleWord = "trader"
    email: Email | None = None


class InvitationRow(msgspec.Struct, frozen=True):
    """`state`: open, used or over."""

    invitation_id: str
    role: str
    email: str | None
    state: str
    created_at: str
    expires_at: str
    used_by: str | None


class NewInvitationRow(msgspec.Struct, frozen=True):
    """`path` on this server leads to registering; the code is shown this one time."""

    code: str
    path: str
    details: InvitationRow


class InvitationQuery(msgspec.Struct, frozen=True):
    """Which invitation."""

    invitation_id: Annotated[
        str, Meta(min_length=1, max_length=40, extra={"expects": "the id of an invitation", "example": "i_0123456789abcdef01"})
    ]


class AuditQuery(msgspec.Struct, frozen=True):
    """Entries with a smaller number than `before`, newest first."""

    before: Annotated[int, Meta(ge=1, le=_LATEST, extra={"expects": "a whole number of 1 or more", "number": True})] = _LATEST
    limit: Limit = 100


class AuditRow(msgspec.Struct, frozen=True):
    """Who did what to what, with which result, from where."""

    sequence: int
    time: str
    actor: str
    action: str
    subject: str
    result: str
    address: str
    digest: str


def invitation_row(found: Invitation, visit: Visit) -> InvitationRow:
    """The row of an invitation."""
    still = visit.accounts.invitations.is_open(found)
    state = "used" if found.used_ms is not None else "open" if still else "over"
    return InvitationRow(
        found.invitation_id, found.role.value, found.email, state, iso(found.created_ms), iso(found.expires_ms), found.used_by
    )


def audit_row(entry: AuditEntry) -> AuditRow:
    """The row of an entry."""
    return AuditRow(
        entry.sequence,
        iso(entry.time_ms),
        entry.actor,
        entry.action,
        entry.subject,
        entry.result,
        entry.address,
        entry.digest,
    )


async def _users(_desk: Desk, _query: NoQuery, visit: Visit) -> list[UserRow]:
    return [user_row(user) for user in await visit.accounts.users.all()]


async def set_standing(visit: Visit, user_id: str, role: Role, *, active: bool) -> UserRow:
    """Another role, or off. Raises NotFound, Conflict."""
    accounts = visit.accounts
    user = await accounts.users.find(visit.caller.user_id if user_id == "me" else user_id)
    changed = await accounts.users.set_standing(user, role, active=active)
    if not active:
        await accounts.sessions.end_all(user.user_id)
    accounts.identities.forget(user.user_id)
    result = f"ok: {role}" if active else "ok: switched off"
    await accounts.audit.note(visit.caller.name, "change role", user.user_id, result=result, address=visit.place.address)
    return user_row(changed)


async def _put_standing(_desk: Desk, query: UserQuery, body: StandingAsk, visit: Visit) -> UserRow:
    return await set_standing(visit, query.user_id, Role(body.role), active=body.active)


async def reset_totp(visit: Visit, user_id: str) -> None:
    """Take the second factor of somebody away who has lost device and recovery codes. Raises NotFound."""
    user = await visit.accounts.users.find(user_id)
    await visit.accounts.second_factor.end(user)
    await visit.accounts.audit.note(
        visit.caller.name, "second factor off", user.user_id, result="ok: by an admin", address=visit.place.address
    )


async def _reset_totp(_desk: Desk, query: UserQuery, _body: None, visit: Visit) -> Done:
    await reset_totp(visit, query.user_id)
    return Done()


async def _invitations(_desk: Desk, _query: NoQuery, visit: Visit) -> list[InvitationRow]:
    return [invitation_row(one, visit) for one in await visit.accounts.invitations.all()]


async def invite(visit: Visit, role: Role, email: str | None) -> tuple[Invitation, str]:
    """An invitation and its code. Raises InvalidRequest."""
    from ...accounts.users import check_email

    made, code = await visit.accounts.invitations.make(visit.caller.user_id, role, check_email(email))
    await visit.accounts.audit.note(
        visit.caller.name, "invite", made.invitation_id, result=f"ok: {role}", address=visit.place.address
    )
    return made, code


async def _invite(_desk: Desk, _query: NoQuery, body: InvitationAsk, visit: Visit) -> NewInvitationRow:
    made, code = await invite(visit, Role(body.role), body.email)
    return NewInvitationRow(code, f"/register?invite={code}", invitation_row(made, visit))


async def withdraw(visit: Visit, invitation_id: str) -> None:
    """Raises NotFound where it was used, or is not there."""
    if not await visit.accounts.invitations.drop(invitation_id):
        raise NotFound(f'There is no open invitation "{invitation_id[:40]}".')
    await visit.accounts.audit.note(visit.caller.name, "withdraw invitation", invitation_id, address=visit.place.address)


async def _withdraw(_desk: Desk, query: InvitationQuery, _body: None, visit: Visit) -> Done:
    await withdraw(visit, query.invitation_id)
    return Done()


async def _audit(_desk: Desk, query: AuditQuery, visit: Visit) -> list[AuditRow]:
    return [audit_row(entry) for entry in await visit.accounts.store.audit_before(query.before, query.limit)]


def _list(path: str, summary: str, query: Any, row: Any, answer: Any, name: str) -> Endpoint[Any]:
    return Endpoint(path, summary, query, list[row], answer, TAG, operation=name, role="admin", accounts=True, person=False)


def admins(method: str, path: str, summary: str, query: Any, body: Any, data: Any, answer: Any, name: str, **more: Any) -> Any:
    """An action of admins."""
    return Action(method, path, summary, query, body, data, answer, TAG, name, role="admin", accounts=True, **more)


_ONE = "/api/invitations/{invitation_id}"
_STANDING = "/api/users/{user_id}/standing"
ENDPOINTS: tuple[Endpoint[Any], ...] = (
    _list("/api/users", "All people", NoQuery, UserRow, _users, "users"),
    _list("/api/invitations", "All invitations", NoQuery, InvitationRow, _invitations, "invitations"),
    _list("/api/audit", "The audit log", AuditQuery, AuditRow, _audit, "audit"),
)
ACTIONS: tuple[Action[Any], ...] = (
    admins("PUT", _STANDING, "Another role", UserQuery, StandingAsk, UserRow, _put_standing, "put_standing", conflicts=True),
    admins("DELETE", "/api/users/{user_id}/totp", "Reset a second factor", UserQuery, None, Done, _reset_totp, "reset_totp"),
    admins("POST", "/api/invitations", "Invite", NoQuery, InvitationAsk, NewInvitationRow, _invite, "invite", status=201),
    admins("DELETE", _ONE, "Withdraw an invitation", InvitationQuery, None, Done, _withdraw, "withdraw"),
)
