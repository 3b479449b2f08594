"""A tap on a feed: whoever records hears every raw frame before it is parsed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Tap = Callable[[int, Sequence[bytes]], None]
"""Called once per gulp with the receipt time in milliseconds and the frames in order. Must not block or raise."""
