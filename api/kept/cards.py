"""The cards and tiles of the page, as dashboards name them: a closed list, with their parameters.

An id never changes, because dashboards have it. A card of its own place in a dashboard may have its
own values of the parameters that its header offers, in place of those of the state. A test compares
this list with `pages/dashboard/cards`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CARDS: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(parameters)
    for name, parameters in {
        "messages": (),
        "active_people": (),
        "people_who_wrote": (),
        "engagement": (),
        "new_accounts": (),
        "median_reply": (),
        "right_now": (),
        "messages_over_time": ("interval",),
        "active_people_over_time": ("interval",),
        "when_people_write": (),
        "top_people": (),
        "top_conversations": ("include_direct", "sort_by"),
        "who_stays": ("interval",),
        "do_new_people_stay": ("interval",),
        "what_is_sent": (),
        "replies_and_reads": (),
        "events": ("interval",),
        "when_people_are_active": (),
        "reply_times_over_time": ("interval",),
        "my_unread": (),
        "reading": (),
        "conversation_mix": ("interval",),
        "membership": ("interval",),
        "activation": (),
        "concentration": (),
        "event_counts": (),
    }.items()
}
