"""Forms that people send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

_LONGEST = 2_000


async def read_form(request: web.Request) -> Mapping[str, Any]:
    """The fields of a form."""
    return await request.post()


def field(form: Mapping[str, Any], name: str) -> str:
    """A field as text; "" where it is missing or a file."""
    value = form.get(name, "")
    return value[:_LONGEST] if isinstance(value, str) else ""
