"""Request logging and Prometheus metrics.

Litestar's Prometheus middleware sees only requests that have a route and takes 60 µs for each,
twice as long as a whole cached answer; so requests are counted here, and Litestar's controller only
renders the metrics.

With several workers set `PROMETHEUS_MULTIPROC_DIR` to an empty directory: each worker keeps its
metrics there, and `/metrics` of any worker adds them up.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from litestar.types import Scope
from prometheus_client import Counter, Gauge, Histogram

from api.cache import SOURCE, Source
from olap.log import cut, get_logger

_METHODS = frozenset({"GET", "POST", "OPTIONS", "HEAD", "PUT", "PATCH", "DELETE"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Histogram(
    "analytics_request_duration_seconds",
    "Time from a request to the last byte of its answer",
    ["method", "route", "status"],
    buckets=_BUCKETS,
)
ANSWERS = Counter("analytics_answers", "Answers by source: hit, miss, bypass", ["source"])
COMPUTED = Histogram(
    "analytics_metric_duration_seconds",
    "Time to compute a metric, waiting for a thread included",
    ["metric"],
    buckets=_BUCKETS,
)
ENGINE_QUESTIONS = Counter(
    "analytics_engine_questions",
    "Questions for the engine: answered, failed, slow, unavailable, refused",
    ["outcome"],
)
ENGINE_SECONDS = Histogram(
    "analytics_engine_duration_seconds",
    "Time until the engine has answered a metric or was given up, waiting for a thread included",
    ["metric"],
    buckets=(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0),
)
ENGINE_AWAY = Gauge(
    "analytics_engine_away",
    "1 while the engine is not asked because it failed",
    multiprocess_mode="livemax",
)
GENERATION = Gauge(
    "analytics_generation", "Number of the generation that serves", multiprocess_mode="max"
)
DATA_THROUGH = Gauge(
    "analytics_data_through_timestamp_seconds",
    "End of the data of the generation that serves",
    multiprocess_mode="max",
)
DATA_LAG = Gauge(
    "analytics_data_lag_seconds", "Age of the end of the data", multiprocess_mode="mostrecent"
)
BREAKER_OPEN = Gauge(
    "analytics_redis_breaker_open",
    "1 while Redis is not used because it failed",
    multiprocess_mode="livemax",
)
TASK_FAILING = Gauge(
    "analytics_task_failing",
    "1 while a background task fails and is tried again",
    ["task"],
    multiprocess_mode="livemax",
)
TASK_FAILURES = Counter(
    "analytics_task_failures", "Rounds of a background task that failed", ["task"]
)
STREAMS = Gauge(
    "analytics_streams",
    "Clients that are told what is new, by their connection: stream, socket",
    ["kind"],
    multiprocess_mode="livesum",
)

# `rate(analytics_events_total[1m])` is the rate of events.
EVENTS = Counter("analytics_events", "Events answered with 202, by what stored them", ["store"])
EVENTS_NEW = Counter("analytics_events_new", "Events that PostgreSQL did not have yet")
EVENTS_REFUSED = Counter("analytics_events_refused", "Events not answered with 202", ["reason"])
EVENTS_PENDING = Gauge(
    "analytics_events_pending",
    "Events that wait in the process for the next commit",
    multiprocess_mode="livesum",
)
EVENTS_QUEUE_DEPTH = Gauge(
    "analytics_events_queue_depth",
    "Events in the durable queue, waiting for PostgreSQL",
    multiprocess_mode="mostrecent",
)
EVENTS_UNNAMED = Gauge(
    "analytics_events_unnamed",
    "Events of an earlier version that wait under a name without a deployment",
    multiprocess_mode="mostrecent",
)
EVENTS_DATABASE_AWAY = Gauge(
    "analytics_events_database_away",
    "1 while PostgreSQL does not accept events",
    multiprocess_mode="livemax",
)
EVENTS_COMMIT_SECONDS = Histogram(
    "analytics_events_commit_seconds",
    "Time to write a group of events, until it is confirmed",
    ["store"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 2, 5),
)


@cache
def proved() -> Gauge:
    """The gauge of the last proof, made by the first one.

    A gauge that exists without a value is exported as 0, a proof in 1970.
    """
    return Gauge(
        "analytics_last_proof_timestamp_seconds",
        "Time since which every table has been proved equal to the source; absent before",
        multiprocess_mode="mostrecent",
    )


class _ForwardHandler(logging.Handler):
    """Passes the records of other loggers (the server's, a library's) to ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record under the name of its logger."""
        logger = get_logger(record.name)
        logger.log(record.levelno, record.getMessage(), exc_info=record.exc_info)


def forward_logging(level: str) -> None:
    """Send everything that this process logs to one log, in one format."""
    logging.basicConfig(handlers=[_ForwardHandler()], level=level.upper(), force=True)


class RequestRecord:
    """Counts and logs requests."""

    def __init__(self) -> None:
        # Bound once: binding a logger takes longer than writing a line.
        self._log = get_logger(__name__).bind()
        self._durations: dict[tuple[str, str, int], Any] = {}
        self._sources = {source: ANSWERS.labels(source.value) for source in Source}

    def __call__(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        """Record a request that has been answered."""
        method = method if method in _METHODS else "other"
        key = method, scope.get("path_template") or "none", status
        duration = self._durations.get(key)
        if duration is None:
            duration = self._durations[key] = REQUESTS.labels(*key)
        duration.observe(seconds)
        source = scope["state"].get(SOURCE) if "state" in scope else None
        if source is not None:
            self._sources[source].inc()
        principal = scope.get("user")
        self._log.info(
            "request",
            method=method,
            path=cut(scope["path"]),
            query=cut(scope["query_string"].decode("latin-1")),
            status=status,
            ms=round(seconds * 1000, 2),
            cache=source,
            role=None if principal is None else principal.role.value,
        )
