"""Writing rules: `POST /api/rules`, and what changes, switches, deletes and brings back one of them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ...alerts.rule_sheet import RuleRefused, Sheet, read_sheet
from ...errors import InvalidRequest
from ...model.alerts import Rule
from ...model.system import Level
from ..authors import Reader
from .action import Action
from .alerts import AuthorRow, Name, RuleRow, Version, rule_row, stored_versions
from .desk import Desk
from .endpoint import Endpoint
from .market import NoQuery
from .parameters import read_time

KEYS = {"expires_at": "expires", "muted_until": "muted"}
"""Fields of a body that the rules file calls otherwise."""
_FIELDS = {key: field for field, key in KEYS.items()}
Condition = Annotated[str, Meta(max_length=2000)]
Span = Annotated[str, Meta(max_length=20, description="A duration such as 30s, 5m or 0")]
Symbol = Annotated[str, Meta(min_length=1, max_length=100)]
Moment = Annotated[str, Meta(max_length=40, description="An ISO 8601 time")]


_SINCE_1970 = r"^(19[7-9]\d|[2-9]\d{3})-"


class RuleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole rule; what is left out has its default. `symbols`: a list, `*` for all, or the name of a watchlist.

    `recover`: when it is over, a condition or a number that takes the place of the threshold."""

    name: Annotated[str, Meta(max_length=200)]
    expression: Condition
    symbols: Annotated[list[Symbol], Meta(max_length=2000)] | Symbol = "*"
    wait: Span | None = msgspec.field(default=None, name="for")
    recover: Condition | float | None = None
    keep_firing_for: Span | None = None
    cooldown: Span | None = None
    repeat: Span | None = None
    severity: Level = Level.WARNING
    channels: Annotated[list[Symbol], Meta(max_length=100)] | None = None
    enabled: bool = True
    expires_at: Moment | None = None
    schedule: Annotated[str, Meta(max_length=300)] | None = None
    intrabar: bool = False
    note: Annotated[str, Meta(max_length=1000)] = ""
    muted_until: Moment | None = None


class RuleChange(RuleBody, frozen=True, forbid_unknown_fields=True):
    """A rule as it is answered, changed. `version`: the one that the change was made from; 409 where that is past. `origin` and
    `author` stay what they are, whatever is sent."""

    version: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    rule_id: str | None = None
    origin: str | None = None
    author: AuthorRow | None = None


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """On or off."""

    enabled: bool


class Mute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`until`: nobody is told before then; null: people are told again."""

    until: Annotated[str, Meta(max_length=40, extra_json_schema={"format": "date-time", "pattern": _SINCE_1970})] | None


class OneRule(msgspec.Struct, frozen=True):
    """Which rule."""

    rule_id: Name


class OneVersion(msgspec.Struct, frozen=True):
    """Which rule, and with the content of which version of it."""

    rule_id: Name
    version: Version | None = None


def sheet_of(body: RuleBody) -> Sheet:
    """The body as the reader of rules takes it."""
    found: dict[str, str | list[str]] = {}
    for field in msgspec.structs.fields(RuleBody):
        value = getattr(body, field.name)
        if isinstance(value, bool):
            value = "yes" if value else "no"
        elif isinstance(value, float):
            value = repr(value).removesuffix(".0")
        if value is not None:
            found[KEYS.get(field.encode_name, field.encode_name)] = value
    return found


def read(body: RuleBody) -> Rule:
    """The rule of a body. Raises InvalidRequest with every field that is wrong."""
    try:
        return read_sheet(sheet_of(body))
    except RuleRefused as error:
        details = [one._replace(field=_FIELDS.get(one.field, one.field)).detail() for one in error.mistakes]
        raise InvalidRequest(str(error), details) from None


async def create(desk: Desk, _query: NoQuery, body: RuleBody, reader: Reader) -> RuleRow:
    """A new rule, committed and in force."""
    return rule_row(await desk.rule_desk.create(read(body)._replace(owner_id=reader.user_id)), reader)


async def change(desk: Desk, query: OneRule, body: RuleChange, reader: Reader) -> RuleRow:
    """The next version of a rule, which stays its author's."""
    if body.rule_id not in (None, query.rule_id):
        message = f'The body is about the rule "{str(body.rule_id)[:200]}" and the path about "{query.rule_id}".'
        raise InvalidRequest(message, [{"field": "rule_id", "column": 1, "message": message, "hint": "Leave it out."}])
    changed = read(body)._replace(owner_id=reader.user_id)
    return rule_row(await desk.rule_desk.change(query.rule_id, changed, body.version), reader)


