"""Calls every operation with a client generated for Python, and prints what each returned.

    python python_calls.py URL TOKEN USER CONVERSATION

It runs in the environment of the generator, with the generated package on the path.
"""

import json
import sys
from typing import Any
from uuid import UUID, uuid4

from messenger_analytics_client import AuthenticatedClient
from messenger_analytics_client.api.analytics import (
    activation,
    active_timeline,
    active_users,
    batch,
    catalog,
    concentration,
    conversation,
    conversation_mix,
    dashboard,
    engagement,
    event_counts,
    event_timeline,
    generation,
    lifecycle,
    membership,
    message_heatmap,
    messages,
    people_heatmap,
    read_rate,
    read_through,
    reply_conversations,
    reply_timeline,
    reply_times,
    response_matrix,
    retention,
    timeline,
    top_conversations,
    top_senders,
    unread,
    user,
)
from messenger_analytics_client.api.events import post_events, recent_events
from messenger_analytics_client.api.kept import (
    delete_thing,
    kept_templates,
    kept_thing,
    kept_things,
    put_thing,
)
from messenger_analytics_client.api.operation import live, ready
from messenger_analytics_client.models import (
    Comparison,
    Event,
    EventEventType,
    Every,
    EveryDays,
    IdForm,
    NewState,
    NewView,
    NewViewKind,
    Ranking,
)

url, token, person, room = sys.argv[1:]
client = AuthenticatedClient(url, token)
event = Event(event_type=EventEventType.USER_ONLINE, user_id=int(person))
view = NewView(kind=NewViewKind.VIEW, name="This week", state=NewState(days="7"))
thing_id = uuid4()
answers: dict[str, Any] = {
    "put_thing": put_thing.sync_detailed(thing_id, client=client, body=view, if_none_match="*"),
    "kept_things": kept_things.sync_detailed(client=client),
    "kept_thing": kept_thing.sync_detailed(thing_id, client=client),
    "kept_templates": kept_templates.sync_detailed(client=client),
    "delete_thing": delete_thing.sync_detailed(thing_id, client=client, if_match='"1"'),
    "active_users": active_users.sync_detailed(client=client, hours=48),
    "batch": batch.sync_detailed(client=client, ask=["/messages?days=7", "/user/none"]),
    "catalog": catalog.sync_detailed(client=client),
    "conversation": conversation.sync_detailed(UUID(room), client=client),
    "dashboard": dashboard.sync_detailed(client=client, days=7),
    "engagement": engagement.sync_detailed(client=client, include_bots=False),
    "event_counts": event_counts.sync_detailed(client=client),
    "event_timeline": event_timeline.sync_detailed(client=client, interval=Every.WEEKLY),
    "generation": generation.sync_detailed(client=client),
    "concentration": concentration.sync_detailed(client=client, days=7),
    "conversation_mix": conversation_mix.sync_detailed(client=client, interval=Every.WEEKLY),
    "activation": activation.sync_detailed(client=client, days=90),
    "active_timeline": active_timeline.sync_detailed(client=client, tz="Asia/Kathmandu"),
    "lifecycle": lifecycle.sync_detailed(client=client, interval=EveryDays.DAILY),
    "people_heatmap": people_heatmap.sync_detailed(client=client, days=7),
    "retention": retention.sync_detailed(client=client, interval=EveryDays.MONTHLY),
    "membership": membership.sync_detailed(client=client, interval=EveryDays.MONTHLY),
    "message_heatmap": message_heatmap.sync_detailed(client=client, tz="Asia/Kathmandu"),
    "messages": messages.sync_detailed(
        client=client, conversation_id=UUID(room), days=2, compare=Comparison.PREVIOUS
    ),
    "read_rate": read_rate.sync_detailed(client=client, days=90),
    "read_through": read_through.sync_detailed(client=client),
    "reply_conversations": reply_conversations.sync_detailed(client=client, limit=5),
    "reply_timeline": reply_timeline.sync_detailed(client=client, interval=Every.MONTHLY),
    "reply_times": reply_times.sync_detailed(client=client, conversation_id=UUID(room)),
    "response_matrix": response_matrix.sync_detailed(UUID(room), client=client),
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
            name: [
                int(answer.status_code),
                type(answer.parsed).__name__,
                None if answer.parsed is None else answer.parsed.to_dict(),
            ]
            for name, answer in answers.items()
        }
    )
)
