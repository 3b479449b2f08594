"""Gaps in words."""

from __future__ import annotations

from dataclasses import dataclass

from ...model.market import Gap, GapState
from ...watch import Watch
from .. import format as fmt


@dataclass(frozen=True, slots=True)
class GapView:
    """One gap in words."""

    symbol: str
    when: str
    length: str
    reason: str
    state: str
    tone: str
    refilled: str
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class GapsView:
    """Gaps, newest first."""

    gaps: tuple[GapView, ...]


_REASONS = {
    "id_jump": "trade ids jumped",
    "disconnect": "connection lost",
    "silence": "feed was silent",
    "overflow": "too much at once",
    "restart": "program was not running",
}
_GAP_STATES = {
    GapState.OPEN: ("being refilled", "warn"),
    GapState.CLOSED: ("refilled", "up"),
    GapState.LOST: ("lost", "down"),
}


def gap_view(gap: Gap) -> GapView:
    """A gap in words. Its size in ids is known where the venue numbers its trades."""
    words, tone = _GAP_STATES[gap.state]
    ids = gap.to_id - gap.from_id + 1 if gap.from_id is not None and gap.to_id is not None else None
    return GapView(
        symbol=gap.symbol,
        when=fmt.date_time(gap.from_ms),
        length=fmt.duration(max(0, gap.to_ms - gap.from_ms)),
        reason=_REASONS.get(gap.reason.value, gap.reason.value),
        state=words,
        tone=tone,
        refilled=f"{gap.refilled:,} of {ids:,} trades" if ids is not None else f"{gap.refilled:,} trades",
        from_ms=gap.from_ms,
        to_ms=gap.to_ms,
    )


def gaps_of(watch: Watch, symbol: str, limit: int = 12) -> GapsView:
    """The gaps of one symbol since the start, newest first."""
    mine = [gap for gap in watch.state.gaps.values() if gap.symbol == symbol]
    return GapsView(tuple(gap_view(gap) for gap in sorted(mine, key=lambda gap: -gap.from_ms)[:limit]))
