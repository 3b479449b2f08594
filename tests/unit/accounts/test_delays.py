"""Growing delays after wrong passwords."""

from __future__ import annotations

from marketwatch.accounts.delays import FORGET_S, Delays
from marketwatch.clock import ManualClock
from marketwatch.errors import TooMany


def waits(delays: Delays, account: str, address: str) -> int:
    """Seconds that the next try must wait."""
    try:
        delays.check(account, address)
    except TooMany as refused:
        return refused.retry_after_s
    return 0


async def test_delay_doubles_after_three_tries_up_to_a_minute() -> None:
    clock = ManualClock()
    delays = Delays(clock)
    seen = []
    for number in range(12):
        delays.failed("ada", f"192.0.2.{number}")
        seen.append(waits(delays, "ada", "203.0.113.5"))
    assert seen == [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    await clock.advance(59.0)
    assert waits(delays, "ada", "203.0.113.5") == 1
    await clock.advance(1.0)
    assert waits(delays, "ada", "203.0.113.5") == 0
    assert waits(delays, "bob", "203.0.113.5") == 0


async def test_delay_of_an_address_counts_over_accounts() -> None:
    delays = Delays(ManualClock())
    for number in range(16):
        delays.failed(f"name{number}", "192.0.2.1")
    assert waits(delays, "fresh", "192.0.2.1") == 32
    assert waits(delays, "fresh", "192.0.2.2") == 0


async def test_delay_ends_after_a_quiet_quarter_of_an_hour() -> None:
    clock = ManualClock()
    delays = Delays(clock)
    for _ in range(20):
        delays.failed("ada", "192.0.2.1")
    await clock.advance(FORGET_S)
    delays.failed("ada", "192.0.2.1")
    assert waits(delays, "ada", "192.0.2.1") == 0


async def test_account_cannot_be_kept_shut_from_afar() -> None:
    delays = Delays(ManualClock())
    delays.succeeded("ada", "192.0.2.1")
    for number in range(50):
        delays.failed("ada", f"198.51.100.{number}")
    assert waits(delays, "ada", "198.51.100.77") == 60
    assert waits(delays, "ada", "192.0.2.1") == 0
    for _ in range(5):
        delays.failed("ada", "192.0.2.1")
    assert waits(delays, "ada", "192.0.2.1") == 2


async def test_table_of_failures_has_an_end() -> None:
    delays = Delays(ManualClock())
    for number in range(20_100):
        delays.failed(f"name{number}", f"address{number}")
    assert len(delays._accounts._rows) == 20_000
