"""The endpoints that answer from a generation, each declared once.

For each endpoint: the struct of its own parameters, the answer, and the function that computes one
from the other. A function runs metrics of one generation and arranges their rows; it never filters,
counts or rounds, because a metric's SQL defines what a number means and who may see it.

To add an endpoint, declare it in the module of its subject and list it in `ENDPOINTS`. The route
(`api.routes`), the OpenAPI document, the cache key and CSV follow from the declaration.
"""

from __future__ import annotations

from api.endpoints import (
    about,
    conversations,
    dashboard,
    events,
    growth,
    messages,
    people,
    reading,
    replies,
    volume,
)
from api.query import Endpoint

_NUMBERS: tuple[Endpoint, ...] = (
    dashboard.dashboard,
    messages.messages,
    messages.timeline,
    messages.top_senders,
    people.user,
    people.engagement,
    people.active_users,
    growth.active_timeline,
    growth.lifecycle,
    growth.retention,
    growth.activation,
    growth.people_heatmap,
    conversations.conversation,
    conversations.top_conversations,
    volume.message_heatmap,
    volume.conversation_mix,
    volume.concentration,
    volume.membership,
    reading.unread,
    reading.read_through,
    replies.reply_times,
    replies.reply_timeline,
    replies.reply_conversations,
    replies.read_rate,
    replies.response_matrix,
    events.event_counts,
    events.event_timeline,
)
ENDPOINTS = (*_NUMBERS, about.generation, about.catalog_of(_NUMBERS))
NEEDED_METRICS = frozenset(metric for one in ENDPOINTS for metric in one.metrics)
