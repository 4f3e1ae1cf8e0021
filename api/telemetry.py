"""What is told of the API while it runs: one log line per request, and the numbers of `/metrics`.

The telemetry stands outside of everything else, so that also what Litestar answers by itself (404,
405, CORS) is counted and logged. Litestar's own Prometheus middleware sees only requests that have
a route and takes 60 µs for each, twice what a cached answer takes in all; so its controller shows
the numbers, and they are counted here.

With several workers set `PROMETHEUS_MULTIPROC_DIR`, an empty directory: each worker keeps its
numbers there, and `/metrics` of any of them adds them up.
"""

from __future__ import annotations

import logging
import re
import time
from secrets import token_hex
from typing import Any

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter, Gauge, Histogram

from api.front import SOURCE
from olap.log import get_logger

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Histogram(
    "analytics_request_duration_seconds",
    "Time from a request to the last byte of its answer",
    ["method", "route", "status"],
    buckets=_BUCKETS,
)
ANSWERS = Counter(
    "analytics_answers", "Answers by where they came from: hit, miss, bypass", ["source"]
)
COMPUTED = Histogram(
    "analytics_metric_duration_seconds",
    "Time that a metric took, waiting for a thread included",
    ["metric"],
    buckets=_BUCKETS,
)
GENERATION = Gauge(
    "analytics_generation", "Number of the generation that answers", multiprocess_mode="max"
)
DATA_THROUGH = Gauge(
    "analytics_data_through_timestamp_seconds",
    "As of when the data are that are answered from",
    multiprocess_mode="max",
)
DATA_LAG = Gauge(
    "analytics_data_lag_seconds", "How old these data are", multiprocess_mode="mostrecent"
)
PROVED = Gauge(
    "analytics_last_proof_timestamp_seconds",
    "Since when every table has been proved equal to the source; 0 = one has not been yet",
    multiprocess_mode="mostrecent",
)
BREAKER_OPEN = Gauge(
    "analytics_redis_breaker_open",
    "1 while Redis is not asked because it failed",
    multiprocess_mode="livemax",
)


class _Forward(logging.Handler):
    """Hands the lines of other people's loggers (the server's, a library's) to ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it under the name of who said it."""
        logger = get_logger(record.name)
        logger.log(record.levelno, record.getMessage(), exc_info=record.exc_info)


def forward_logging(level: str) -> None:
    """One log, in one format, for everything in this process."""
    logging.basicConfig(handlers=[_Forward()], level=level.upper(), force=True)


class Telemetry:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # Bound once: to bind a logger anew takes longer than to write a line.
        self._log = get_logger(__name__).bind()
        self._durations: dict[tuple[str, str, int], Any] = {}
        self._sources = {source: ANSWERS.labels(source) for source in ("hit", "miss", "bypass")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and tell what became of it."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        request_id = _request_id(scope)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 500

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_and_see)
        finally:
            self._tell(scope, status, time.perf_counter() - begun)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope.get("method", "")
        route = scope.get("path_template") or "none"
        key = (method if method in _METHODS else "other", route, status)
        duration = self._durations.get(key)
        if duration is None:
            duration = self._durations[key] = REQUESTS.labels(*key)
        duration.observe(seconds)
        source = scope["state"].get(SOURCE) if "state" in scope else None
        if source is not None:
            self._sources[source].inc()
        asker = scope.get("user")
        self._log.info(
            "request",
            method=method,
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            status=status,
            ms=round(seconds * 1000, 2),
            cache=source,
            role=None if asker is None else asker.role.value,
        )


_METHODS = frozenset({"GET", "POST", "OPTIONS", "HEAD", "PUT", "PATCH", "DELETE"})


def _request_id(scope: Scope) -> str:
    """The caller's id for the request where it is a plain one, or a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode("ascii")
    return token_hex(16)
