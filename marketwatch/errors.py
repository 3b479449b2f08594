"""The error tree.

::

    MarketwatchError
    ├── ConfigError            a setting is unknown or impossible; the start stops (exit code 2)
    ├── FeedError              a venue said no, or said something that cannot be used
    │   ├── EndpointForbidden  permanent for this endpoint (HTTP 451, 403): move on to the next one
    │   ├── RateLimited        wait `retry_after_s` before any further request (HTTP 429, 418)
    │   └── MalformedMessage   one message could not be read; skipped and counted
    ├── StoreError             the database refused or failed
    │   ├── StoreUnavailable   try again later; nothing is lost meanwhile
    │   │   └── StoreReadOnly  another process writes this database; this one only reads it
    │   ├── StoreDamaged       the SQLite file is not a sound database
    │   └── MigrationError     the schema is newer than the code, or an applied file was changed
    └── RequestError           what a client asked for cannot be answered; `code` names the kind
        ├── InvalidRequest, Unauthorized, Forbidden, NotFound, Conflict, TooMany, Unavailable ...

Beside their subject stand RuleError (a rule's text, `rules`), RulesFileError (the rules file, `alerts`) and DeliveryFailed (one
attempt to tell the outside, `notify`).

Messages are full sentences that name the bad value, its place and the remedy. Foreign errors stop at the adapter that
met them and go on as one of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class MarketwatchError(Exception):
    """Root of everything this program raises on purpose."""


class ConfigError(MarketwatchError):
    """A setting is unknown or has an impossible value."""


class FeedError(MarketwatchError):
    """A venue refused, or answered something unusable."""


class EndpointForbidden(FeedError):
    """This endpoint will never serve us from here (HTTP 451 or 403)."""


class RateLimited(FeedError):
    """The venue asked for a pause before the next request."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class MalformedMessage(FeedError):
    """One message of a venue cannot be read."""


class StoreError(MarketwatchError):
    """The database failed."""


class StoreUnavailable(StoreError):
    """The database does not answer now; the write may be tried again."""


class StoreReadOnly(StoreUnavailable):
    """Another process writes this database now; this one may read it."""


class StoreDamaged(StoreError):
    """The database file is not a sound database."""


class MigrationError(StoreError):
    """The schema and the code do not fit together."""


class RequestError(MarketwatchError):
    """A request cannot be answered as asked; mapped to the error envelope by one middleware."""

    code = "INVALID_REQUEST"
    status = 400

    def __init__(self, message: str, details: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.details = list(details)


class InvalidRequest(RequestError):
    """A parameter or body is wrong."""


class Unauthorized(RequestError):
    """Whoever asks has not said who they are."""

    code = "UNAUTHORIZED"
    status = 401


class Forbidden(RequestError):
    """Whoever asks may not do this, or asks from a place that may not."""

    code = "FORBIDDEN"
    status = 403


class NotFound(RequestError):
    """The thing asked for does not exist here."""

    code = "RESOURCE_NOT_FOUND"
    status = 404


class Conflict(RequestError):
    """The request contradicts the present state."""

    code = "CONFLICT"
    status = 409


class TooMany(RequestError):
    """Too often; `retry_after_s` says when to come again."""

    code = "RATE_LIMITED"
    status = 429

    def __init__(self, message: str, retry_after_s: int, details: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message, details)
        self.retry_after_s = retry_after_s


class Unavailable(RequestError):
    """The part that would answer is not up now."""

    code = "UNAVAILABLE"
    status = 503
