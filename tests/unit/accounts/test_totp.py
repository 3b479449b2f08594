"""The second factor: codes by the standard's own examples, and clocks that differ."""

from __future__ import annotations

import base64

import pytest

from marketwatch.accounts.totp import (
    matching_step,
    new_recovery_codes,
    new_totp_secret,
    provisioning_uri,
    recovery_text,
)

SECRET = base64.b32encode(b"12345678901234567890").decode()
"""The secret of RFC 6238, appendix B."""


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_code_of_the_standard_matches_at_its_time(seconds: int, code: str) -> None:
    assert matching_step(SECRET, code, seconds * 1000) == seconds // 30


@pytest.mark.parametrize(("away_s", "taken"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_code_drifts_by_one_step_at_most(away_s: int, taken: bool) -> None:
    """The device's clock is behind, right, or before ours."""
    step = matching_step(SECRET, "005924", (1_234_567_890 - away_s) * 1000)
    assert (step is not None) is taken
    assert step in (None, 1_234_567_890 // 30)


@pytest.mark.parametrize("code", ["", "00592", "0059245", "abcdef", "٠٠٥٩٢٤", "-05924", "0059.4"])
def test_text_that_is_no_code_is_wrong(code: str) -> None:
    assert matching_step(SECRET, code, 1_234_567_890_000) is None


def test_code_may_be_typed_with_a_space() -> None:
    assert matching_step(SECRET, "005 924", 1_234_567_890_000) is not None


def test_secrets_and_codes_differ_each_time_and_codes_are_read_as_typed() -> None:
    assert new_totp_secret() != new_totp_secret()
    assert len(base64.b32decode(new_totp_secret())) == 20
    codes = new_recovery_codes()
    assert len(set(codes)) == 10
    assert [recovery_text(code.upper().replace("-", " ")) for code in codes] == codes
    assert recovery_text("short") == ""


def test_uri_names_program_and_account() -> None:
    assert provisioning_uri(SECRET, "ada") == f"otpauth://totp/marketwatch:ada?secret={SECRET}&issuer=marketwatch"
