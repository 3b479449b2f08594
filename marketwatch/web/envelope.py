"""The one shape of every JSON answer, and how times are written in it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

STATUS_CODES = {
    400: "INVALID_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "RESOURCE_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
    503: "UNAVAILABLE",
}


class Meta(msgspec.Struct, frozen=True):
    """`timestamp`: when the answer was made. `source`: live, demo, recorded or replay; null while no market is open."""

    timestamp: str
    source: str | None


class Success(msgspec.Struct, Generic[T], frozen=True):
    """A good answer."""

    success: bool
    data: T
    meta: Meta


class Problem(msgspec.Struct, frozen=True):
    """What went wrong: a code for programs, a sentence for people, and what it was about."""

    code: str
    message: str
    details: list[dict[str, Any]] = []


class Failure(msgspec.Struct, frozen=True):
    """A bad answer."""

    success: bool
    error: Problem


_encoder = msgspec.json.Encoder()


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def iso(time_ms: int) -> str:
    """`2026-11-20T08:31:00.123Z`."""
    return f"{_second(time_ms // 1000)}.{time_ms % 1000:03d}Z"


@lru_cache(maxsize=16)
def _http_second(seconds: int) -> str:
    t = time.gmtime(seconds)
    clock = f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
    return f"{_DAYS[t.tm_wday]}, {t.tm_mday:02d} {_MONTHS[t.tm_mon - 1]} {t.tm_year} {clock} GMT"


def http_date(time_ms: int) -> str:
    """`Fri, 20 Nov 2026 08:31:00 GMT`, for a header."""
    return _http_second(time_ms // 1000)


def success(data: Any, *, now_ms: int, source: str | None) -> bytes:
    """The envelope of a good answer; NaN and infinite numbers become null."""
    return _encoder.encode(Success(True, data, Meta(iso(now_ms), source)))


def failure(code: str, message: str, details: Sequence[dict[str, Any]] = ()) -> bytes:
    """The envelope of a bad answer."""
    return _encoder.encode(Failure(False, Problem(code, message, list(details))))
