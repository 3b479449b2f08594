"""A watch with a lookout that is fed by hand."""

from __future__ import annotations

from marketwatch.alerts.lookout import Lookout
from marketwatch.model.alerts import Alert, Alerts, Rule
from marketwatch.model.market import Pulse
from marketwatch.watch import Watch
from tests.kit.watches import START_MS, make_watch, publish_trades, test_settings, trade


class Scene:
    """A watch with a lookout; `tell` publishes one trade a step and lets time go on."""

    def __init__(self, *rules: Rule, start_ms: int = START_MS) -> None:
        self.watch: Watch = make_watch(test_settings(windows=("5m",)))
        self.lookout = Lookout(watch=self.watch, sample_ms=500)
        self.batches: list[Alerts] = []
        self.watch.bus.subscribe(Alerts, self.batches.append, name="test")
        self.lookout.use(rules)
        self.now = start_ms
        self._id = 0

    def tell(self, *prices: float, symbol: str = "BTCUSDT") -> None:
        for price in prices:
            self._id += 1
            publish_trades(self.watch, trade(symbol, self._id, price, 1.0, self.now + 100))
            self.now += 500
            self.pulse()

    def pulse(self) -> None:
        self.watch.bus.publish(Pulse("binance", self.now + 300))

    @property
    def alerts(self) -> list[Alert]:
        return [alert for batch in self.batches for alert in batch.alerts]

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(alert.symbol, alert.state.value) for alert in self.alerts]

    @property
    def notified(self) -> list[str]:
        return [key for batch in self.batches for key in batch.notify]
