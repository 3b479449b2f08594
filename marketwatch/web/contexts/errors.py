"""The error pages and the page that waits for a market."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What happened (`title`, `sentence`); the template adds what to do now."""

    status: int
    title: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ConnectingPage:
    """No market is open yet; `reason` says what the program is waiting for."""

    reason: str
