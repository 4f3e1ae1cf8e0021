"""The requests of 64 concurrent clients: 50 paths, a few of them far more often than the others.

The frequencies follow Zipf's law: the second path half as often as the first, the third a third as
often. The first three are the administrator's dashboards of 1, 7 and 30 days, which the API always
computes before a new generation answers. The other 47 come from every endpoint; the API also
computes recently requested ones, as far as its time for warming allows, and the rest on the first
request to the new generation.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from api.app import PREFIX
from api.warmup import DASHBOARD_DAYS

CLIENTS = 64
SEED = 5
_SUBJECTS = 4

_DAYS = {
    "/dashboard": (2, 3, 5, 10, 14, 21, 45, 60, 90),
    "/messages": (1, 7, 30, 90, 365),
    "/timeline": (30, 90, 365),
    "/timeline?interval=hourly": (7,),
    "/timeline?interval=weekly": (365,),
    "/top-senders": (7, 30, 90, 365),
    "/engagement": (7, 30, 90),
    "/top-conversations": (7, 30, 90),
    "/top-conversations?sort_by=participants": (7, 30),
    "/top-conversations?sort_by=activity": (7, 30),
    "/events/counts": (7, 30),
    "/events/timeline": (7, 30),
}
_HOURS = (24, 168)

# The answers of a whole page view: each question of an administrator's page once.
_ZONE = "tz=Europe/Berlin"
PAGE = (
    "/messages?{period}",
    "/active-users?{period}",
    "/engagement?{period}",
    f"/timeline?{{period}}&{_ZONE}",
    "/top-senders?{period}",
    "/top-conversations?{period}",
    "/top-conversations?{period}&sort_by=participants",
    "/top-conversations?{period}&sort_by=activity",
    "/events/counts?{period}",
    f"/events/timeline?{{period}}&{_ZONE}",
    f"/active-timeline?{{period}}&{_ZONE}",
    f"/lifecycle?{{period}}&interval=weekly&{_ZONE}",
    f"/retention?{{period}}&interval=weekly&{_ZONE}",
    "/activation?{period}",
    f"/people-heatmap?{{period}}&{_ZONE}",
    f"/message-heatmap?{{period}}&{_ZONE}",
    "/reply-times?{period}",
    f"/reply-times/timeline?{{period}}&{_ZONE}",
    "/reply-times/conversations?{period}",
    "/read-rate?{period}",
    f"/conversation-mix?{{period}}&{_ZONE}",
    "/concentration?{period}",
)


@dataclass(frozen=True, slots=True)
class Workload:
    """The paths, the most frequent first, and their relative frequencies.

    Attributes:
        warmed: how many of the first paths the API computes before a generation answers.
    """

    paths: tuple[str, ...]
    weights: tuple[float, ...]
    warmed: int

    def is_warmed(self, path: int) -> bool:
        """Whether the path of this index is computed before a generation answers."""
        return path < self.warmed


def workload_for(url: str, token: str) -> Workload:
    """The paths for the server at `url`, about its most active users and conversations."""

    def most_active(ranking: str, rows: str, field: str) -> list[str]:
        found = httpx.get(
            f"{url}{PREFIX}/{ranking}",
            params={"days": 365, "limit": _SUBJECTS},
            headers={"Authorization": f"Bearer {token}"},
            timeout=300,
        )
        return [str(row[field]) for row in found.raise_for_status().json()[rows]]

    warmed = [dashboard(days) for days in DASHBOARD_DAYS]
    others = [
        f"{PREFIX}{path}{'&' if '?' in path else '?'}days={days}"
        for path, all_days in _DAYS.items()
        for days in all_days
    ]
    others += [f"{PREFIX}/active-users?hours={hours}" for hours in _HOURS]
    others += [
        f"{PREFIX}/user/{user}" for user in most_active("top-senders", "top_senders", "user_id")
    ]
    others += [
        f"{PREFIX}/conversation/{conversation}"
        for conversation in most_active("top-conversations", "conversations", "conversation_id")
    ]
    random.Random(SEED).shuffle(others)
    paths = (*warmed, *others)
    return Workload(paths, tuple(1 / rank for rank in range(1, len(paths) + 1)), len(warmed))


def page(days: int, end: str) -> str:
    """The path of a batch with every question of `PAGE` over `days` days, which end at `end`."""
    asked = (question.format(period=f"days={days}&end={end}") for question in PAGE)
    return f"{PREFIX}/batch?" + "&".join(f"ask={quote(question, safe='')}" for question in asked)


def dashboard(days: int, end: str | None = None) -> str:
    """The path of a dashboard over `days` days, which end now or at an instant."""
    return f"{PREFIX}/dashboard?days={days}" + ("" if end is None else f"&end={end}")
