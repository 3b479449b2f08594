"""The JSON API: every endpoint in one tuple, every action in another."""

from __future__ import annotations

from typing import Any

from .action import Action
from .alerts import ENDPOINTS as ALERTS
from .analytics import ENDPOINTS as ANALYTICS
from .book_files import ACTIONS as BOOK_FILE_ACTIONS
from .books import ACTIONS as BOOK_ACTIONS
from .books import ENDPOINTS as BOOKS
from .endpoint import Endpoint
from .explain import ACTIONS as EXPLAINS
from .explain import ENDPOINTS as EXPLAINED
from .history import ENDPOINTS as HISTORY
from .market import ENDPOINTS as MARKET
from .metrics import ENDPOINTS as METRICS
from .replay import ENDPOINTS as REPLAY
from .rules import ACTIONS as RULE_ACTIONS
from .rules import ENDPOINTS as RULES
from .system import ENDPOINTS as SYSTEM
from .watchlists import ACTIONS as WATCHLIST_ACTIONS
from .watchlists import ENDPOINTS as WATCHLISTS

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    *MARKET, *HISTORY, *METRICS, *ANALYTICS, *ALERTS, *EXPLAINED, *RULES, *REPLAY, *BOOKS, *WATCHLISTS, *SYSTEM,
)  # fmt: skip

ACTIONS: tuple[Action[Any], ...] = (*RULE_ACTIONS, *EXPLAINS, *BOOK_ACTIONS, *BOOK_FILE_ACTIONS, *WATCHLIST_ACTIONS)
