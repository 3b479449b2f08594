"""The owner of this program: a token, tickets that stand for it once, and the cookie that a browser keeps.

The token is the setting, or is made at the first start and kept in a file that only the user may read. A cookie is signed with
the token: it outlives a restart, and another token ends every cookie at once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from ..clock import Clock
from ..config import Settings
from .kept import kept_secret

FILE = "owner-token"
COOKIE_S = 30 * 86_400
TICKET_S = 86_400
_MOST_TICKETS = 16


class Owner:
    """Knows its owner by token, by ticket (once, within a day) and by cookie (thirty days).

    `token` "": nobody can be the owner, and `why` says in a sentence what to do about it.
    """

    def __init__(self, *, token: str, clock: Clock, why: str = "", place: str = "") -> None:
        self.why = why
        self.place = place
        """Where the token stands, for people; "" where it came from the settings."""
        self._token = token
        self._clock = clock
        self._tickets: dict[str, int] = {}
        digest = _digest(token, "cookie name")
        self.cookie_name = f"owner_{digest[:8]}"
        """Differs by token, for two programs on one machine share the cookies of its address."""

    @property
    def possible(self) -> bool:
        """Somebody can be the owner."""
        return bool(self._token)

    def knows_token(self, text: str) -> bool:
        """Whether `text` is the token."""
        return self.possible and hmac.compare_digest(_digest(self._token, "token"), _digest(text, "token"))

    def new_ticket(self) -> str:
        """A text that stands for the token once, within a day."""
        ticket = secrets.token_urlsafe(24)
        self._tickets[_digest(ticket, "ticket")] = self._clock.now_ms()
        while len(self._tickets) > _MOST_TICKETS:
            del self._tickets[next(iter(self._tickets))]
        return ticket

    def redeem(self, ticket: str) -> bool:
        """Whether `ticket` is one; it is none any more afterwards."""
        made_ms = self._tickets.pop(_digest(ticket, "ticket"), None)
        return self.possible and made_ms is not None and self._clock.now_ms() - made_ms <= TICKET_S * 1000

    def new_cookie(self) -> str:
        """What the owner's browser keeps: `seconds.nonce.signature`."""
        body = f"{self._clock.now_ms() // 1000}.{secrets.token_hex(8)}"
        return f"{body}.{self._sign(body)}"

    def knows_cookie(self, value: str) -> bool:
        """Whether `value` was made by `new_cookie` with this token within the last thirty days."""
        if not self.possible or not value.isascii() or len(value) > 200:
            return False
        body, _, signature = value.rpartition(".")
        made = body.partition(".")[0]
        if not hmac.compare_digest(self._sign(body), signature) or not made.isdigit():
            return False
        return -60 <= self._clock.now_ms() // 1000 - int(made) <= COOKIE_S

    def _sign(self, body: str) -> str:
        return hmac.new(self._token.encode(), b"cookie\0" + body.encode(), hashlib.sha256).hexdigest()


def _digest(text: str, purpose: str) -> str:
    return hashlib.sha256(f"{purpose}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()


def open_owner(settings: Settings, clock: Clock) -> Owner:
    """The owner that the settings mean. Never raises: a token that cannot be kept lasts until the end of the program."""
    if settings.token:
        return Owner(token=settings.token, clock=clock)
    if not settings.loopback:
        why = "This program is open to other machines, so its owner needs a token of their own: set MARKETWATCH_TOKEN."
        return Owner(token="", clock=clock, why=why)
    path = settings.data_dir / FILE
    try:
        return Owner(token=kept_secret(path), clock=clock, place=str(path))
    except OSError:
        return Owner(token=secrets.token_urlsafe(32), clock=clock)
