"""The audit log: a chain in which every entry holds the digest of the one before, so that a change shows itself."""

from __future__ import annotations

import asyncio
import hashlib
from typing import NamedTuple

import orjson

from ..clock import Clock
from ..errors import StoreUnavailable
from ..model.accounts import AuditEntry
from .ports import AccountStore

BEGINNING = "0" * 64
_LONGEST = 200
_PAGE = 1_000
_TRIES = 50


class Verdict(NamedTuple):
    """What a check of the chain found. `problem` is "" where all is well; `head` is the digest of the newest sound entry."""

    entries: int
    head: str
    problem: str


def digest_of(entry: AuditEntry) -> str:
    """SHA-256 over all fields of an entry but its own digest."""
    return hashlib.sha256(orjson.dumps(list(entry[:-1]))).hexdigest()


def _plain(text: str) -> str:
    """Printable, and short enough for a table."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


class Audit:
    """Adds to the chain, one entry at a time."""

    def __init__(self, store: AccountStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._one = asyncio.Lock()
        self._last: AuditEntry | None = None

    async def note(self, actor: str, action: str, subject: str = "", *, result: str = "ok", address: str = "") -> AuditEntry:
        """Commit one entry. Raises StoreUnavailable, StoreError."""
        async with self._one:
            for _ in range(_TRIES):
                last = self._last or await self._store.last_audit()
                entry = self._after(last, actor, action, subject, result, address)
                if await self._store.append_audit(entry):
                    self._last = entry
                    return entry
                self._last = None
        raise StoreUnavailable("The audit log is written by somebody else at this moment; try again.")

    def _after(self, last: AuditEntry | None, actor: str, action: str, subject: str, result: str, address: str) -> AuditEntry:
        number, previous = (last.sequence + 1, last.digest) if last is not None else (1, BEGINNING)
        who, what, whom, how, where = (_plain(text) for text in (actor, action, subject, result, address))
        entry = AuditEntry(number, self._clock.now_ms(), who, what, whom, how, where, previous, "")
        return entry._replace(digest=digest_of(entry))


async def verify_chain(store: AccountStore, *, expect: tuple[int, str] | None = None) -> Verdict:
    """Walk the whole chain. `expect`: number and digest of an entry that was noted elsewhere, against a log whose end was cut
    off or that was written anew as a whole."""
    number, head = 0, BEGINNING
    while page := await store.audit_after(number, _PAGE):
        for entry in page:
            problem = _problem(entry, number, head)
            if problem:
                return Verdict(number, head, problem)
            number, head = entry.sequence, entry.digest
            if expect is not None and expect[0] == number and expect[1] != head:
                return Verdict(number, head, f"Entry {number} is not the one that was noted: the log was written anew.")
    if expect is not None and expect[0] > number:
        return Verdict(number, head, f"The log ends with entry {number}, but entry {expect[0]} was noted: its end is missing.")
    return Verdict(number, head, "")


def _problem(entry: AuditEntry, number: int, head: str) -> str:
    if entry.sequence != number + 1:
        return f"Entries {number + 1} to {entry.sequence - 1} are missing."
    if entry.previous != head:
        return f"Entry {entry.sequence} does not follow entry {number}: one of them was replaced."
    if entry.digest != digest_of(entry):
        return f"Entry {entry.sequence} was changed after it had been written."
    return ""
