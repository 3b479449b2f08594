"""Failures of asyncpg as ours."""

from __future__ import annotations

import asyncpg

from ..errors import StoreError, StoreUnavailable

_PASSING_CLASSES = ("08", "53", "57", "40", "58", "XX")
_PASSING_CODES = ("25006", "55P03", "3D000", "42P01")

FOREIGN = (
    asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError, ValueError, TypeError,
    OverflowError,
)  # fmt: skip
"""What asyncpg raises: connection errors are OSError, or InternalClientError when the line breaks between two statements of a
transaction; values that do not fit are ValueError or TypeError."""


def translate(error: BaseException, where: str) -> StoreError:
    """`where` is the database without its password."""
    text = str(error) or type(error).__name__
    if isinstance(error, asyncpg.PostgresError):
        code = getattr(error, "sqlstate", None) or ""
        if code.startswith(_PASSING_CLASSES) or code in _PASSING_CODES:
            return StoreUnavailable(f"The database {where} cannot be used now: {text}.")
        return StoreError(f"The database {where} refused: {text}.")
    if isinstance(error, ValueError | TypeError | OverflowError):
        return StoreError(f"The database {where} cannot hold a value: {text}.")
    if isinstance(error, TimeoutError):
        return StoreUnavailable(f"The database {where} does not answer in time.")
    return StoreUnavailable(f"The database {where} cannot be reached: {text}.")
