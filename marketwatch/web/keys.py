"""Typed keys of the aiohttp application: what a handler may reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from ..clock import Clock
from ..config import Settings
from ..ports import MarketStore
from ..telemetry import Telemetry
from ..watch import WatchSlot

if TYPE_CHECKING:
    from .render import Renderer
    from .sse import Hub

SETTINGS = web.AppKey("settings", Settings)
CLOCK = web.AppKey("clock", Clock)
STORE = web.AppKey("store", MarketStore)
WATCH = web.AppKey("watch", WatchSlot)
TELEMETRY = web.AppKey("telemetry", Telemetry)
HUB: web.AppKey[Hub] = web.AppKey("hub")
RENDERER: web.AppKey[Renderer] = web.AppKey("renderer")
