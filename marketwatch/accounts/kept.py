"""A secret that is made once and kept in a file which only the user may read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def kept_secret(path: Path) -> str:
    """The secret in the file, which is made when there is none. Raises OSError."""
    found = _read(path)
    if found:
        return found
    path.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_urlsafe(32)
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(token + "\n")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return token


def _read(path: Path) -> str:
    """What the file holds; "" where it is missing or holds no secret. One that others may read is closed to them."""
    try:
        mode = path.stat().st_mode
        if mode & 0o077:
            path.chmod(0o600)
        found = path.read_text("ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
    return found if len(found) >= 32 and found.isprintable() else ""
