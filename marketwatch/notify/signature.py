"""The signature of a webhook: HMAC-SHA256 over the time and the body, so that nobody can forge or replay a notice."""

from __future__ import annotations

import hashlib
import hmac

HEADER = "X-Marketwatch-Signature"


def sign(secret: str, body: bytes, time_s: int) -> str:
    """`t=<seconds since the epoch>,v1=<hex>`; what is signed is the decimal time, a dot, and the body as sent."""
    digest = hmac.new(secret.encode(), b"%d." % time_s + body, hashlib.sha256).hexdigest()
    return f"t={time_s},v1={digest}"


def verify(secret: str, body: bytes, header: str, *, now_s: int, tolerance_s: int = 300) -> bool:
    """Whether `header` was made from `body` with `secret` within the last `tolerance_s`. Never raises."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    stamp = parts.get("t", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16) or abs(now_s - int(stamp)) > tolerance_s:
        return False
    return hmac.compare_digest(sign(secret, body, int(stamp)).encode(), f"t={stamp},v1={parts.get('v1', '')}".encode())
