"""One running watch: a feed wired to its own bus, state, sampler, engine, candles, tape and whales.

Live, demo, recording and (later) replay are this same wiring around another feed and another clock. The order of
`subscribe` calls below IS the order in which every part sees an event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from .bus import Bus, ErrorHook
from .config import Settings
from .engine.candles import CandleBook
from .engine.engine import Engine
from .engine.sampler import Sampler
from .engine.tape import Tape
from .engine.whales import WhaleWatch
from .model.alerts import Alerts, Rules, Watchlists
from .model.market import (
    DOLLARS,
    Gap,
    Instrument,
    Pulse,
    Quotes,
    Samples,
    Source,
    Staleness,
    Tickers,
    Trades,
    VenueCandles,
    Whales,
)
from .model.metrics import MetricTable
from .model.silences import Seen, Silences
from .model.system import DeliveryStatus, FeedStatus, MirrorStatus, Notice, WriterStatus
from .model.valuation import Valuations
from .portfolio.marker import Marker
from .rules.frame import MarketFacts
from .state import LiveState


class Watch:
    """Everything between a feed and its readers, for a fixed list of instruments. Holds no task and never awaits."""

    def __init__(
        self, *, settings: Settings, source: Source, venue: str, instruments: Sequence[Instrument], on_error: ErrorHook
    ) -> None:
        self.source = source
        self.venue = venue
        self.instruments = {item.symbol: item for item in instruments}
        self.symbols = tuple(self.instruments)
        self.reference = _reference(settings.reference, instruments)
        self.bus = Bus(on_error=on_error)
        publish = self.bus.publish
        self.state = LiveState(instruments)
        self.tape = Tape(symbols=self.symbols, max_bytes=int(settings.tape_mb * 1_000_000))
        self.whales = WhaleWatch(
            instruments=instruments, threshold_usd=settings.whale_usd, one_in=settings.whale_quantile, publish=publish
        )
        self.sampler = Sampler(
            symbols=self.symbols, sample_ms=settings.sample_ms, lateness_ms=settings.lateness_ms, publish=publish
        )
        self.facts = MarketFacts(self.symbols)
        self.candles = CandleBook(symbols=self.symbols, publish=publish)
        self.engine = Engine(
            symbols=self.symbols,
            sample_ms=settings.sample_ms,
            windows=(str(settings.window), *settings.windows),
            reference=self.reference,
            publish=publish,
        )
        self.marker = Marker(state=self.state, candles=self.candles, publish=publish)
        self._subscribe()

    def _subscribe(self) -> None:
        on = self.bus.subscribe
        state = self.state
        on(Trades, state.on_trades, name="state")
        on(Quotes, state.on_quotes, name="state")
        on(Tickers, state.on_tickers, name="state")
        on(Gap, state.on_gap, name="state")
        on(Staleness, state.on_staleness, name="state")
        on(FeedStatus, state.on_feed_status, name="state")
        on(Notice, state.on_notice, name="state")
        on(Whales, state.on_whales, name="state")
        on(WriterStatus, state.on_writer_status, name="state")
        on(DeliveryStatus, state.on_delivery_status, name="state")
        on(MirrorStatus, state.on_mirror_status, name="state")
        on(Samples, state.on_samples, name="state")
        on(MetricTable, state.on_metrics, name="state")
        on(Rules, state.on_rules, name="state")
        on(Watchlists, state.on_watchlists, name="state")
        on(Valuations, state.on_valuations, name="state")
        on(MetricTable, self.marker.on_metrics, name="marker")
        on(Alerts, state.on_alerts, name="state")
        on(Silences, state.on_silences, name="state")
        on(Seen, state.on_seen, name="state")
        on(Trades, self.tape.on_trades, name="tape")
        on(Trades, self.whales.on_trades, name="whales")
        on(Trades, self.sampler.on_trades, name="sampler")
        on(Quotes, self.sampler.on_quotes, name="sampler")
        on(Gap, self.sampler.on_gap, name="sampler")
        on(FeedStatus, self.sampler.on_feed_status, name="sampler")
        on(Pulse, self.sampler.on_pulse, name="sampler")
        on(Whales, self.facts.on_whales, name="facts")
        on(Samples, self.facts.on_samples, name="facts")
        on(Staleness, self.engine.on_staleness, name="engine")
        on(Samples, self.candles.on_samples, name="candles")
        on(Samples, self.engine.on_samples, name="engine")
        on(VenueCandles, self.candles.on_venue_candles, name="candles")
        on(VenueCandles, self.engine.on_venue_candles, name="engine")


class RuleStanding(Protocol):
    """Where a rule stands for a symbol. `phase`: normal, pending, firing or recovering, by name.

    `side`: why it is not evaluated or cannot say anything (`warmup`, `no data`, `error`, `paused`; None: it is evaluated),
    `reason` that in a sentence. `values`: its terms, None unknown."""

    @property
    def phase(self) -> IntEnum: ...

    @property
    def side(self) -> str | None: ...

    @property
    def reason(self) -> str: ...

    @property
    def since_ms(self) -> int: ...

    @property
    def values(self) -> Mapping[str, float | None]: ...


class RuleFacts(Protocol):
    """What evaluates the rules of a watch, for its readers."""

    def standing(self, rule_id: str, symbol: str) -> RuleStanding | None:
        """None before the first step, and for a rule or a symbol that is not here."""


class NoticeTrial(Protocol):
    """What takes notices of a watch to the outside, for who wants to know whether that works."""

    async def try_out(self, channel: str) -> str | None:
        """Send a notice that says it is a test; None when it was accepted, else why not."""


def _reference(wanted: str, instruments: Sequence[Instrument]) -> str:
    """The symbol to compare with: as the settings say, else the same base at this venue (`BTC-USD` for `BTCUSDT`)."""
    names = [item.symbol for item in instruments]
    same_base = [item.symbol for item in instruments if wanted in (item.base + quote for quote in DOLLARS)]
    return next(iter([name for name in names if name == wanted] + same_base + names), wanted)


@dataclass(slots=True)
class WatchSlot:
    """Where readers find the watch of the moment: `auto` puts another one here when a live venue answers.

    `waiting` says in a sentence what is being waited for while there is none.
    """

    current: Watch | None = None
    generation: int = 0
    waiting: str = "Connecting to the market."
    rules: RuleFacts | None = None
    notices: NoticeTrial | None = None

    def put(self, watch: Watch, rules: RuleFacts | None = None, notices: NoticeTrial | None = None) -> None:
        self.current = watch
        self.rules = rules
        self.notices = notices
        self.generation += 1
