"""Who replies to whom, how fast, and what is answered and read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tests.metrics.oracle.clock import DAY, buckets
from tests.metrics.oracle.world import EVER, Row, Visibility, World, percent, written

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Said:
    """What one person wrote in one conversation at one instant.

    Decides: several messages of a person in the same microsecond are one; they have no order.
    """

    room: UUID
    at: datetime
    sender: int


class Talk:
    """What people wrote before `until`; nothing later is known."""

    def __init__(self, world: World, visible_to: int | None, until: datetime) -> None:
        self.visible = Visibility(world, visible_to, include_bots=False)
        self.types = {c.id: c.type for c in world.conversations}
        messages = written(self.visible.messages(EVER, until))
        self.said = {
            Said(m.conversation_id, m.created_at, m.sender_id)
            for m in messages
            if m.sender_id is not None
        }
        places = {m.id: (m.conversation_id, m.created_at) for m in world.messages}
        # Decides: messages of a conversation in the same microsecond share their receipts.
        self.reads = [
            (places[r.message_id], r.user_id, r.read_at)
            for r in world.receipts
            if r.message_id in places and r.read_at < until and self.visible.counts(r.user_id)
        ]

    def of(self, since: datetime, until: datetime, room: UUID | None) -> list[Said]:
        """What was written in [since, until)."""
        found = [s for s in self.said if since <= s.at < until and room in (None, s.room)]
        return sorted(found, key=lambda s: (s.at, s.room.int, s.sender))

    def replied_to(self, one: Said) -> list[Said]:
        """What it replies to: whatever others wrote at the latest earlier instant, if that is less
        than 24 hours before."""
        earlier = [s for s in self.said if s.room == one.room and s.at < one.at]
        latest = max((s.at for s in earlier), default=EVER)
        return [
            s for s in earlier if s.at == latest and s.sender != one.sender and one.at - s.at < DAY
        ]

    def reply_pause(self, one: Said) -> timedelta | None:
        """How long after it was written that to which it replies; None = it is no reply."""
        return max((one.at - s.at for s in self.replied_to(one)), default=None)

    def is_answered(self, one: Said, within: timedelta) -> bool:
        """Whether somebody else wrote in the conversation in less than this time."""
        return any(
            s.room == one.room and s.sender != one.sender and one.at < s.at < one.at + within
            for s in self.said
        )

    def read_pause(self, one: Said) -> timedelta | None:
        """How long until somebody else read it; None = nobody in less than 24 hours."""
        pauses = [
            at - one.at
            for place, reader, at in self.reads
            if place == (one.room, one.at) and reader != one.sender
        ]
        return min((p for p in pauses if timedelta(0) <= p < DAY), default=None)

    def present(self, room: UUID) -> set[int]:
        """The people, no bots and no deleted accounts, who are in a conversation now."""
        people = {u.id for u in self.visible.world.users if not u.is_bot and not u.deleted_at}
        return {p.user_id for p in self.visible.present if p.conversation_id == room} & people


def quantile(pauses: Iterable[timedelta], tenths: int) -> int | None:
    """The least pause, in whole seconds, that so many tenths of all do not exceed."""
    seconds = sorted(pause // SECOND for pause in pauses)
    enough = (s for n, s in enumerate(seconds, 1) if n * 10 >= len(seconds) * tenths)
    return next(enough, None)


def measured(talk: Talk, said: list[Said], since: datetime, until: datetime) -> Row:
    """Pauses of the replies among these, and shares of those that can be judged."""
    pauses = [p for s in said if (p := talk.reply_pause(s)) is not None]
    judged = [s for s in said if s.at < until - DAY]
    is_known = since < until - DAY
    return {
        "replies": len(pauses),
        "half_seconds": quantile(pauses, 5),
        "nine_tenths_seconds": quantile(pauses, 9),
        "judged_messages": len(judged),
        **{
            f"answered_in_{name}_rate": percent(
                sum(talk.is_answered(s, within) for s in judged), len(judged)
            )
            # Decides: what nobody can know yet is not 0.
            if is_known
            else None
            for name, within in (("1_hour", HOUR), ("24_hours", DAY))
        },
    }


def reply_times(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    for_conversation: UUID | None = None,
    visible_to: int | None = None,
) -> list[Row]:
    until = until or world.data_through
    talk = Talk(world, visible_to, until)
    said = talk.of(since, until, for_conversation)
    types = {talk.types.get(s.room) for s in said if talk.replied_to(s) or s.at < until - DAY}
    return [
        {
            "conversation_type": kind,
            **measured(
                talk, [s for s in said if kind in (None, talk.types.get(s.room))], since, until
            ),
            "relative_error": percent(0, 1),
        }
        for kind in (None, *sorted(t for t in types if t is not None))
    ]


def reply_timeline(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    every: str = "daily",
    tz: str = "UTC",
    for_conversation: UUID | None = None,
    visible_to: int | None = None,
) -> list[Row]:
    until = until or world.data_through
    talk = Talk(world, visible_to, until)
    said = talk.of(since, until, for_conversation)
    return [
        {
            "timestamp": start,
            **measured(talk, [s for s in said if start <= s.at < end], max(start, since), until),
            "is_partial": start < since or end > until,
        }
        for start, end in buckets(since, until, every, tz)
    ]


def reply_times_by_conversation(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    top_n: int = 10,
    visible_to: int | None = None,
) -> list[Row]:
    until = until or world.data_through
    talk = Talk(world, visible_to, until)
    titles = {c.id: c.title for c in world.conversations}
    rows = [
        {
            "conversation_id": room,
            "type": talk.types.get(room),
            "title": titles.get(room),
            **measured(talk, talk.of(since, until, room), since, until),
        }
        for room in {s.room for s in talk.said}
        if len(talk.present(room)) >= 5
    ]
    rows = [row for row in rows if row["replies"]]
    return sorted(rows, key=lambda row: (-row["replies"], row["conversation_id"].int))[:top_n]


def read_rate(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    for_conversation: UUID | None = None,
    visible_to: int | None = None,
) -> list[Row]:
    until = until or world.data_through
    talk = Talk(world, visible_to, until)
    judged = talk.of(since, max(since, until - DAY), for_conversation)
    types = {talk.types.get(s.room) for s in judged}
    rows = []
    for kind in (None, *sorted(t for t in types if t is not None)):
        found = [s for s in judged if kind in (None, talk.types.get(s.room))]
        pauses = [p for s in found if (p := talk.read_pause(s)) is not None]
        rows.append(
            {
                "conversation_type": kind,
                "judged_messages": len(found),
                "read_messages": len(pauses),
                "read_rate": percent(len(pauses), len(found)) if since < until - DAY else None,
                "median_seconds": quantile(pauses, 5),
            }
        )
    return rows


def response_matrix(
    world: World,
    *,
    for_conversation: UUID,
    since: datetime,
    until: datetime | None = None,
    top_n: int = 100,
    visible_to: int | None = None,
) -> list[Row]:
    until = until or world.data_through
    talk = Talk(world, visible_to, until)
    if len(talk.present(for_conversation)) < 5:
        return []
    pairs: dict[tuple[int, int], list[timedelta]] = {}
    for one in talk.of(since, until, for_conversation):
        for other in talk.replied_to(one):
            pairs.setdefault((one.sender, other.sender), []).append(one.at - other.at)
    # Decides: as in `top_senders`, a viewer does not see people who have left.
    seen = {
        pair: pauses
        for pair, pauses in pairs.items()
        if all(talk.visible.sees_person(person, for_conversation) for person in pair)
    }
    names = {u.id: u.username for u in world.users if u.deleted_at is None}
    return [
        {
            "from_user_id": pair[0],
            "from_username": names.get(pair[0]),
            "to_user_id": pair[1],
            "to_username": names.get(pair[1]),
            "replies": len(seen[pair]),
            "half_seconds": quantile(seen[pair], 5),
        }
        for pair in sorted(seen, key=lambda pair: (-len(seen[pair]), pair))[:top_n]
    ]
