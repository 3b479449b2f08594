"""Faults on the way from the venue to its clients: silence, loss, doubling, disorder. The ledgers know nothing of them."""

from __future__ import annotations

import random
from collections import Counter

from .venue_market import Frame


class FrameFaults:
    """Decides what becomes of each frame. All faults act on the trade stream of one symbol unless said otherwise."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._muted: set[str] = set()
        self._loss: Counter[str] = Counter()
        self._every: dict[str, int] = {}
        self._blocks: dict[str, int] = {}
        self._held: dict[str, list[Frame]] = {}
        self._delayed: dict[str, tuple[int, Frame]] = {}
        self._delays: dict[str, int] = {}
        self._count: Counter[str] = Counter()
        self.lost: dict[str, list[int]] = {}

    def mute(self, symbol: str) -> None:
        """Send nothing of this symbol any more, on any stream; its market goes on."""
        self._muted.add(symbol)

    def unmute(self, symbol: str) -> None:
        self._muted.discard(symbol)

    def lose(self, symbol: str, trades: int) -> None:
        """Do not send the next prints."""
        self._loss[symbol] += trades

    def duplicate(self, symbol: str, every: int) -> None:
        """Send every n-th print twice (0: stop)."""
        self._every[symbol] = every

    def delay(self, symbol: str, frames: int) -> None:
        """Send the next print only after that many later ones."""
        self._delays[symbol] = frames

    def shuffle(self, symbol: str, block: int) -> list[Frame]:
        """Send prints in blocks of this length, shuffled (0: stop; answers what was held back)."""
        self._blocks[symbol] = block
        return self._held.pop(symbol, [])

    def apply(self, frame: Frame) -> list[Frame]:
        """What is sent in place of `frame`."""
        symbol = frame.symbol
        if symbol in self._muted or (frame.kind == "tickers" and self._muted):
            return []
        if frame.kind != "trade":
            return [frame]
        if self._loss[symbol] > 0:
            self._loss[symbol] -= 1
            self.lost.setdefault(symbol, []).append(frame.ids[0] if frame.ids else 0)
            return []
        return self._disordered(symbol, self._doubled(symbol, frame))

    def _doubled(self, symbol: str, frame: Frame) -> list[Frame]:
        every = self._every.get(symbol, 0)
        self._count[symbol] += 1
        return [frame, frame] if every and self._count[symbol] % every == 0 else [frame]

    def _disordered(self, symbol: str, frames: list[Frame]) -> list[Frame]:
        if symbol in self._delayed:
            left, late = self._delayed.pop(symbol)
            if left <= 1:
                return [*frames, late]
            self._delayed[symbol] = left - 1, late
        elif self._delays.get(symbol):
            self._delayed[symbol] = self._delays.pop(symbol), frames[0]
            return frames[1:]
        block = self._blocks.get(symbol, 0)
        if not block:
            return frames
        held = self._held.setdefault(symbol, [])
        held += frames
        if len(held) < block:
            return []
        del self._held[symbol]
        self._random.shuffle(held)
        return held
