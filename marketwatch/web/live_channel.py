"""A channel of the stream: fragments that are rendered once when their context changes, and shared by every client."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from ..watch import Watch
from .render import Renderer


class Kept(NamedTuple):
    """A fragment as it was sent last, what it was made from, and the tick of its last change."""

    context: Any
    payload: bytes
    tick: int


class Channel(ABC):
    """Remembers what the clients of one channel have on their screens."""

    def __init__(self, name: str, renderer: Renderer) -> None:
        self.name = name
        self.used_tick = -(10**9)
        self._renderer = renderer
        self._kept: dict[str, Kept] = {}
        self._pending: dict[str, bytes] = {}

    @abstractmethod
    def update(self, watch: Watch, now_ms: int, tick: int) -> None:
        """Put every part of the channel as of `now_ms`."""

    def put(self, target: str, template: str, context: Any, tick: int, *, swap: str = "outerMorph") -> bool:
        """Show `context` at the element with the id `target`; answers whether that changed anything."""
        kept = self._kept.get(target)
        if kept is not None and kept.context == context:
            return False
        html = self._renderer.fragment(template, context)
        payload = f'<hx-partial hx-target="#{target}" hx-swap="{swap}">{html}</hx-partial>'.encode()
        self._kept[target] = Kept(context, payload, tick)
        self._pending[target] = payload
        return True

    def context(self, target: str) -> Any:
        """What is shown at `target`; None where nothing is."""
        kept = self._kept.get(target)
        return None if kept is None else kept.context

    def changed_at(self, target: str) -> int:
        """The tick of the last change of `target`."""
        kept = self._kept.get(target)
        return -1 if kept is None else kept.tick

    def take(self) -> bytes:
        """What changed since the last call."""
        pending, self._pending = self._pending, {}
        return b"\n".join(pending.values())

    def since(self, tick: int) -> bytes:
        """Everything that changed at `tick` or later."""
        return b"\n".join(kept.payload for kept in self._kept.values() if kept.tick >= tick)

    def forget(self) -> None:
        """Nobody looks: drop what was remembered."""
        self._kept.clear()
        self._pending.clear()
