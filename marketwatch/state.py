"""LiveState: the latest facts, subscribed first, so that every later handler and page reads a state that includes its event."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from .model.alerts import Alert, Alerts, AlertState, Rule, Rules, Watchlists
from .model.market import Gap, GapState, Instrument, Quotes, Samples, Staleness, Tickers, Trades, Whale, Whales
from .model.metrics import MetricTable
from .model.silences import Seen, Silence, Silences
from .model.system import DeliveryStatus, FeedStatus, MirrorStatus, Notice, WriterStatus
from .model.valuation import Valuations

_RECENT_GAPS = 500
_RECENT_WHALES = 500
_RECENT_ALERTS = 500
_RECENT_NOTICES = 100
_RECENT_SILENCES = 1000
_RECENT_SEEN = 1000


@dataclass(slots=True)
class SymbolState:
    """Latest facts of one symbol; None where nothing is known yet. Times are event times unless named otherwise."""

    instrument: Instrument
    price: float | None = None
    quantity: float | None = None
    trade_id: int | None = None
    trade_ms: int | None = None
    received_ms: int | None = None
    bid: float | None = None
    ask: float | None = None
    quote_ms: int | None = None
    open_24h: float | None = None
    high_24h: float | None = None
    low_24h: float | None = None
    volume_24h: float | None = None
    quote_volume_24h: float | None = None
    ticker_ms: int | None = None
    trades_seen: int = 0
    stale: bool = False

    @property
    def change_24h(self) -> float | None:
        """Per cent against the venue's rolling open; None where either is unknown."""
        if self.price is None or not self.open_24h:
            return None
        return 100.0 * (self.price / self.open_24h - 1.0)


