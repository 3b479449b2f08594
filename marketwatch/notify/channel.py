"""What a channel is, and the message that it carries."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ..errors import MarketwatchError
from ..model.alerts import Alert, Notification


class DeliveryFailed(MarketwatchError):
    """A message was not accepted. `for_good`: another attempt cannot help.

    `retry_after_s`: the pause that the receiver asked for.
    """

    def __init__(self, message: str, *, for_good: bool = False, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.for_good = for_good
        self.retry_after_s = retry_after_s


class Told(NamedTuple):
    """A notice and the alert it speaks of."""

    notice: Notification
    alert: Alert


class Message(NamedTuple):
    """What is sent in one go: one notice, or the sum of several (a digest). `message_id` is the same at every attempt.

    `source`: `live`, `demo` or `recorded`, so that nobody takes an invented price for a real one.
    """

    message_id: str
    told: list[Told]
    digest: bool
    source: str


class Channel(Protocol):
    """One way to the outside."""

    @property
    def name(self) -> str:
        """As rules name it in `channels`."""

    async def send(self, message: Message) -> None:
        """Return once the receiver has accepted the message. Raises DeliveryFailed."""
