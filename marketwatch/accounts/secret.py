"""Secrets and ids, and what is kept of a secret."""

from __future__ import annotations

import hashlib
import secrets


def new_secret(prefix: str = "") -> str:
    """A text that nobody guesses: 256 random bits after `prefix`."""
    return prefix + secrets.token_urlsafe(32)


def new_id(prefix: str) -> str:
    """An id that may be shown: 80 random bits."""
    return f"{prefix}_{secrets.token_hex(10)}"


def hash_secret(secret: str) -> str:
    """What is kept of a secret that was made by `new_secret`: no salt is needed for what cannot be guessed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
