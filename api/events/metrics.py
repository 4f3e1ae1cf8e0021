"""What Prometheus is told of the events."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# `rate(analytics_events_total[1m])` is the rate of events; `store` says who keeps them.
EVENTS = Counter("analytics_events", "Events answered with 202, by who confirmed them", ["store"])
NEW = Counter("analytics_events_new", "Rows that PostgreSQL did not have yet")
REFUSED = Counter("analytics_events_refused", "Events not answered with 202", ["reason"])
PENDING = Gauge(
    "analytics_events_pending",
    "Events that wait in the process for the next commit",
    multiprocess_mode="livesum",
)
QUEUE_DEPTH = Gauge(
    "analytics_events_queue_depth",
    "Events in the durable queue, waiting for PostgreSQL",
    multiprocess_mode="mostrecent",
)
AWAY = Gauge(
    "analytics_events_database_away",
    "1 while PostgreSQL does not take events",
    multiprocess_mode="livemax",
)
COMMIT_SECONDS = Histogram(
    "analytics_events_commit_seconds",
    "Time from the start of a group's write to its confirmation",
    ["store"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 2, 5),
)
