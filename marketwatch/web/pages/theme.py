"""`POST /theme`: remembers the theme in a cookie and goes back; with JavaScript the page does it by itself."""

from __future__ import annotations

from aiohttp import web

from ..guard import anyone
from ..paths import own_path
from ..render import THEMES

routes = web.RouteTableDef()
_YEAR_S = 31_536_000


@routes.post("/theme")
@anyone
async def choose(request: web.Request) -> web.Response:
    """Only a known theme is kept, and only a path of this server is gone back to."""
    form = await request.post()
    theme = form.get("theme")
    answer = web.Response(status=303, headers={"Location": own_path(form.get("back"))})
    if theme in THEMES:
        answer.set_cookie("theme", str(theme), max_age=_YEAR_S, samesite="Lax", path="/")
    return answer
