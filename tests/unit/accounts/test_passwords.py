"""Which passwords are taken, and what becomes of them."""

from __future__ import annotations

import asyncio
import time

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.accounts.commonest import is_common
from marketwatch.accounts.passwords import ROUNDS, Passwords, as_bytes, check_password
from marketwatch.errors import InvalidRequest, Unavailable


@pytest.mark.parametrize(
    "password", ["kettle-moss-41", "ünïcödé-pass", "a" * 60 + "bcd123", "😀😁😂🤣 trumpet", "12 monkeys on a bus"]
)
def test_password_that_is_long_and_rare_is_taken(password: str) -> None:
    check_password(password, "ada", "ada@example.org")


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short12", "has 7 bytes"),
        ("", "has 0 bytes"),
        ("x1y2" * 18 + "z", "has 73 bytes"),
        ("😀" * 18 + "ab", "has 74 bytes"),
        ("aaaaaaaaab", "too few characters"),
        ("password1!", "one of the commonest"),
        ("P4ssw0rd2024", "one of the commonest"),
        ("12345678901", "one of the commonest"),
        ("qwertyuiop", "one of the commonest"),
        ("monkeymonkey", "one of the commonest"),
        ("Bitcoin2026!", "one of the commonest"),
        ("ada-lovelace", "holds your name"),
        ("kettle\0moss-41", "zero character"),
    ],
)
def test_password_that_is_bad_is_refused_with_its_reason(password: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        check_password(password, "Ada", None)


def test_password_limits_count_bytes_at_their_edges() -> None:
    check_password("abcd1xyz")
    check_password("ä" * 2 + "x1y2" * 17)
    with pytest.raises(InvalidRequest):
        check_password("ä" * 2 + "x1y2" * 17 + "z")


@given(st.text(max_size=80))
def test_common_list_never_fails(text: str) -> None:
    assert is_common(text.casefold()) in (True, False)


@pytest.mark.parametrize(
    "word", ["87654321", "0987654321", "abcdefgh", "ABCDEFGH1", "12121212", "zyxwvuts", "letmein123", "123qwerty"]
)
def test_common_password_and_its_variants_are_known(word: str) -> None:
    assert is_common(word.casefold())


async def test_hash_matches_its_password_alone_in_either_way_of_writing_it() -> None:
    passwords = Passwords(rounds=4)
    hashed = await passwords.hash("caf\u00e9-creme-9")
    assert await passwords.matches("cafe\u0301-creme-9", hashed)
    assert not await passwords.matches("cafe-creme-9", hashed)
    assert not await passwords.matches("caf\u00e9-creme-9", None)
    assert not await passwords.matches("x" * 100, hashed)
    assert not await passwords.matches("-", None)
    assert not await passwords.matches("a\ud800bcdefgh", hashed)
    passwords.close()


async def test_hash_uses_twelve_rounds_outside_of_tests() -> None:
    assert ROUNDS == 12
    passwords = Passwords()
    hashed = await passwords.hash("kettle-moss-41")
    assert hashed.startswith("$2b$12$")
    assert bcrypt.checkpw(as_bytes("kettle-moss-41"), hashed.encode())
    passwords.close()


async def test_unknown_account_takes_the_time_of_a_known_one() -> None:
    """Compared in CPU time of the same machine at the same moment: a missing hash costs a whole bcrypt as well."""
    passwords = Passwords(rounds=8)
    hashed = await passwords.hash("kettle-moss-41")
    spent: dict[bool, float] = {True: 0.0, False: 0.0}
    for _ in range(5):
        for known in (True, False):
            began = time.process_time()
            await passwords.matches("wrong-wrong-41", hashed if known else None)
            spent[known] += time.process_time() - began
    passwords.close()
    assert 0.5 < spent[True] / spent[False] < 2.0


async def test_loop_goes_on_while_passwords_are_hashed_and_the_queue_has_an_end() -> None:
    passwords = Passwords(rounds=10)
    work = [asyncio.create_task(passwords.hash("kettle-moss-41")) for _ in range(40)]
    await asyncio.sleep(0)
    turns = 0
    while not any(task.done() and task.exception() is None for task in work):
        turns += 1
        await asyncio.sleep(0.001)
    done = await asyncio.gather(*work, return_exceptions=True)
    passwords.close()
    assert turns > 3
    assert sum(isinstance(one, Unavailable) for one in done) == 8
    assert sum(isinstance(one, str) for one in done) == 32
