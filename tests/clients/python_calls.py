"""Calls every operation with a client generated for Python, and prints what each returned.

    python python_calls.py URL TOKEN USER CONVERSATION

It runs in the environment of the generator, with the generated package on the path.
"""

import json
import sys
from typing import Any
from uuid import UUID

from messenger_analytics_client import AuthenticatedClient
from messenger_analytics_client.api.analytics import (
    active_users,
    conversation,
    dashboard,
    engagement,
    event_counts,
    event_timeline,
    messages,
    read_through,
    timeline,
    top_conversations,
    top_senders,
    unread,
    user,
)
from messenger_analytics_client.api.events import post_events, recent_events
from messenger_analytics_client.api.operation import live, ready
from messenger_analytics_client.models import Event, EventEventType, Every, IdForm, Ranking

url, token, person, room = sys.argv[1:]
client = AuthenticatedClient(url, token)
event = Event(event_type=EventEventType.USER_ONLINE, user_id=int(person))
answers: dict[str, Any] = {
    "active_users": active_users.sync_detailed(client=client, hours=48),
    "conversation": conversation.sync_detailed(UUID(room), client=client),
    "dashboard": dashboard.sync_detailed(client=client, days=7),
    "engagement": engagement.sync_detailed(client=client, include_bots=False),
    "event_counts": event_counts.sync_detailed(client=client),
    "event_timeline": event_timeline.sync_detailed(client=client, interval=Every.WEEKLY),
    "messages": messages.sync_detailed(client=client, conversation_id=UUID(room)),
    "read_through": read_through.sync_detailed(client=client),
    "timeline": timeline.sync_detailed(client=client, tz="Europe/Berlin"),
    "top_conversations": top_conversations.sync_detailed(client=client, sort_by=Ranking.ACTIVITY),
    "top_senders": top_senders.sync_detailed(client=client, limit=1, ids=IdForm.TEXT),
    "unread": unread.sync_detailed(person, client=client),
    "user": user.sync_detailed(person, client=client),
    "post_events": post_events.sync_detailed(client=client, body=[event, event]),
    "recent_events": recent_events.sync_detailed(client=client),
    "live": live.sync_detailed(client=client),
    "ready": ready.sync_detailed(client=client),
}
print(
    json.dumps(
        {
            name: [int(answer.status_code), type(answer.parsed).__name__, answer.parsed.to_dict()]
            for name, answer in answers.items()
        }
    )
)
