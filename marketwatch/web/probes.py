"""`/healthz` (alive), `/readyz` (able to do its work, with the reasons otherwise), `/metrics` (Prometheus text)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .. import __version__
from ..clock import Clock
from ..model.system import FeedState, WriterStatus
from ..telemetry import Telemetry
from ..watch import Watch, WatchSlot
from .keys import TELEMETRY
from .readiness import READINESS
from .resident import resident_bytes
from .snapshot import json_answer
from .sockets import Sockets
from .sse import Hub

routes = web.RouteTableDef()
_LAG_EVERY_S = 0.25


@routes.get("/healthz")
async def healthz(_request: web.Request) -> web.Response:
    """The process is alive and its loop turns; touches nothing else."""
    return json_answer(b'{"status":"ok"}')


@routes.get("/readyz")
async def readyz(request: web.Request) -> web.Response:
    """200 when everything works, 503 with the reasons otherwise."""
    reasons = await request.app[READINESS].reasons()
    body = msgspec.json.encode({"status": "unready" if reasons else "ready", "reasons": reasons})
    return json_answer(body, status=503 if reasons else 200, headers={"Retry-After": "5"} if reasons else None)


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """All metrics for Prometheus."""
    body = request.app[TELEMETRY].exposition()
    headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8", "Cache-Control": "no-store"}
    return web.Response(body=body, headers=headers)


async def sample_loop_lag(clock: Clock, telemetry: Telemetry) -> None:
    """Measure for ever how late the loop wakes a sleeper."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LAG_EVERY_S
        await clock.sleep(_LAG_EVERY_S)
        lag = max(0.0, loop.time() - due)
        telemetry.loop_lag.observe(lag)
        telemetry.loop_lag_last.set(lag)


class MarketCollector(Collector):
    """Reads the counters of the watch of the moment and of the hub when Prometheus asks."""

    def __init__(self, *, slot: WatchSlot, hub: Hub, sockets: Sequence[Sockets[Any]], clock: Clock) -> None:
        self._slot = slot
        self._hub = hub
        self._sockets = sockets
        self._clock = clock

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        yield _gauge("build_info", "Version of the program", {("version",): {(__version__,): 1.0}})
        yield _gauge("process_resident_bytes", "Memory of the process", {(): {(): float(resident_bytes())}})
        yield _gauge("sse_clients", "Open server-sent event streams", {(): {(): self._hub.clients}})
        yield _gauge("sse_slow_clients", "Streams whose buffer is full", {(): {(): self._hub.slow_clients}})
        yield _counter("sse_refused", "Streams refused because all places were taken", {(): {(): self._hub.refused}})
        yield _gauge("websocket_clients", "Open WebSockets", {(): {(): sum(one.clients for one in self._sockets)}})
        watch = self._slot.current
        yield _gauge("watch_generation", "How many markets were opened", {(): {(): self._slot.generation}})
        if watch is not None:
            yield from self._of_watch(watch)
            if watch.state.writer is not None:
                yield from self._of_writer(watch.state.writer)
            yield from self._of_delivery(watch)

    def _of_writer(self, writer: WriterStatus) -> Iterable[Metric]:
        yield _gauge("store_queue_depth", "Facts that wait to be written", {(): {(): writer.depth}})
        yield _counter("store_dropped", "Facts given up", {(): {(): writer.dropped}})
        yield _counter("store_spilled", "Facts kept on disk while the database was away", {(): {(): writer.spilled}})
        yield _counter("store_rows_written", "Rows committed", {(): {(): writer.rows_written}})
        took = {(): writer.last_write_s} if writer.last_write_s is not None else {}
        yield _gauge("store_last_write_seconds", "Duration of the newest commit", {(): took})
        failed = {(): float(writer.last_error is not None)}
        yield _gauge("store_failing", "1 while the newest write has failed", {(): failed})
        yield _gauge("store_spool_bytes", "Kept on disk until the database is back", {(): {(): writer.spool_bytes}})
        yield _counter("store_rejected", "Facts that the database will never take", {(): {(): writer.rejected}})

    def _of_delivery(self, watch: Watch) -> Iterable[Metric]:
        delivery = watch.state.delivery
        if delivery is None:
            return
        yield _gauge("notices_waiting", "Notices to the outside that wait", {(): {(): delivery.waiting}})
        yield _counter("notices_sent", "Notices that a channel has taken", {(): {(): delivery.sent}})
        yield _counter("notices_failed", "Attempts to deliver that failed", {(): {(): delivery.failed}})
        yield _counter("notices_dead", "Notices given up", {(): {(): delivery.dead}})

    def _of_watch(self, watch: Watch) -> Iterable[Metric]:
        state, sampler = watch.state, watch.sampler
        feeds = state.feeds.values()
        now = self._clock.now_ms()
        lag = {(s.venue,): (now - s.last_data_ms) / 1000 for s in feeds if s.last_data_ms is not None}
        latency = {(s.venue,): s.latency_ms / 1000 for s in feeds if s.latency_ms is not None}
        offset = {(s.venue,): s.clock_offset_ms / 1000 for s in feeds if s.clock_offset_ms is not None}
        yield _gauge("feed_lag_seconds", "Age of the newest data", {("venue",): lag})
        yield _gauge("feed_latency_seconds", "Receipt minus event time", {("venue",): latency})
        yield _gauge("feed_clock_offset_seconds", "Local clock minus the venue's", {("venue",): offset})
        yield _gauge("feed_live", "1 while data is fresh", {("venue",): {(s.venue,): s.state is FeedState.LIVE for s in feeds}})
        yield _counter("feed_messages", "Messages received", {("venue",): {(s.venue,): s.messages for s in feeds}})
        yield _counter("feed_trades", "Trades received", {("venue",): {(s.venue,): s.trades for s in feeds}})
        yield _counter("feed_reconnects", "Connections lost", {("venue",): {(s.venue,): s.reconnects for s in feeds}})
        rejected = {(s.venue, reason): count for s in feeds for reason, count in s.rejected.items()}
        yield _counter("feed_rejected", "Messages skipped", {("venue", "reason"): rejected})
        by_state: dict[tuple[str, ...], float] = {}
        for gap in state.gaps.values():
            by_state[gap.venue, gap.state.value] = by_state.get((gap.venue, gap.state.value), 0.0) + 1
        yield _gauge("gaps", "Recent gaps in the data", {("venue", "state"): by_state})
        yield _counter("samples_late_dropped", "Trades too late for their sample", {(): {(): sampler.late_dropped}})
        yield _counter("trades_unknown_symbol", "Trades of symbols that are not watched", {(): {(): sampler.unknown}})
        step = {(): state.table.time_ms / 1000} if state.table is not None else {}
        yield _gauge("sample_time_seconds", "Event time of the newest sample step", {(): step})
        yield _counter("candle_checks", "Candles compared with the venue's", {(): {(): sum(watch.candles.checked.values())}})
        yield _counter("candle_mismatches", "Candles unlike the venue's", {(): {(): sum(watch.candles.mismatches.values())}})


Rows = Mapping[Any, Mapping[Any, float]]
"""Label names, and the value for each tuple of label values."""


def _gauge(name: str, text: str, rows: Rows) -> Metric:
    ((labels, values),) = rows.items()
    family = GaugeMetricFamily(f"marketwatch_{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, float(value))
    return family


def _counter(name: str, text: str, rows: Rows) -> Metric:
    ((labels, values),) = rows.items()
    family = CounterMetricFamily(f"marketwatch_{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, float(value))
    return family
