"""Addresses that a form sends along to be led back to: only paths of this server are believed."""

from __future__ import annotations


def own_path(text: object, otherwise: str = "/") -> str:
    """`text` where it is a path of this server, else `otherwise`."""
    safe = isinstance(text, str) and text.startswith("/") and text[1:2] not in ("/", "\\") and text.isprintable()
    return str(text)[:2000] if safe and str(text).isascii() else otherwise
