"""What a laptop may lack and a build machine may not."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def on_ci() -> bool:
    """True where `CI` is set: there, nothing that a test needs may be missing."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def missing(reason: str) -> NoReturn:
    """Skip the running test with a reason; fail it where `CI` is set."""
    if on_ci():
        pytest.fail(f"{reason} (with CI set this is a failure)", pytrace=False)
    pytest.skip(reason)
