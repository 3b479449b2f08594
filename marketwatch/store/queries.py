"""The named queries of `queries.sql`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_PARAMETER = re.compile(r"\$(\d+)")


@cache
def queries() -> dict[str, str]:
    """Every query by name, as written, with `$1` parameters."""
    parts = _NAME.split(Path(__file__).with_name("queries.sql").read_text("utf-8"))
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


@cache
def sqlite_queries() -> dict[str, str]:
    """The same with `?1`: SQLite numbers `$2, $1` by their first appearance and would silently swap them."""
    return {name: _PARAMETER.sub(r"?\1", text) for name, text in queries().items()}
