"""The channel of one screen: evaluated and rendered once, whoever looks at it."""

from __future__ import annotations

from urllib.parse import quote, unquote

from ..errors import RequestError
from ..screener.question import Question, ScreenRefused
from ..watch import Watch
from .api.desk import Desk
from .contexts.screen_rows import MatchesView, Scope, look, matches_view, said_view, trouble
from .live_channel import Channel
from .render import Renderer

PREFIX = "screen/"
MOST_CHANNELS = 48
_EVERY_TICKS = 2


def screen_channel(question: Question, owner_id: str) -> str:
    """The channel's name. Only a screen over a watchlist is its owner's; any other is everybody's who asks the same."""
    return PREFIX + "/".join(quote(part, safe="") for part in (owner_id if question.watchlist_id else "", *question))


class ScreenChannel(Channel):
    """What passes, once a second: the rows that changed, or the whole table where they are others or stand elsewhere."""

    def __init__(self, name: str, renderer: Renderer, desk: Desk) -> None:
        super().__init__(name, renderer)
        owner_id, *parts = (unquote(part) for part in name.removeprefix(PREFIX).split("/"))
        self._question = Question(*parts)
        self._scope = Scope(owner_id, self._question.watchlist_id)
        self._desk = desk
        self._turn = len(name) % _EVERY_TICKS
        self._shown: MatchesView | None = None

    def update(self, watch: Watch, now_ms: int, tick: int) -> None:
        """Bring everything up to the newest sample step."""
        if self._shown is not None and tick % _EVERY_TICKS != self._turn:
            return
        try:
            found = look(self._desk, self._question, self._scope)
        except (RequestError, ScreenRefused) as error:
            self.put("screen-said", "fragments/_screened.html", trouble(str(error)), tick)
            return
        self.put("screen-said", "fragments/_screened.html", said_view(found), tick)
        self._put_rows(matches_view(watch, found), tick)

    def _put_rows(self, view: MatchesView, tick: int) -> None:
        shown, self._shown = self._shown, view
        if shown is None or shown._replace(rows=()) != view._replace(rows=()) or _keys(shown) != _keys(view):
            for target in [name for name in self._kept if name.startswith("m-")]:
                del self._kept[target]
                self._pending.pop(target, None)
            self.put("matches", "fragments/_matches.html", view, tick)
            return
        for before, row in zip(shown.rows, view.rows, strict=True):
            if row != before:
                self.put(f"m-{row.key}", "fragments/_match.html", row, tick)

    def forget(self) -> None:
        super().forget()
        self._shown = None


def _keys(view: MatchesView) -> list[int]:
    return [row.key for row in view.rows]
