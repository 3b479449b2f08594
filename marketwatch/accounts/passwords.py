"""Passwords: which are taken, and their slow hashes, made in threads so that the loop goes on."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt

from ..errors import InvalidRequest, Unavailable
from .commonest import is_common

T = TypeVar("T")
SHORTEST, LONGEST = 8, 72
ROUNDS = 12
_THREADS = 2
_MOST_WAITING = 32


def as_bytes(password: str) -> bytes:
    """What is hashed. Composed and decomposed letters are the same; a text that is no Unicode is taken as it is."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def check_password(password: str, *names: str | None) -> None:
    """Raises InvalidRequest with the reason why `password` is not taken. `names`: of whom it is."""
    size = len(as_bytes(password))
    if not SHORTEST <= size <= LONGEST:
        raise _refused(f"The password has {size} bytes; it must have {SHORTEST} to {LONGEST}.")
    if "\0" in password:
        raise _refused("The password holds a zero character; leave it out.")
    folded = password.casefold()
    if len(set(folded)) < 4:
        raise _refused("The password repeats too few characters; take a longer phrase.")
    if is_common(folded):
        raise _refused("This password is one of the commonest, which are tried first; take another.")
    parts = [name.casefold().partition("@")[0] for name in names if name]
    if any(len(part) >= 3 and part in folded for part in parts):
        raise _refused("The password holds your name; take another.")


def _refused(sentence: str) -> InvalidRequest:
    return InvalidRequest(sentence, [{"field": "password"}])


class Passwords:
    """Hashes and compares with bcrypt, at most two at once. Raises Unavailable when too many wait already."""

    def __init__(self, *, rounds: int = ROUNDS) -> None:
        self._rounds = rounds
        self._nobody = f"$2b${rounds:02d}${'.' * 53}".encode()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="bcrypt")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The hash to keep of a password that `check_password` has let pass."""
        raw = as_bytes(password)
        return (await self._run(lambda: bcrypt.hashpw(raw, bcrypt.gensalt(self._rounds)))).decode("ascii")

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Whether `hashed` was made of it. Takes as long where there is no hash, or no password could be so long."""
        raw = as_bytes(password)
        whole = hashed is not None and len(raw) <= LONGEST and b"\0" not in raw
        against = hashed.encode() if whole and hashed is not None else self._nobody
        candidate = raw if whole else b"-"
        same = await self._run(lambda: bcrypt.checkpw(candidate, against))
        return whole and same

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MOST_WAITING:
            raise Unavailable("Too many people sign in at this moment; try again in a few seconds.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the threads; what is being hashed is finished."""
        self._threads.shutdown(wait=True)
