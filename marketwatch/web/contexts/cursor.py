"""The time cursor: the bar that says which moment a page shows, and the ways from there to others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import quote, urlencode

from ...config import Settings
from ...model.market import Source
from ...ports import SampleMarks
from ...replay.cursor import Moment
from ...replay.past import Reach
from .. import format as fmt
from .frame import Frame

_STEPS = (("hour", 3_600_000, "1 h"), ("minute", 60_000, "1 min"), ("step", 0, "1 step"))
_MOST_GIVEN = 200
_SENTENCES = {
    Source.DEMO: "The demo market as it was: invented prices.",
    Source.RECORDED: "A recording as it was at an earlier moment.",
}
_SENTENCE = "The market as it was at an earlier moment."


class StepLink(NamedTuple):
    """A button that moves the cursor; `href` is empty where nothing is stored any more."""

    key: str
    label: str
    title: str
    href: str


class Way(NamedTuple):
    """A way out of a page that cannot be shown."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class CursorView:
    """`given`: the other parameters of the address, for forms. On a page of now there is only what leads into the past."""

    path: str
    given: tuple[tuple[str, str], ...]
    back: str
    field: str
    at: str = ""
    address: str = ""
    text: str = ""
    at_ms: int = 0
    oldest_ms: int = 0
    newest_ms: int = 0
    first: str = ""
    last: str = ""
    step_ms: int = 500
    steps: tuple[StepLink, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoMomentPage:
    """A moment that cannot be shown: what is wrong, and ways out of it."""

    title: str
    sentence: str
    ways: tuple[Way, ...]


def iso_at(time_ms: int) -> str:
    """`2026-11-20T08:31:00Z`; with milliseconds where there are some."""
    text = fmt.iso(time_ms)
    return text.replace(".000Z", "Z")


def address_at(path: str, given: Mapping[str, str], time_ms: int) -> str:
    """The address of a page as of a moment."""
    return f"{path}?{urlencode({**given, 'at': iso_at(time_ms)}, safe=':')}"


def stay(href: str, at: str) -> str:
    """An address of this program as of `at`; as it is where that is empty, or where the page knows no moments."""
    path = href.partition("?")[0]
    if not at or not (path in ("/", "/alerts", "/search") or path.startswith("/symbols/")):
        return href
    return f"{href}{'&' if '?' in href else '?'}at={quote(at, safe=':')}"


def market_then(time_ms: int) -> str:
    """The overview as of a moment."""
    return address_at("/", {}, time_ms)


def page_of_now(path: str, given: Mapping[str, str], now_ms: int) -> CursorView:
    """The way into the past from a page of now. The minute of now is what a person begins to type from."""
    kept = {name[:_MOST_GIVEN]: value[:_MOST_GIVEN] for name, value in given.items()}
    back = f"{path}?{urlencode(kept)}" if kept else path
    return CursorView(path, tuple(kept.items()), back, field=moment_words(now_ms - now_ms % 60_000))


def page_of_then(path: str, given: Mapping[str, str], at_ms: int, marks: SampleMarks, step_ms: int, now_ms: int) -> CursorView:
    """The bar over a page as of `at_ms`, for the time from the first stored sample (`marks`) to `now_ms` of the market."""
    now = page_of_now(path, given, now_ms)
    kept = dict(now.given)
    oldest = at_ms if marks.oldest_ms is None else marks.oldest_ms + step_ms
    newest = max(now_ms - (now_ms - oldest) % step_ms, oldest)
    return replace(
        now,
        at=iso_at(at_ms),
        address=address_at(path, kept, at_ms),
        text=moment_words(at_ms),
        field=moment_words(at_ms),
        at_ms=at_ms,
        oldest_ms=oldest,
        newest_ms=newest,
        first=moment_words(oldest)[:16],
        last=moment_words(newest)[:16],
        step_ms=step_ms,
        steps=tuple(_steps(path, kept, at_ms, oldest, newest, step_ms)),
    )


def moment_words(time_ms: int) -> str:
    """`2026-11-20 08:31:00`, with the part of a second where there is one."""
    rest = time_ms % 1000
    return fmt.date_time(time_ms) + (f".{rest:03d}".rstrip("0") if rest else "")


def _steps(path: str, given: Mapping[str, str], at_ms: int, oldest: int, newest: int, step_ms: int) -> list[StepLink]:
    links = []
    ways = [(-1, one) for one in _STEPS] + [(1, one) for one in reversed(_STEPS)]
    for sign, (key, length, label) in ways:
        to_ms = at_ms + sign * (length or step_ms)
        href = address_at(path, given, to_ms) if oldest <= to_ms <= newest else ""
        text = label if length else f"{label} ({fmt.window_label(step_ms)})"
        links.append(
            StepLink(
                f"{key}-{'back' if sign < 0 else 'on'}",
                f"{'+' if sign > 0 else fmt.MINUS}{label}",
                f"{text} {'later' if sign > 0 else 'earlier'}",
                href,
            )
        )
    return links


def notes_of(moment: Moment, settings: Settings) -> tuple[str, ...]:
    """What is not as the page of then was, in sentences."""
    reach = moment.reach
    found = [
        f"Every number comes from stored samples: those since {fmt.clock_time(reach.from_ms)} step by step, the time before "
        "from stored candles. What came late is in its place.",
        *_short(reach),
        "Exponential averages begin with what was read. The figures of 24 h are counted from stored candles, not the venue's.",
        "Of trades only whales and those around alerts are stored; alerts that were only pending, quiet symbols and the state "
        "of the feed are not. Gaps stand as they are known today, rules as the newest alert or today knows them.",
    ]
    if settings.whale_quantile:
        found.append("What counted as a whale followed the market; the size shown is the fixed one of the settings.")
    return tuple(found)


def _short(reach: Reach) -> list[str]:
    """What many symbols cost."""
    found = []
    if not reach.whole:
        found.append("So many symbols are watched that not every window could be read whole: those say warm-up.")
    if reach.minutes < 1440:
        found.append(f"Of candles the last {fmt.long_duration(reach.minutes * 60_000)} were read: longer windows say warm-up.")
    return found


def frame_then(frame: Frame, view: CursorView, origin: Source) -> Frame:
    """The frame of a page that does not show the market of now."""
    sentence = _SENTENCES.get(origin, _SENTENCE)
    return replace(frame, source="replay", source_word="Replay", source_sentence=sentence, cursor=view)