class LiveState:
    """What is known now, per symbol and about the feed. Written by the bus only; read by pages, API and alerts."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self.symbols: dict[str, SymbolState] = {item.symbol: SymbolState(item) for item in instruments}
        self.feeds: dict[str, FeedStatus] = {}
        self.notices: dict[str, Notice] = {}
        self.gaps: dict[str, Gap] = {}
        self.whales: deque[Whale] = deque(maxlen=_RECENT_WHALES)
        self.rules: dict[str, Rule] = {}
        self.watchlists: dict[str, tuple[str, ...]] = {}
        """Symbols by the name of the list; where two sources have a list of one name, that of the file counts."""
        self._lists: dict[str, dict[str, tuple[str, ...]]] = {}
        self.alerts: dict[str, Alert] = {}
        """Active ones (pending, firing, recovering) by alert id, in the order in which they began."""
        self.recent_alerts: deque[Alert] = deque(maxlen=_RECENT_ALERTS)
        """Resolved ones, newest last."""
        self.notified: deque[str] = deque(maxlen=_RECENT_NOTICES)
        """Ids of the alerts that people were told of, newest last."""
        self._episodes: dict[tuple[str, str], str] = {}
        self.silences: dict[str, Silence] = {}
        """By id: those in force, those to come, and past ones, the last to end of all."""
        self._silent_ms = -1
        self._silent: list[Silence] = []
        """Those in force at that moment, the one that lasts longest first."""
        self.seen: dict[str, int | None] = {}
        """By alert id, when somebody acknowledged it: of those for which that has changed since the start."""
        self.table: MetricTable | None = None
        self.valuations: Valuations | None = None
        """The portfolios at the newest step; None while there are none."""
        self.samples: Samples | None = None
        """The newest step as it was first told, without amendments."""
        self.writer: WriterStatus | None = None
        self.delivery: DeliveryStatus | None = None
        self.mirror: MirrorStatus | None = None
        self.last_received_ms: int | None = None
        self.unknown_symbols: dict[str, int] = {}

    def on_trades(self, batch: Trades) -> None:
        self.last_received_ms = batch.received_ms
        for trade in {trade.symbol: trade for trade in batch.trades}.values():
            entry = self.symbols.get(trade.symbol)
            if entry is None:
                self.unknown_symbols[trade.symbol] = self.unknown_symbols.get(trade.symbol, 0) + 1
            elif entry.trade_ms is None or trade.time_ms >= entry.trade_ms:
                entry.price, entry.quantity = trade.price, trade.quantity
                entry.trade_id, entry.trade_ms, entry.received_ms = trade.trade_id, trade.time_ms, batch.received_ms

    def on_quotes(self, batch: Quotes) -> None:
        self.last_received_ms = batch.received_ms
        for quote in batch.quotes:
            entry = self.symbols.get(quote.symbol)
            if entry is not None:
                entry.bid, entry.ask, entry.quote_ms = quote.bid, quote.ask, quote.time_ms

    def on_tickers(self, batch: Tickers) -> None:
        for ticker in batch.tickers:
            entry = self.symbols.get(ticker.symbol)
            if entry is None:
                continue
            entry.open_24h, entry.high_24h, entry.low_24h = ticker.open_24h, ticker.high_24h, ticker.low_24h
            entry.volume_24h, entry.quote_volume_24h = ticker.volume_24h, ticker.quote_volume_24h
            entry.ticker_ms = ticker.time_ms
            if entry.trade_ms is None:
                entry.price, entry.received_ms = ticker.price, batch.received_ms

    def on_gap(self, gap: Gap) -> None:
        self.gaps.pop(gap.gap_id, None)
        self.gaps[gap.gap_id] = gap
        while len(self.gaps) > _RECENT_GAPS:
            del self.gaps[next(iter(self.gaps))]

    def on_staleness(self, fact: Staleness) -> None:
        entry = self.symbols.get(fact.symbol)
        if entry is not None:
            entry.stale = fact.stale

    def on_feed_status(self, status: FeedStatus) -> None:
        self.feeds[status.venue] = status

    def on_notice(self, notice: Notice) -> None:
        if notice.over:
            self.notices.pop(notice.key, None)
        else:
            self.notices[notice.key] = notice

    def on_whales(self, batch: Whales) -> None:
        self.whales.extend(batch.whales)

    def on_rules(self, batch: Rules) -> None:
        self.rules = {rule.rule_id: rule for rule in batch.rules}

    def on_valuations(self, batch: Valuations) -> None:
        self.valuations = batch

    def on_watchlists(self, batch: Watchlists) -> None:
        self._lists[batch.source] = batch.lists
        sources = sorted(self._lists, key=lambda source: (source == "file", source))
        self.watchlists = {name: symbols for source in sources for name, symbols in self._lists[source].items()}

    def on_alerts(self, batch: Alerts) -> None:
        """A pending one that ends without having fired was no episode: it is gone without a trace."""
        self.notified.extend(batch.notify)
        for alert in batch.alerts:
            place = (alert.rule_id, alert.symbol)
            former = self._episodes.get(place)
            before = self.alerts.get(alert.alert_id)
            if alert.state is not AlertState.RESOLVED:
                if former is not None and former != alert.alert_id:
                    self.alerts.pop(former, None)
                self.alerts[alert.alert_id], self._episodes[place] = alert, alert.alert_id
                continue
            self.alerts.pop(alert.alert_id, None)
            if former == alert.alert_id:
                del self._episodes[place]
            if before is None or before.state is not AlertState.PENDING:
                self.recent_alerts.append(alert)

    def on_silences(self, batch: Silences) -> None:
        self._silent_ms = -1
        self.silences |= {silence.silence_id: silence for silence in batch.silences}
        while len(self.silences) > _RECENT_SILENCES:
            del self.silences[min(self.silences.values(), key=lambda one: (one.until_ms, one.silence_id)).silence_id]

    def on_seen(self, fact: Seen) -> None:
        """An alert that is held takes it over; others are told by `seen`."""
        key, at_ms = fact.alert.alert_id, fact.alert.acknowledged_ms
        self.seen.pop(key, None)
        self.seen[key] = at_ms
        while len(self.seen) > _RECENT_SEEN:
            del self.seen[next(iter(self.seen))]
        if key in self.alerts:
            self.alerts[key] = self.alerts[key]._replace(acknowledged_ms=at_ms)
        for place, alert in enumerate(self.recent_alerts):
            if alert.alert_id == key:
                self.recent_alerts[place] = alert._replace(acknowledged_ms=at_ms)

    def silence_of(self, alert: Alert, time_ms: int) -> Silence | None:
        """The silence that keeps people from being told of an alert at that moment, the one that lasts longest."""
        if time_ms != self._silent_ms:
            in_force = [one for one in self.silences.values() if one.holds(time_ms)]
            self._silent = sorted(in_force, key=lambda one: (one.until_ms, one.silence_id), reverse=True)
            self._silent_ms = time_ms
        return next((one for one in self._silent if one.takes(alert)), None)

    def on_writer_status(self, status: WriterStatus) -> None:
        self.writer = status

    def on_mirror_status(self, status: MirrorStatus) -> None:
        self.mirror = status

    def on_delivery_status(self, status: DeliveryStatus) -> None:
        self.delivery = status

    def on_samples(self, samples: Samples) -> None:
        if samples.revised is None:
            self.samples = samples

    def on_metrics(self, table: MetricTable) -> None:
        self.table = table

    def open_gaps(self, symbol: str | None = None) -> list[Gap]:
        """Gaps that are open or lost, newest last; of one symbol or of all."""
        return [gap for gap in self.gaps.values() if gap.state is not GapState.CLOSED and symbol in (None, gap.symbol)]
