"""Templates to HTML: autoescaped, strict about names, one environment for pages and for stream fragments."""

from __future__ import annotations

import secrets
from typing import Any

import jinja2
from aiohttp import web

from .. import __version__
from ..clock import Clock
from ..config import Settings
from ..model.accounts import Rank
from ..resources import resource_dir
from ..watch import Watch
from .assets import Assets
from .callers import ACCOUNTS, caller_of
from .contexts.cursor import stay
from .contexts.errors import ErrorPage
from .contexts.frame import Frame, build_frame
from .keys import RENDERER, WATCH

THEMES = ("auto", "dark", "light")
_NO_STORE = {"Cache-Control": "no-store", "Vary": "Cookie"}


class Renderer:
    """Renders a template with its typed context.

    A page template sees `frame` and `page`; a fragment `fragments/_row.html` sees its context as `row`, both when a page
    includes it and when the stream sends it.
    """

    def __init__(self, settings: Settings, clock: Clock, assets: Assets | None = None) -> None:
        self.settings = settings
        self.clock = clock
        self.assets = assets or Assets()
        self.boot = secrets.token_hex(4)
        """Changes with every start of the program: an open page that sees another one loads itself again."""
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(resource_dir("templates")),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            bytecode_cache=None,
        )
        self._environment.globals["asset"] = self.assets.url
        self._environment.globals["is_past"] = is_past
        self._environment.globals["keeps"] = keeps
        self._environment.filters["here"] = here
        self._fragments: dict[str, tuple[jinja2.Template, str]] = {}

    def fragment(self, template: str, context: Any) -> str:
        """One fragment as the page includes it; `template` such as `fragments/_row.html`."""
        found = self._fragments.get(template)
        if found is None:
            name = template.rpartition("/_")[2].removesuffix(".html")
            found = self._fragments[template] = (self._environment.get_template(template), name)
        return found[0].render({found[1]: context})

    def html(self, template: str, frame: Frame, page: Any) -> str:
        """A whole page."""
        return self._environment.get_template(template).render(frame=frame, page=page)

    def document(self, template: str, page: Any) -> str:
        """A page without the frame of the program around it."""
        return self._environment.get_template(template).render(page=page)

    def frame(self, request: web.Request, *, watch: Watch | None = None) -> Frame:
        """The frame for this request: theme from its cookie, market from the slot unless another one is shown."""
        slot = request.app[WATCH]
        caller = caller_of(request)
        theme = request.cookies.get("theme", "auto")
        return build_frame(
            watch=watch or slot.current,
            waiting=slot.waiting,
            clock=self.clock,
            boot=f"{self.boot}-{slot.generation}",
            theme=theme if theme in THEMES else "auto",
            path=request.path,
            version=__version__,
            owner=caller.rank >= Rank.ADMIN,
            signs_in=request.app[ACCOUNTS] is not None,
            person=caller.name if caller.has_account else "",
            admin=caller.rank >= Rank.ADMIN,
        )

    def page(
        self, request: web.Request, template: str, context: Any, *, status: int = 200, frame: Frame | None = None
    ) -> web.Response:
        """The page as an answer."""
        text = self.html(template, frame or self.frame(request), context)
        answer = web.Response(text=text, status=status, content_type="text/html", headers=_NO_STORE)
        if len(text) > 2048:
            answer.enable_compression()
        return answer


def _at(context: jinja2.runtime.Context) -> str:
    frame = context.get("frame")
    return "" if frame is None else str(frame.at)


@jinja2.pass_context
def is_past(context: jinja2.runtime.Context) -> bool:
    """In a template: whether the page shows an earlier moment, where nothing is live and nothing can be changed."""
    return bool(_at(context))


@jinja2.pass_context
def keeps(context: jinja2.runtime.Context) -> bool:
    """In a template: whether it is a page of somebody who has watchlists. A fragment of the stream is everybody's, so never."""
    frame = context.get("frame")
    return frame is not None and bool(frame.keeps)


@jinja2.pass_context
def here(context: jinja2.runtime.Context, href: str) -> str:
    """In a template: an address of this program that stays at the moment which the page shows."""
    return stay(href, _at(context))


def error_page(request: web.Request, status: int, title: str, sentence: str) -> web.Response:
    """A designed error page: what happened, what to do now, one button."""
    return request.app[RENDERER].page(request, "error.html", ErrorPage(status, title, sentence), status=status)
