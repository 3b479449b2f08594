"""The second factor: a code of six digits that changes every thirty seconds (RFC 6238), and recovery codes for when the
device is lost."""

from __future__ import annotations

import hmac
import secrets

import pyotp

STEP_S = 30
RECOVERY_CODES = 10
_DRIFT = 1
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def new_totp_secret() -> str:
    """160 random bits in base 32."""
    return pyotp.random_base32()


def provisioning_uri(secret: str, name: str) -> str:
    """What an authenticator reads from the QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="marketwatch")


def matching_step(secret: str, code: str, now_ms: int) -> int | None:
    """The time step whose code this is: now, or one step away on either side for clocks that differ. None for a wrong code."""
    given = code.replace(" ", "")
    if len(given) != 6 or not (given.isascii() and given.isdigit()):
        return None
    totp = pyotp.TOTP(secret)
    now = now_ms // 1000 // STEP_S
    steps = [step for step in range(now - _DRIFT, now + _DRIFT + 1) if step >= 0]
    found = [step for step in steps if hmac.compare_digest(totp.generate_otp(step), given)]
    return found[-1] if found else None


def new_recovery_codes() -> list[str]:
    """Ten codes such as `k3m9-xw2p-hq7d-vn4c`, each good once."""
    return ["-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4)) for _ in range(RECOVERY_CODES)]


def recovery_text(code: str) -> str:
    """A recovery code as it was made, whatever case and signs it was typed with; "" where it cannot be one."""
    letters = "".join(letter for letter in code.lower() if letter in _LETTERS)
    return "-".join(letters[at : at + 4] for at in range(0, 16, 4)) if len(letters) == 16 else ""
