"""The owner: token, tickets, cookies, and the file that keeps the token."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.accounts.owner import COOKIE_S, FILE, TICKET_S, Owner, open_owner
from marketwatch.clock import ManualClock
from marketwatch.config import Settings

CLOCK = ManualClock(1_700_000_000_000)


def an_owner(token: str = "a-token-of-sixteen", clock: ManualClock = CLOCK) -> Owner:
    return Owner(token=token, clock=clock)


def test_owner_token_only_the_same_text_is_known() -> None:
    owner = an_owner()
    assert owner.knows_token("a-token-of-sixteen")
    assert not owner.knows_token("a-token-of-sixteen ")
    assert not owner.knows_token("")


def test_owner_without_a_token_knows_nobody() -> None:
    owner = an_owner("")
    assert not owner.possible
    assert not owner.knows_token("")
    assert not owner.knows_cookie(owner.new_cookie())
    assert not owner.redeem(owner.new_ticket())


def test_owner_ticket_works_once() -> None:
    owner = an_owner()
    ticket = owner.new_ticket()
    assert owner.redeem(ticket)
    assert not owner.redeem(ticket)
    assert not owner.redeem("no such ticket")


def test_owner_ticket_older_than_a_day_is_void() -> None:
    clock = ManualClock(0)
    owner = an_owner(clock=clock)
    ticket = owner.new_ticket()
    clock.move_to((TICKET_S + 1) * 1000)
    assert not owner.redeem(ticket)


def test_owner_many_tickets_the_oldest_is_forgotten() -> None:
    owner = an_owner()
    tickets = [owner.new_ticket() for _ in range(17)]
    assert not owner.redeem(tickets[0])
    assert owner.redeem(tickets[-1])


def test_owner_cookie_outlives_a_restart_but_not_another_token() -> None:
    cookie = an_owner().new_cookie()
    assert an_owner().knows_cookie(cookie)
    assert not an_owner("another-token-here").knows_cookie(cookie)
    assert an_owner().cookie_name != an_owner("another-token-here").cookie_name


def test_owner_cookie_ends_after_thirty_days_and_is_not_of_the_future() -> None:
    start_ms = 1_000_000_000_000
    clock = ManualClock(start_ms)
    owner = an_owner(clock=clock)
    cookie = owner.new_cookie()
    clock.move_to(start_ms + COOKIE_S * 1000)
    assert owner.knows_cookie(cookie)
    clock.move_to(start_ms + COOKIE_S * 1000 + 1000)
    assert not owner.knows_cookie(cookie)
    assert not an_owner(clock=ManualClock(0)).knows_cookie(cookie)


@given(st.text(max_size=300), st.integers(0, 200))
def test_owner_any_other_cookie_is_refused(text: str, cut: int) -> None:
    owner = an_owner()
    good = owner.new_cookie()
    for changed in (text, good[:cut], good[:cut] + text, text + "." + good.rpartition(".")[2]):
        assert owner.knows_cookie(changed) == (changed == good)


def test_owner_file_is_made_once_and_for_the_user_alone(tmp_path: Path) -> None:
    settings = Settings.of(data_dir=tmp_path / "deep" / "data")
    first, second = open_owner(settings, CLOCK), open_owner(settings, CLOCK)
    path = settings.data_dir / FILE
    assert first.place == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert second.knows_token(path.read_text().strip())
    assert second.knows_cookie(first.new_cookie())
    assert [one.name for one in settings.data_dir.iterdir()] == [FILE]


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff\xfe" * 40])
def test_owner_file_that_holds_no_token_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    owner = open_owner(Settings.of(data_dir=tmp_path), CLOCK)
    assert owner.knows_token((tmp_path / FILE).read_text().strip())


def test_owner_file_that_others_could_read_is_closed(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_text("t" * 40)
    path.chmod(0o644)
    assert open_owner(Settings.of(data_dir=tmp_path), CLOCK).knows_token("t" * 40)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_owner_data_directory_that_cannot_be_written_still_has_an_owner(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    owner = open_owner(Settings.of(data_dir=tmp_path / "file" / "data"), CLOCK)
    assert owner.possible
    assert owner.place == ""


def test_owner_open_to_other_machines_needs_a_token_of_the_settings(tmp_path: Path) -> None:
    public = open_owner(Settings.of(data_dir=tmp_path, host="0.0.0.0"), CLOCK)
    assert not public.possible
    assert "MARKETWATCH_TOKEN" in public.why
    assert not (tmp_path / FILE).exists()
    named = open_owner(Settings.of(data_dir=tmp_path, host="0.0.0.0", token="a-token-of-sixteen"), CLOCK)
    assert named.knows_token("a-token-of-sixteen")
