"""When a rule is looked at: `Mon-Fri 08:00-18:00 Europe/Berlin; Sat 10:00-14:00`, read once, asked by event time.

A schedule is open while the clock on the wall of its zone shows a time inside one of its parts, so summer time needs no rule of
its own: an hour that is left out is not there, one that comes twice counts twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from ..errors import MarketwatchError

MOST_TEXT = 300
_MOST_PARTS = 50
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MIN = 1440
_DAY_MS = 86_400_000
_HORIZON_DAYS = 8
_LAST_MS = 253_370_000_000_000
_LOCAL_NAMES = frozenset({"localtime", "posixrules", "factory"})
_WORD = re.compile(r"[^\s;]+|;")
_TIMES = re.compile(r"(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+\-]{0,31}(/[A-Za-z0-9_+\-]{1,31}){0,2}")
_EXAMPLE = "Mon-Fri 08:00-18:00 Europe/Berlin"


class ScheduleError(MarketwatchError):
    """A schedule that cannot be read. `column` counts from 1."""

    def __init__(self, column: int, message: str, hint: str) -> None:
        super().__init__(f"Column {column}: {message} {hint}")
        self.column = column
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Part:
    """Weekdays (0 is Monday) with minutes `[first, end)` of the wall clock in `zone`; `end` <= `first` ends on the next day."""

    days: frozenset[int]
    first: int
    end: int
    zone: tzinfo

    def shows(self, local: datetime) -> bool:
        """Whether a clock that shows `local` is inside."""
        day, minute = local.weekday(), local.hour * 60 + local.minute
        if self.first < self.end:
            return day in self.days and self.first <= minute < self.end
        return (day in self.days and minute >= self.first) or ((day - 1) % 7 in self.days and minute < self.end)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Parts of which one is enough."""

    text: str
    parts: tuple[Part, ...]

    def is_open(self, time_ms: int) -> bool:
        """Whether rules are looked at then."""
        moment = _moment(time_ms)
        return any(part.shows(moment.astimezone(part.zone)) for part in self.parts)

    def stays_until(self, time_ms: int) -> int:
        """The moment, later than `time_ms`, up to which it stays as it is; one to ask again where that is long."""
        now = self.is_open(time_ms)
        for edge in sorted(self._edges(time_ms)):
            if edge > time_ms and self.is_open(edge) != now:
                return edge
        return min(max(time_ms, 0), _LAST_MS) + (_HORIZON_DAYS - 2) * _DAY_MS if time_ms < _LAST_MS else 2**62

    def opens_at(self, time_ms: int) -> int | None:
        """The next opening after `time_ms`, None where there is none within a year."""
        at, was_open = time_ms, self.is_open(time_ms)
        while at < min(time_ms + 366 * _DAY_MS, _LAST_MS):
            at = self.stays_until(at)
            is_open = self.is_open(at)
            if is_open and not was_open:
                return at
            was_open = is_open
        return None

    def shown(self, time_ms: int) -> str:
        """A moment on the wall clock of the first zone, with the zone's name."""
        zone = self.parts[0].zone
        return f"{_moment(time_ms).astimezone(zone):%a %Y-%m-%d %H:%M} {zone}"

    def closed(self, end_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Where it is closed, for rising times."""
        out = np.zeros(len(end_ms), np.bool_)
        at = 0
        while at < len(end_ms):
            time_ms = int(end_ms[at])
            until = int(np.searchsorted(end_ms, self.stays_until(time_ms)))
            out[at:until] = not self.is_open(time_ms)
            at = until
        return out

    def _edges(self, time_ms: int) -> Iterator[int]:
        """Every moment of the next days at which a wall clock may enter or leave a part."""
        for part in dict.fromkeys(self.parts):
            start = _moment(time_ms).astimezone(part.zone).date() - timedelta(days=1)
            for day in (start + timedelta(days=number) for number in range(_HORIZON_DAYS + 1)):
                for minute in {part.first, part.end % _DAY_MIN, 0}:
                    yield from _both(day, minute, part.zone)
                yield from _jumps(day, part.zone)


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(min(max(time_ms, 2 * _DAY_MS), _LAST_MS) / 1000, UTC)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _both(day: date, minute: int, zone: tzinfo) -> Iterator[int]:
    """The moments at which the wall clock shows a time: one, or two where it comes twice."""
    local = datetime.combine(day, time(minute // 60, minute % 60), zone)
    yield _ms(local)
    yield _ms(local.replace(fold=1))


def _jumps(day: date, zone: tzinfo) -> Iterator[int]:
    """The moment of a day at which its wall clock is put forward or back."""
    low, high = (_ms(datetime.combine(day + timedelta(days=n), time(), UTC)) for n in (0, 1))
    before = _offset(low, zone)
    if before == _offset(high, zone):
        return
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    yield high


def _offset(time_ms: int, zone: tzinfo) -> timedelta | None:
    return _moment(time_ms).astimezone(zone).utcoffset()


# Reading


@lru_cache(maxsize=1024)
def read_schedule(text: str) -> Schedule:
    """The schedule of a text. Raises ScheduleError and nothing else."""
    if len(text) > MOST_TEXT:
        raise ScheduleError(1, f"A schedule has at most {MOST_TEXT} characters, and this one has {len(text)}.", "Shorten it.")
    words = [(match.start() + 1, match.group()) for match in _WORD.finditer(text)]
    parts: list[Part] = []
    zone: tzinfo = UTC
    at = 0
    while at <= len(words):
        end = next((place for place in range(at, len(words)) if words[place][1] == ";"), len(words))
        if end > at:
            found, zone = _parts(words[at:end], zone)
            parts += found
        at = end + 1
    if not parts:
        raise ScheduleError(1, "The schedule is empty.", f"Write {_EXAMPLE}.")
    if len(parts) > _MOST_PARTS:
        raise ScheduleError(1, f"The schedule has {len(parts)} parts; {_MOST_PARTS} are the most.", "Shorten it.")
    return Schedule(text, tuple(parts))


def _parts(words: list[tuple[int, str]], zone: tzinfo) -> tuple[list[Part], tzinfo]:
    """What stands between two semicolons: days, times, zone, each of which may be left out."""
    days, spans = frozenset(range(7)), [(0, _DAY_MIN)]
    rest = list(words)
    if rest and not rest[0][1][0].isdigit() and "/" not in rest[0][1] and rest[0][1].upper() != "UTC":
        days = _days(*rest.pop(0))
    if rest and rest[0][1][0].isdigit():
        spans = [_span(column, text) for column, text in _split(*rest.pop(0))]
    if rest:
        zone = _zone(*rest.pop(0))
    if rest:
        column, text = rest[0]
        raise ScheduleError(column, f"{_cut(text)} is one word too many.", f"Write {_EXAMPLE}; parts are separated by ';'.")
    return [Part(days, first, end, zone) for first, end in spans], zone


def _split(column: int, text: str) -> Iterator[tuple[int, str]]:
    for item in text.split(","):
        yield column, item
        column += len(item) + 1


def _days(column: int, text: str) -> frozenset[int]:
    found: set[int] = set()
    for at, item in _split(column, text):
        first, dash, last = item.partition("-")
        start = _day(at, first)
        end = _day(at + len(first) + 1, last) if dash else start
        found |= {(start + step) % 7 for step in range((end - start) % 7 + 1)}
    return frozenset(found)


def _day(column: int, text: str) -> int:
    if text.lower() not in _DAYS:
        raise ScheduleError(column, f"{_cut(text)} is no day.", "Days are Mon, Tue, Wed, Thu, Fri, Sat and Sun, as in Mon-Fri.")
    return _DAYS.index(text.lower())


def _span(column: int, text: str) -> tuple[int, int]:
    match = _TIMES.fullmatch(text)
    if match is None:
        raise ScheduleError(column, f"{_cut(text)} is no span of a day.", "Write 08:00-18:00.")
    hours, minutes = [int(match[1]), int(match[3])], [int(match[2]), int(match[4])]
    first, end = (hour * 60 + minute for hour, minute in zip(hours, minutes, strict=True))
    if max(minutes) > 59 or first >= _DAY_MIN or end > _DAY_MIN:
        raise ScheduleError(column, f"{_cut(text)} is outside of the day.", "Write 00:00-24:00 for all of it.")
    if first == end:
        raise ScheduleError(column, f"{_cut(text)} is empty.", "Write 00:00-24:00 for the whole day.")
    return first, end


def _zone(column: int, text: str) -> tzinfo:
    if text.upper() == "UTC":
        return UTC
    try:
        if _ZONE.fullmatch(text) and text.lower() not in _LOCAL_NAMES:
            return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise ScheduleError(column, f"{_cut(text)} is no time zone.", "Write UTC or a name such as Europe/Berlin.")


def _cut(text: str) -> str:
    return f"'{''.join(sign if sign.isprintable() else '?' for sign in text[:40])}'"
