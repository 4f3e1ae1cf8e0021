"""The endpoints that answer from a generation, each declared once.

For each endpoint: the struct of its own parameters, the answer, and the function that computes one
from the other. A function runs metrics of one generation and arranges their rows; it never filters,
counts or rounds, because a metric's SQL defines what a number means and who may see it.

To add an endpoint, declare it in the module of its subject and list it in `ENDPOINTS`. The route
(`api.routes`), the OpenAPI document, the cache key and CSV follow from the declaration.
"""

from __future__ import annotations

from api.endpoints import conversations, dashboard, events, messages, people, reading
from api.query import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    dashboard.dashboard,
    messages.messages,
    messages.timeline,
    messages.top_senders,
    people.user,
    people.engagement,
    people.active_users,
    conversations.conversation,
    conversations.top_conversations,
    reading.unread,
    reading.read_through,
    events.event_counts,
    events.event_timeline,
)
NEEDED_METRICS = frozenset(metric for one in ENDPOINTS for metric in one.metrics)
