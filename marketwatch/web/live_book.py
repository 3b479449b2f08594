"""The channel of one portfolio's page, for nobody but its owner."""

from __future__ import annotations

from urllib.parse import quote, unquote

from ..errors import RequestError
from ..watch import Watch
from .api.books import rate_into
from .api.desk import Desk
from .contexts.book import holdings_of, worth_of
from .live_channel import Channel
from .render import Renderer

PREFIX = "book/"
_EVERY_MS = 1000


def book_channel(owner_id: str, portfolio_id: str, currency: str = "") -> str:
    """The channel's name. `currency`: in which its owner wants to read sums."""
    return PREFIX + "/".join(quote(part, safe="") for part in (owner_id, portfolio_id, currency))


class BookChannel(Channel):
    """Figures and positions of one portfolio, each second."""

    def __init__(self, name: str, renderer: Renderer, desk: Desk) -> None:
        super().__init__(name, renderer)
        self._owner_id, self._portfolio_id, self._currency = map(unquote, name.removeprefix(PREFIX).split("/"))
        self._desk = desk
        self._due_ms = 0

    def update(self, watch: Watch, now_ms: int, tick: int) -> None:
        """Value it, unless that was done in this second. One that is gone stays as it was."""
        if 0 <= now_ms - self._due_ms < _EVERY_MS:
            return
        self._due_ms = now_ms
        try:
            book = self._desk.books.at_hand(self._owner_id, self._portfolio_id)
            if book is None:
                return
            value = self._desk.appraiser.value(book.kept, now_ms)
            rate = rate_into(self._desk, book, self._currency)
        except RequestError:
            return
        self.put("worth", "fragments/_worth.html", worth_of(value, rate), tick)
        self.put("holdings", "fragments/_holdings.html", holdings_of(value), tick)

    def forget(self) -> None:
        super().forget()
        self._due_ms = 0
