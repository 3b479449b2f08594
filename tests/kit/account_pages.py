"""The pages about accounts as contexts, with hostile text wherever text can come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from marketwatch.accounts.preferences import Preferences
from marketwatch.model.accounts import ApiKey, AuditEntry, Invitation, Role, Scope, Session, User
from marketwatch.web.api.settings import BudgetRow, SettingRow
from marketwatch.web.contexts.accounts import (
    ROLES,
    AdminPage,
    LoginPage,
    PersonPage,
    RegisterPage,
    ResetPage,
    Shown,
    audit_view,
    invitation_view,
    person_view,
    profile_page,
)
from marketwatch.web.contexts.settings import budget_view, setting_view


def account_pages(hostile: str, now_ms: int) -> Iterator[tuple[str, Any]]:
    """The pages about accounts, with hostile text wherever text can come from."""
    user = User("u1", hostile, hostile, hostile, Role.ADMIN, now_ms, True, hostile, True)
    session = Session("s1", "u1", "browser", None, now_ms, now_ms, now_ms, hostile, hostile)
    key = ApiKey("k1", "u1", hostile, "", hostile, (Scope.READ,), now_ms)
    shown = Shown(hostile, (hostile,), hostile, "", hostile, hostile)
    for ticket, open_to_all in (("", True), ("", False), (hostile, False)):
        yield ("login.html", LoginPage(hostile, hostile, ticket, hostile, open_to_all, hostile))
    for first, barred in ((True, ""), (False, hostile)):
        yield ("register.html", RegisterPage(hostile, hostile, hostile, hostile, first, barred))
    for one, what in (
        (user, Shown()),
        (user._replace(totp_confirmed=False), shown),
        (user._replace(totp_secret=None), Shown()),
    ):
        context = profile_page(
            one,
            Preferences(time_zone="Nowhere"),
            sessions=[session, session._replace(session_id="s2")],
            keys=[key, key._replace(expires_ms=now_ms, used_ms=now_ms)],
            codes_left=3,
            current="s1",
            shown=what,
            mistake=hostile,
            said=hostile,
        )
        yield ("profile.html", context)
    invited = Invitation("i1", "", Role.TRADER, hostile, "u1", now_ms, now_ms)
    entry = AuditEntry(7, now_ms, hostile, hostile, hostile, hostile, hostile, "", "")
    yield (
        "admin.html",
        AdminPage(
            people=(person_view(user, "UTC"), person_view(user._replace(active=False, totp_secret=None), "UTC")),
            roles=ROLES,
            invitations=(invitation_view(invited, "UTC", is_open=True), invitation_view(invited, "UTC", is_open=False)),
            audit=(audit_view(entry, "UTC"), audit_view(entry._replace(subject="", address=""), "UTC")),
            older=hostile,
            settings=(
                setting_view(SettingRow(hostile, hostile, "environment", hostile)),
                setting_view(SettingRow(hostile, "", "", "")),
            ),
            budgets=(
                budget_view(BudgetRow(hostile, 900.0, 1000.0, "bytes", hostile)),
                budget_view(BudgetRow(hostile, None, None, hostile, None)),
            ),
            shown=shown,
            mistake=hostile,
            said=hostile,
        ),
    )
    for own, has_password in ((True, False), (False, True)):
        person = person_view(user._replace(totp_confirmed=has_password, active=own), "UTC")
        yield ("person.html", PersonPage(person, has_password, own, shown, hostile, hostile))
    for username in ("", hostile):
        yield ("reset.html", ResetPage(hostile, username, hostile))
