"""The client for other Python programs: one file, `messenger_analytics.py`, to copy into them.

The server does not import it, and it imports nothing but the standard library.
"""

from api.client.messenger_analytics import (
    AnalyticsClient,
    AnalyticsEventType,
    Answer,
    Batch,
    BatchError,
    ClientStats,
    get_analytics_service,
    start_analytics_service,
)

__all__ = [
    "AnalyticsClient",
    "AnalyticsEventType",
    "Answer",
    "Batch",
    "BatchError",
    "ClientStats",
    "get_analytics_service",
    "start_analytics_service",
]
