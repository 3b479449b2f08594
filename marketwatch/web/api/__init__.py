"""The JSON API: every endpoint in one tuple, every action in another."""

from __future__ import annotations

from typing import Any

from .action import Action
from .alerts import ENDPOINTS as ALERTS
from .analytics import ENDPOINTS as ANALYTICS
from .book_files import ACTIONS as BOOK_FILE_ACTIONS
from .book_past import ENDPOINTS as BOOK_PAST
from .books import ACTIONS as BOOK_ACTIONS
from .books import ENDPOINTS as BOOKS
from .credentials import ACTIONS as CREDENTIAL_ACTIONS
from .credentials import ENDPOINTS as CREDENTIALS
from .deliveries import ACTIONS as DELIVERY_ACTIONS
from .deliveries import ENDPOINTS as DELIVERIES
from .endpoint import Endpoint
from .explain import ACTIONS as EXPLAINS
from .explain import ENDPOINTS as EXPLAINED
from .history import ENDPOINTS as HISTORY
from .leaving import ACTIONS as LEAVING
from .market import ENDPOINTS as MARKET
from .metrics import ENDPOINTS as METRICS
from .passwords import ACTIONS as PASSWORDS
from .people import ACTIONS as PEOPLE_ACTIONS
from .people import ENDPOINTS as PEOPLE
from .replay import ENDPOINTS as REPLAY
from .rule_author import ACTIONS as RULE_AUTHOR_ACTIONS
from .rules import ACTIONS as RULE_ACTIONS
from .rules import ENDPOINTS as RULES
from .screener import ACTIONS as SCREEN_ACTIONS
from .screener import ENDPOINTS as SCREENS
from .seen import ACTIONS as SEEN_ACTIONS
from .settings import ENDPOINTS as SETTINGS
from .silences import ACTIONS as SILENCE_ACTIONS
from .silences import ENDPOINTS as SILENCES
from .system import ENDPOINTS as SYSTEM
from .users import ACTIONS as USER_ACTIONS
from .users import ENDPOINTS as USERS
from .watchlists import ACTIONS as WATCHLIST_ACTIONS
from .watchlists import ENDPOINTS as WATCHLISTS

_ALERTS: tuple[Endpoint[Any], ...] = (*ALERTS, *EXPLAINED, *RULES, *SILENCES, *DELIVERIES)
_PEOPLE: tuple[Endpoint[Any], ...] = (*BOOKS, *BOOK_PAST, *WATCHLISTS, *SCREENS, *USERS, *CREDENTIALS, *PEOPLE)
ENDPOINTS: tuple[Endpoint[Any], ...] = (
    *MARKET,
    *HISTORY,
    *METRICS,
    *ANALYTICS,
    *_ALERTS,
    *REPLAY,
    *SYSTEM,
    *SETTINGS,
    *_PEOPLE,
)

_ALERT_ACTIONS: tuple[Action[Any], ...] = (
    *RULE_ACTIONS, *RULE_AUTHOR_ACTIONS, *EXPLAINS, *SEEN_ACTIONS, *SILENCE_ACTIONS, *DELIVERY_ACTIONS,
)  # fmt: skip
_BOOK_ACTIONS: tuple[Action[Any], ...] = (*BOOK_ACTIONS, *BOOK_FILE_ACTIONS, *WATCHLIST_ACTIONS, *SCREEN_ACTIONS)
_ACCOUNT_ACTIONS: tuple[Action[Any], ...] = (*USER_ACTIONS, *LEAVING, *PASSWORDS, *CREDENTIAL_ACTIONS, *PEOPLE_ACTIONS)
ACTIONS: tuple[Action[Any], ...] = (*_ALERT_ACTIONS, *_BOOK_ACTIONS, *_ACCOUNT_ACTIONS)
