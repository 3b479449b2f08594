"""The ledger of trade ids: what arrived, what is missing, what came in after all. Pure and synchronous.

Per symbol the venue numbers its trades without holes. The ledger admits each id exactly once; a jump opens a `Hole`, which
trades that come late or are fetched again fill. At any moment every id since the first one seen is either admitted or inside
a hole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..model.market import Gap, GapReason, GapState, Trade

SPACES = {"trade": "t", "aggtrade": "a"}
_MOST_HOLES = 200
_RECENT_TOTAL = 20_000
_DOUBTFUL_JUMP = 5_000_000
_RESTART_AFTER_MS = 5_000
_RESTART_PROOF = 3
_PROLOGUE_IDS = 1_000
_PROLOGUE_MS = 10_000


@dataclass(slots=True, eq=False)
class Hole:
    """Missing ids of one symbol. `missing` holds inclusive intervals in order; empty means that all were refilled.

    `before` are the trades in front of the hole (for splitting an aggregate that its border cuts), newest last.
    """

    venue: str
    symbol: str
    space: str
    reason: GapReason
    from_id: int
    to_id: int
    from_ms: int
    to_ms: int
    missing: list[tuple[int, int]]
    before: tuple[Trade, ...] = ()
    known: dict[int, Trade] = field(default_factory=dict)
    lost: bool = False
    reported: bool = False
    queued: bool = False

    @property
    def left(self) -> int:
        return sum(high - low + 1 for low, high in self.missing)

    @property
    def size(self) -> int:
        return self.to_id - self.from_id + 1

    @property
    def state(self) -> GapState:
        if not self.missing:
            return GapState.CLOSED
        return GapState.LOST if self.lost else GapState.OPEN

    def fact(self) -> Gap:
        """The gap as published; the id stays the same over its life and over restarts."""
        return Gap(
            f"{self.venue}:{self.symbol}:{SPACES[self.space]}{self.from_id}", self.venue, self.symbol, self.reason, self.state,
            self.from_ms, self.to_ms, self.from_id, self.to_id, self.size - self.left,
        )  # fmt: skip

    def holds(self, low: int, high: int) -> list[tuple[int, int]]:
        """The parts of `low..high` that are missing."""
        return [(max(low, a), min(high, b)) for a, b in self.missing if a <= high and b >= low]

    def take(self, low: int, high: int) -> None:
        """Mark `low..high` as arrived."""
        left: list[tuple[int, int]] = []
        for a, b in self.missing:
            if b < low or a > high:
                left.append((a, b))
                continue
            if a < low:
                left.append((a, low - 1))
            if b > high:
                left.append((high + 1, b))
        self.missing = left


class Ledger:
    """Continuity of all watched symbols of a venue in one id space (`trade` or `aggtrade`).

    `resume` gives the last stored `(id, time_ms)` of a symbol: the first trade after a start then opens a gap of reason
    RESTART over what happened in between. Counters: `duplicates`, `unknown` (symbols that nobody watches), `restarted`
    (symbols whose numbering the venue began anew).
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        venue: str,
        space: str = "trade",
        resume: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        self.venue, self.space = venue, space
        self.duplicates = self.unknown = 0
        self.doubtful = 0
        self.restarted: list[str] = []
        size = max(64, _RECENT_TOTAL // max(1, len(symbols)))
        self._recent: dict[str, deque[Trade]] = {symbol: deque(maxlen=size) for symbol in symbols}
        self._holes: dict[str, list[Hole]] = {}
        self._reasons: dict[str, tuple[GapReason, int]] = {}
        self._changed: dict[int, Hole] = {}
        self._doubt: dict[str, Trade] = {}
        self._older: dict[str, list[Trade]] = {}
        self._first: dict[str, Trade] = {}
        for symbol, (last_id, time_ms) in (resume or {}).items():
            if symbol in self._recent:
                self._recent[symbol].append(Trade(symbol, last_id, 0.0, 0.0, time_ms, False, 0))
                self._reasons[symbol] = (GapReason.RESTART, last_id)

    def admit(self, trades: Iterable[Trade]) -> list[Trade]:
        """The trades that are new, in the order given. Newly opened and changed holes wait in `take_changed`."""
        admitted: list[Trade] = []
        append, recent = admitted.append, self._recent
        for trade in trades:
            ring = recent.get(trade[0])
            if ring and ring[-1][1] + 1 == trade[1]:
                ring.append(trade)
                append(trade)
            elif ring is None:
                self.unknown += 1
            else:
                self._irregular(trade, ring, admitted)
        return admitted

    def mark(self, symbols: Iterable[str], reason: GapReason) -> None:
        """A jump right after the newest trade of these symbols has this reason; later ones are ID_JUMP again."""
        for symbol in symbols:
            ring = self._recent.get(symbol)
            if ring and self._reasons.get(symbol) != (GapReason.RESTART, ring[-1].trade_id):
                self._reasons[symbol] = (reason, ring[-1].trade_id)

    def take_changed(self) -> list[Hole]:
        """Holes that opened or were filled further since the last call; one that opened and closed in between is left out."""
        if not self._changed:
            return []
        changed = [hole for hole in self._changed.values() if hole.reported or hole.missing]
        for hole in changed:
            hole.reported = True
        self._changed.clear()
        return changed

    def fill(self, hole: Hole, row: Trade) -> Trade | None:
        """Fit a fetched trade into `hole`: the part of it that is still missing, or None.

        In the space of single trades `row` is an aggregate that covers `trade_id - trades + 1 .. trade_id`. Where a border of
        the hole cuts it, its remainder is admitted only when every other trade of the aggregate is known here, so that
        the missing quantity is the exact difference; otherwise those ids stay missing.
        """
        low = row.trade_id - row.trades + 1 if self.space == "trade" else row.trade_id
        parts = hole.holds(low, row.trade_id)
        if not parts:
            return None
        part = row if parts == [(low, row.trade_id)] else self._remainder(hole, row, low, parts)
        if part is not None:
            hole.take(*parts[0])
            self._settle(hole)
        return part

    def missed(self, symbol: str, newest_id: int, time_ms: int) -> None:
        """The venue has traded up to `newest_id` and none of it came: a hole over what lies between, if anything does."""
        ring = self._recent.get(symbol)
        if ring and 0 < newest_id - ring[-1].trade_id <= _DOUBTFUL_JUMP:
            self._open(Trade(symbol, newest_id + 1, 0.0, 0.0, time_ms, False, 0), ring[-1], ring)
            ring.append(Trade(symbol, newest_id, 0.0, 0.0, max(time_ms, ring[-1].time_ms), False, 0))

    def give_up(self, hole: Hole) -> None:
        """What is still missing will not be fetched any more; the hole stays visible, a late trade may still fill it."""
        if hole.missing and not hole.lost:
            hole.lost = True
            self._changed[id(hole)] = hole

    def last(self, symbol: str) -> Trade | None:
        """The newest trade in id order."""
        ring = self._recent.get(symbol)
        return ring[-1] if ring else None

    def reached(self) -> dict[str, tuple[int, int]]:
        """`(id, time_ms)` of the newest trade of each symbol that had one: what a later ledger resumes from."""
        return {symbol: (ring[-1].trade_id, ring[-1].time_ms) for symbol, ring in self._recent.items() if ring}

    def open_holes(self, symbol: str) -> list[Hole]:
        """Holes of `symbol` with ids still missing, oldest first."""
        return list(self._holes.get(symbol, ()))

    def _irregular(self, trade: Trade, ring: deque[Trade], admitted: list[Trade]) -> None:
        """Everything but the trade that follows on: the first one, a jump, a late one, a duplicate."""
        if not ring:
            self._first[trade.symbol] = trade
            ring.append(trade)
            admitted.append(trade)
        elif trade.trade_id > ring[-1].trade_id:
            self._jump(trade, ring, admitted)
        elif self._late(trade) or self._before_first(trade):
            admitted.append(trade)
        else:
            self._duplicate(trade, ring, admitted)

    def _jump(self, trade: Trade, ring: deque[Trade], admitted: list[Trade]) -> None:
        """Open a hole. An absurdly wide jump waits until a second trade confirms it: one wrong id must not cost the day."""
        previous, doubt = ring[-1], self._doubt.pop(trade.symbol, None)
        if trade.trade_id - previous.trade_id > _DOUBTFUL_JUMP and (doubt is None or doubt.trade_id + 1 != trade.trade_id):
            self._doubt[trade.symbol] = trade
            self.doubtful += 1
            return
        first = doubt if doubt is not None and doubt.trade_id + 1 == trade.trade_id else trade
        self._open(first, previous, ring)
        ring.append(first)
        admitted.append(first)
        if first is not trade:
            ring.append(trade)
            admitted.append(trade)

    def _open(self, trade: Trade, previous: Trade, ring: deque[Trade]) -> None:
        reason, after_id = self._reasons.pop(trade.symbol, (GapReason.ID_JUMP, 0))
        reason = reason if after_id == previous.trade_id else GapReason.ID_JUMP
        self._span(previous, trade, reason, tuple(t for t in _tail(ring) if t.trades))

    def _span(self, before: Trade, after: Trade, reason: GapReason, tail: tuple[Trade, ...]) -> None:
        """A hole over the ids between two trades, if there are any."""
        low, high = before.trade_id + 1, after.trade_id - 1
        if low > high:
            return
        hole = Hole(
            self.venue, after.symbol, self.space, reason, low, high, before.time_ms, max(before.time_ms, after.time_ms),
            [(low, high)], tail,
        )  # fmt: skip
        holes = self._holes.setdefault(after.symbol, [])
        holes.append(hole)
        self._changed[id(hole)] = hole
        if len(holes) > _MOST_HOLES:
            self.give_up(holes.pop(0))

    def _before_first(self, trade: Trade) -> bool:
        """A stream may begin in disorder: an id shortly before the first one moves the beginning back."""
        first = self._first.get(trade.symbol)
        if first is None or not 0 < first.trade_id - trade.trade_id <= _PROLOGUE_IDS:
            return False
        if abs(first.time_ms - trade.time_ms) > _PROLOGUE_MS:
            return False
        self._first[trade.symbol] = trade
        self._span(trade, first, GapReason.ID_JUMP, ())
        return True

    def _late(self, trade: Trade) -> bool:
        number = trade.trade_id
        for hole in self._holes.get(trade.symbol, ()):
            if hole.from_id <= number <= hole.to_id and hole.holds(number, number):
                hole.take(number, number)
                hole.known[number] = trade
                self._settle(hole)
                return True
        return False

    def _duplicate(self, trade: Trade, ring: deque[Trade], admitted: list[Trade]) -> None:
        """Drop it, unless the venue began to number anew: three in a row with old ids and new times prove that."""
        self.duplicates += 1
        symbol = trade.symbol
        if trade.time_ms <= ring[-1].time_ms + _RESTART_AFTER_MS:
            self._older.pop(symbol, None)
            return
        older = self._older.setdefault(symbol, [])
        if older and older[-1].trade_id + 1 != trade.trade_id:
            older.clear()
        older.append(trade)
        if len(older) >= _RESTART_PROOF:
            self.duplicates -= len(older)
            ring.clear()
            ring.extend(older)
            self._first.pop(symbol, None)
            admitted.extend(self._older.pop(symbol))
            self.restarted.append(symbol)

    def _settle(self, hole: Hole) -> None:
        self._changed[id(hole)] = hole
        if not hole.missing:
            holes = self._holes.get(hole.symbol, [])
            if hole in holes:
                holes.remove(hole)

    def _remainder(self, hole: Hole, row: Trade, low: int, parts: list[tuple[int, int]]) -> Trade | None:
        """The missing part of aggregate `row`, when all of its other trades are known. One contiguous part only."""
        if len(parts) != 1 or row.trades > _RECENT_TOTAL:
            return None
        first, last = parts[0]
        others = [number for number in range(low, row.trade_id + 1) if not first <= number <= last]
        known = {t.trade_id: t for t in (*hole.before, *self._recent[row.symbol]) if t.trades == 1} | hole.known
        if any(number not in known for number in others):
            return None
        quantity = round(row.quantity - sum(known[number].quantity for number in others), 8)
        return row._replace(trade_id=last, quantity=quantity, trades=last - first + 1) if quantity > 0 else None


def _tail(ring: deque[Trade], most: int = 200) -> list[Trade]:
    """The newest trades of `ring` at the newest one's time and price: candidates for one taker order cut by a hole."""
    tail: list[Trade] = []
    newest = ring[-1]
    for trade in reversed(ring):
        if trade.price != newest.price or trade.time_ms != newest.time_ms or len(tail) >= most:
            break
        tail.append(trade)
    return tail[::-1]