async def switch(desk: Desk, query: OneRule, body: Switch, reader: Reader) -> RuleRow:
    """On or off, as a new version."""
    return rule_row(await desk.rule_desk.switch(query.rule_id, on=body.enabled), reader)


async def mute(desk: Desk, query: OneRule, body: Mute, reader: Reader) -> RuleRow:
    """Muted, or not any more."""
    try:
        until_ms = None if body.until is None else read_time(body.until)
    except ValueError:
        shown = str(body.until)[:40]
        message = f'"until" was "{shown}"; it must be an ISO 8601 time such as 2027-01-01T00:00:00Z.'
        raise InvalidRequest(message, [{"field": "until", "column": 1, "message": message, "hint": ""}]) from None
    return rule_row(await desk.rule_desk.mute(query.rule_id, until_ms), reader)


async def remove(desk: Desk, query: OneRule, _body: None, reader: Reader) -> RuleRow:
    """The newest version of the rule that is gone."""
    return rule_row(await desk.rule_desk.remove(query.rule_id), reader)


async def restore(desk: Desk, query: OneVersion, _body: None, reader: Reader) -> RuleRow:
    """The rule as it is in force again."""
    return rule_row(await desk.rule_desk.restore(query.rule_id, query.version), reader)


async def versions(desk: Desk, query: OneRule, reader: Reader) -> list[RuleRow]:
    """Newest first. Raises NotFound."""
    return [rule_row(one, reader) for one in await stored_versions(desk, query.rule_id)]


_SAID = "Committed and in force when it is answered. A rule that cannot be taken is refused with `details` per field."

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        "/api/rules/{rule_id}/versions",
        "Every version of a rule",
        OneRule,
        list[RuleRow],
        versions,
        "alerts",
        operation="rule_versions",
        description="Newest first; also of a deleted rule.",
        reader=True,
    ),
)

ACTIONS: tuple[Action[Any], ...] = (
    Action(
        "POST", "/api/rules", "Write a rule", NoQuery, RuleBody, RuleRow, create, "alerts", "create_rule", status=201,
        description=_SAID, conflicts=True, reader=True,
    ),
    Action(
        "PUT", "/api/rules/{rule_id}", "Change a rule", OneRule, RuleChange, RuleRow, change, "alerts", "change_rule",
        description=f"The whole rule, as its next version. {_SAID}", conflicts=True, reader=True,
    ),
    Action(
        "PUT", "/api/rules/{rule_id}/enabled", "Switch a rule on or off", OneRule, Switch, RuleRow, switch, "alerts",
        "switch_rule", conflicts=True, reader=True,
    ),
    Action(
        "PUT", "/api/rules/{rule_id}/muted", "Mute a rule", OneRule, Mute, RuleRow, mute, "alerts", "mute_rule",
        description="It goes on, but nobody is told. Rules of the file too; the year 9999 is for ever.", reader=True,
    ),
    Action(
        "DELETE", "/api/rules/{rule_id}", "Delete a rule", OneRule, None, RuleRow, remove, "alerts", "delete_rule",
        description="Its episodes end; its versions stay, and it can be restored.", conflicts=True, reader=True,
    ),
    Action(
        "POST", "/api/rules/{rule_id}/restore", "Bring a rule back", OneVersion, None, RuleRow, restore, "alerts",
        "restore_rule", description="A deleted rule, or the content of an earlier `version` as the next one.",
        conflicts=True, reader=True,
    ),
)  # fmt: skip
