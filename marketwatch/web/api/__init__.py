"""The JSON API: every endpoint in one tuple."""

from __future__ import annotations

from typing import Any

from .endpoint import Endpoint
from .market import ENDPOINTS as MARKET

ENDPOINTS: tuple[Endpoint[Any, Any], ...] = (*MARKET,)
