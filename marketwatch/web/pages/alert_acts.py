"""What people do with an alert by form: acknowledge, snooze, silence. Each leads back to the page that it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from yarl import URL

from ...errors import InvalidRequest
from ...model.silences import EVERYTHING
from ..api.desk import DESK
from ..api.seen import acknowledge
from ..api.silences import SilenceAsk, end, made, put, snooze
from ..guard import allow
from ..paths import own_path

routes = web.RouteTableDef()
_PAGE = "/alerts"


def came_from(request: web.Request, otherwise: str = _PAGE) -> str:
    """The page of this server on which a form stood."""
    try:
        url = URL(request.headers.get("Referer", ""))
    except ValueError:
        return otherwise
    return own_path(url.raw_path_qs, otherwise) if url.host == request.url.host else otherwise


def back(request: web.Request) -> web.Response:
    """To where the form stood."""
    return web.Response(status=303, headers={"Location": came_from(request), "Cache-Control": "no-store"})


def field(form: Mapping[str, Any], name: str) -> str:
    """A field of a form as text; "" where it is missing."""
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _needed(form: Mapping[str, Any], name: str) -> str:
    text = field(form, name)
    if not text or len(text) > 200:
        raise InvalidRequest(f'The form must have a field "{name}" of 1 to 200 characters.', [{"parameter": name}])
    return text


@routes.post("/alerts/acknowledge")
@allow("trader")
async def seen(request: web.Request) -> web.Response:
    """Acknowledge `alert_id`, or take that back where the form says `undo`."""
    form = await request.post()
    await acknowledge(request.app[DESK], _needed(form, "alert_id"), seen=not field(form, "undo"))
    return back(request)


@routes.post("/alerts/snooze")
@allow("trader")
async def later(request: web.Request) -> web.Response:
    """Snooze `alert_id` `for` a while."""
    form = await request.post()
    await snooze(request.app[DESK], _needed(form, "alert_id"), _needed(form, "for"))
    return back(request)


@routes.post("/alerts/silences")
async def silence(request: web.Request) -> web.Response:
    """A new silence from the form; a mistake in it is an error page that says what is wrong."""
    form = await request.post()
    desk = request.app[DESK]
    rule_id, symbol, severity = (field(form, name) or EVERYTHING for name in ("rule_id", "symbol", "severity"))
    if max(map(len, (rule_id, symbol, severity))) > 200:
        raise InvalidRequest("A pattern of a silence has at most 200 characters.")
    until = field(form, "ends_at")
    ask = SilenceAsk(
        rule_id=rule_id,
        symbol=symbol,
        severity=severity,
        ends_at=until or None,
        lasts=None if until else field(form, "for") or None,
        comment=field(form, "comment")[:500],
        remind=bool(field(form, "remind")),
    )
    await put(desk, made(desk, ask))
    return web.Response(status=303, headers={"Location": f"{_PAGE}#silences", "Cache-Control": "no-store"})


@routes.post("/alerts/silences/end")
async def over(request: web.Request) -> web.Response:
    """End `silence_id` now."""
    form = await request.post()
    await end(request.app[DESK], _needed(form, "silence_id"))
    return back(request)
