"""The prices that changed since the last tick, encoded once per tick and coin for every stream that wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from ...clock import Clock
from ...telemetry import get_logger
from ..envelope import iso
from .desk import Desk
from .market import Price, price_of

log = get_logger(__name__)
_encoder = msgspec.json.Encoder()
Listener = Callable[["PriceTicker"], None]


class PriceUpdate(msgspec.Struct, frozen=True):
    """The body of a `price_update` message of the WebSocket."""

    coin_id: str
    symbol: str
    price: float
    timestamp: str


class PriceTicker:
    """Compares the state with the last tick's and tells its listeners which symbols moved.

    `changed` holds the symbols of this tick in the order of the watch, `switched` says that it is the first one of another
    watch. Nothing is encoded that nobody asks for.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._listeners: list[Listener] = []
        self._seen: dict[str, tuple[object, ...]] = {}
        self._generation = 0
        self._encoded = -1
        self._rows: dict[str, bytes] = {}
        self._messages: dict[str, str] = {}
        self.changed: list[str] = []
        self.switched = False
        self.ticks = 0
        self.failures = 0

    def listen(self, listener: Listener) -> None:
        """Call `listener` after every tick."""
        self._listeners.append(listener)

    def tick(self) -> None:
        """One round. A new watch counts as a change of everything."""
        self.ticks += 1
        slot = self._desk.slot
        self.switched = slot.generation != self._generation
        if self.switched:
            self._generation = slot.generation
            self._seen.clear()
        self._encoded = -1
        self._keep_up()
        self.changed = list(self._moved()) if slot.current is not None else []
        for listener in self._listeners:
            listener(self)

    def _keep_up(self) -> None:
        """Forget what was encoded of another tick or another watch."""
        if self._encoded != self._desk.slot.generation:
            self._encoded = self._desk.slot.generation
            self._rows.clear()
            self._messages.clear()

    def _moved(self) -> Iterable[str]:
        seen, is_stale, now_ms = self._seen, self._desk.is_stale, self._desk.market_now_ms()
        for symbol, entry in self._desk.watch.state.symbols.items():
            facts = (entry.trade_id, entry.price, entry.bid, entry.ask, is_stale(entry, now_ms))
            if seen.get(symbol) != facts:
                seen[symbol] = facts
                if entry.price is not None:
                    yield symbol

    def row(self, symbol: str) -> bytes:
        """The price object of `symbol` as JSON, as `/api/market/price` shows it."""
        self._keep_up()
        made = self._rows.get(symbol)
        if made is None:
            made = self._rows[symbol] = _encoder.encode(price_of(self._desk, symbol))
        return made

    def message(self, symbol: str) -> str | None:
        """The `price_update` message of `symbol`; None while it has no price."""
        self._keep_up()
        made = self._messages.get(symbol)
        if made is None:
            price = price_of(self._desk, symbol)
            if price.price is None:
                return None
            made = self._messages[symbol] = update_message(price, self._desk.clock.now_ms())
        return made

    async def run(self, clock: Clock, every_s: float) -> None:
        """Tick until cancelled; a failing tick is counted and logged once per episode."""
        failing = ""
        while True:
            await clock.sleep(every_s)
            try:
                self.tick()
                failing = ""
            except Exception as error:
                self.failures += 1
                if failing != repr(error):
                    failing = repr(error)
                    log.error("price_tick_failed", exc_info=error)


def update_message(price: Price, now_ms: int) -> str:
    """`{"type":"price_update","data":{...}}`; `timestamp` is the trade's time, or now where none has been seen."""
    data = PriceUpdate(price.coin_id, price.symbol, price.price or 0.0, price.time or iso(now_ms))
    return _encoder.encode({"type": "price_update", "data": data}).decode()
