"""What the program says about itself: log lines and metrics. The registry is an object that is handed on, never a global.

Low in the layers: knows nothing of the web or of the market. Parts of the core count for themselves with plain integers; a
collector of the web reads those at scrape time. What is counted here belongs to whoever is handed a `Telemetry`.
"""

from __future__ import annotations

import logging
import re
import sys
from bisect import bisect_left
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_HIDDEN = "[hidden]"
_SECRET_KEY = re.compile(
    r"(?i)^(authorization|cookie|set-cookie|dsn)$|(^|[_-])(password|passwd|secret|token)$|(secret|api|private)[_-]?key$"
)
_SECRETS = (
    (re.compile(r"(?i)([?&;](?:[\w.-]*token|[\w.-]*key|secret|signature|password|auth|otp)=)[^&\s\"'#]+"), rf"\1{_HIDDEN}"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s:/@\"']*):[^\s@/\"']+@"), rf"\1:{_HIDDEN}@"),
    (re.compile(r"(?i)\b(bearer|basic|digest)\s+[A-Za-z0-9._~+/=-]{6,}"), rf"\1 {_HIDDEN}"),
    (
        re.compile(r"(?i)\b((?:password|passwd|pwd|secret|token|api[-_]?key)\s*[=:]\s*)(?!\[hidden\])[^\s,;&\"'}]+"),
        rf"\1{_HIDDEN}",
    ),
)


def redact(text: str) -> str:
    """`text` without the tokens of URLs, Authorization values and passwords of database addresses that stand in it."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _clean(key: str, value: Any, depth: int = 0) -> Any:
    if _SECRET_KEY.search(key) and value not in (None, "", 0, False):
        return _HIDDEN
    if isinstance(value, str):
        return redact(value)
    if depth < 4 and isinstance(value, dict):
        return {str(name): _clean(str(name), part, depth + 1) for name, part in value.items()}
    if depth < 4 and isinstance(value, list | tuple):
        return [_clean("", part, depth + 1) for part in value]
    return value


def redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: no secret leaves through a log line."""
    return {key: _clean(key, value) for key, value in event.items()}


def _encode(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=repr).decode()


def configure_logging(level: str = "INFO", json: bool = False, stream: TextIO | None = None) -> None:
    """Send all log lines, the standard library's too, to `stream` (stderr): JSON lines, or text for people."""
    target = stream if stream is not None else sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    colors = not json and target.isatty()
    ending: list[Any] = [structlog.processors.format_exc_info] if json or not colors else []
    renderer: Any = structlog.processors.JSONRenderer(_encode) if json else structlog.dev.ConsoleRenderer(colors=colors)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending, redact_event, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("asyncio", "aiohttp.access", "aiohttp.client"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def get_logger(name: str = "marketwatch") -> structlog.stdlib.BoundLogger:
    """A logger: `log.info("market_open", venue=..., symbols=...)`, an event's name and its facts."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


_EDGES_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class HttpTimes(Collector):
    """Answered requests by route and status, with a histogram of seconds. A look-up and two additions a request."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, int], list[float]] = {}

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count one answer. `route` is the pattern of the path, never the path itself: the table stays small."""
        row = self._routes.get((route, status))
        if row is None:
            row = self._routes[route, status] = [0.0] * (len(_EDGES_S) + 2)
        row[bisect_left(_EDGES_S, seconds)] += 1
        row[-1] += seconds

    def count(self, route: str | None = None, status: int | None = None) -> int:
        """Answers so far, of one route and status or of all."""
        return int(
            sum(sum(row[:-1]) for key, row in self._routes.items() if route in (None, key[0]) and status in (None, key[1]))
        )

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        total = CounterMetricFamily("marketwatch_http_requests", "Answered requests", labels=("route", "status"))
        times = HistogramMetricFamily("marketwatch_http_request_seconds", "Time to answer", labels=("route",))
        merged: dict[str, list[float]] = {}
        for (route, status), row in sorted(self._routes.items()):
            total.add_metric((route, str(status)), sum(row[:-1]))
            merged[route] = [a + b for a, b in zip(merged.get(route, [0.0] * len(row)), row, strict=True)]
        for route, row in merged.items():
            times.add_metric((route,), _cumulative(row[:-1]), row[-1])
        return [total, times]


def _cumulative(counts: list[float]) -> list[tuple[str, float]]:
    buckets: list[tuple[str, float]] = []
    so_far = 0.0
    for edge, count in zip((*_EDGES_S, float("inf")), counts, strict=True):
        so_far += count
        buckets.append(("+Inf" if edge == float("inf") else str(edge), so_far))
    return buckets


class Telemetry:
    """Every metric that someone increments by hand, in a registry of its own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        where = self.registry
        self.http = HttpTimes()
        where.register(self.http)
        self.handler_errors = Counter(
            "marketwatch_handler_errors", "Failures of a subscriber of the bus", ["handler"], registry=where
        )
        self.errors = Counter("marketwatch_errors", "Unexpected failures by place", ["place"], registry=where)
        self.rate_limited = Counter(
            "marketwatch_rate_limited", "Requests refused because of a client's rate", ["budget"], registry=where
        )
        self.bad_requests = Counter(
            "marketwatch_bad_requests", "Requests refused before a route saw them", ["reason"], registry=where
        )
        self.loop_lag = Histogram(
            "marketwatch_loop_lag_seconds",
            "How late the event loop wakes up",
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
            registry=where,
        )
        self.loop_lag_last = Gauge("marketwatch_loop_lag_last_seconds", "The newest measurement of it", registry=where)
        self.store_ping = Histogram(
            "marketwatch_store_ping_seconds",
            "Time until the database answered",
            buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0),
            registry=where,
        )
        self.streams_cut = Counter("marketwatch_streams_cut", "Streams ended by us", ["reason"], registry=where)

    def exposition(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self.registry)
