"""The in-memory bus: synchronous, ordered, isolated. And the mailbox, behind which `await` begins."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

E = TypeVar("E")
M = TypeVar("M")
Handler = Callable[[Any], None]
ErrorHook = Callable[[str, BaseException], None]


class Publish(Protocol):
    """What a producer is handed: it can publish and nothing else."""

    def __call__(self, event: Any, /) -> None: ...


class Bus:
    """Hands each event to the subscribers of its type, in the order of subscription, before `publish` returns.

    A subscriber that raises never stops the next; the failure goes to `on_error` with the subscriber's name. Events that a
    handler publishes are delivered at once, inside its own turn.
    """

    def __init__(self, *, on_error: ErrorHook) -> None:
        self._routes: dict[type, tuple[tuple[str, Handler], ...]] = {}
        self._on_error = on_error

    def subscribe(self, kind: type[E], handler: Callable[[E], None], *, name: str) -> Callable[[], None]:
        """Add a subscriber; the returned callable removes it again."""
        entry = (name, handler)
        self._routes[kind] = (*self._routes.get(kind, ()), entry)

        def unsubscribe() -> None:
            self._routes[kind] = tuple(route for route in self._routes[kind] if route is not entry)

        return unsubscribe

    def publish(self, event: Any, /) -> None:
        for name, handler in self._routes.get(type(event), ()):
            try:
                handler(event)
            except Exception as error:
                self._on_error(name, error)


class Mailbox(Generic[M]):
    """A bounded queue between the synchronous core and one slow consumer.

    Policy when full: drop the oldest and count it, once per episode reported through `on_overflow(count_so_far)`. An episode
    ends when the mailbox was emptied.
    """

    def __init__(self, capacity: int, *, on_overflow: Callable[[int], None] | None = None) -> None:
        self._items: deque[M] = deque()
        self._capacity = capacity
        self._on_overflow = on_overflow
        self._filled = asyncio.Event()
        self._in_episode = False
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: M) -> None:
        """Never blocks."""
        if len(self._items) >= self._capacity:
            self._items.popleft()
            self.dropped += 1
            if not self._in_episode and self._on_overflow is not None:
                self._on_overflow(self.dropped)
            self._in_episode = True
        self._items.append(item)
        self._filled.set()

    async def drain(self, most: int = 10_000) -> list[M]:
        """Wait for at least one item, then take up to `most` in order."""
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        return self.take(most)

    def take(self, most: int = 10_000) -> list[M]:
        """Take what is there, without waiting."""
        taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
        if not self._items:
            self._in_episode = False
        return taken
