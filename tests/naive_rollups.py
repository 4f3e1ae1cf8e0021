"""Every rollup as a naive count over the rows of the messenger, in Python, from its definition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from tests import contents

Row = tuple[Any, ...]
QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)


def rows(source: dict[str, contents.Rows], table: str) -> Iterator[Row]:
    """The rows of a table, duplicates included."""
    return source[table].elements()


def living_messages(source: dict[str, contents.Rows]) -> Iterator[Row]:
    """Messages that are not deleted, as (time, conversation, sender, type, length)."""
    return (row[:5] for row in rows(source, "messages") if row[6] is None)


def types_of_conversations(source: dict[str, contents.Rows]) -> dict[Any, Any]:
    """The type of each conversation that the messenger has."""
    return {row[0]: row[1] for row in rows(source, "conversations")}


def bots_of(source: dict[str, contents.Rows]) -> set[Any]:
    """The users who are bots."""
    return {row[0] for row in rows(source, "users") if row[2]}


def grouped(keyed: Iterable[tuple[Row, Row]]) -> dict[Row, list[Row]]:
    """The values of each key."""
    groups: dict[Row, list[Row]] = {}
    for key, value in keyed:
        groups.setdefault(key, []).append(value)
    return groups


def quarter(moment: datetime) -> int:
    """The number of the quarter-hour of its day, 0 to 95."""
    return moment.hour * 4 + moment.minute // 15


def mask(moments: Iterable[datetime]) -> tuple[int, int]:
    """The quarter-hours of these moments as two masks, before noon and from noon."""
    numbers = {quarter(moment) for moment in moments}
    low = sum(1 << number for number in numbers if number < 48)
    return low, sum(1 << (number - 48) for number in numbers if number >= 48)


def measured(group: list[Row]) -> Row:
    """length_sum, measured_count, first_at, last_at of messages."""
    lengths = [row[4] for row in group if row[4] is not None]
    times = [row[0] for row in group]
    return sum(lengths), len(lengths), min(times), max(times)


def typed(group: list[Row], *types: str) -> Row:
    """How many messages have each of these types."""
    return tuple(sum(row[3] == name for row in group) for name in types)


def message_days(source: dict[str, contents.Rows]) -> contents.Rows:
    """By day, conversation, sender and whether it is a system message."""
    groups = grouped(
        ((row[0].date(), row[1], row[2], row[3] == "system"), row)
        for row in living_messages(source)
    )
    return Counter(
        (*key, len(group), *typed(group, "text", "image", "file"), *measured(group))
        for key, group in groups.items()
    )


def message_quarter_hours(source: dict[str, contents.Rows]) -> contents.Rows:
    """By quarter-hour, type of conversation, and whether system messages, and bots' ones."""
    types, bots = types_of_conversations(source), bots_of(source)
    counts = Counter(
        (_begin(at), types.get(room), type_ == "system", sender in bots)
        for at, room, sender, type_, _ in living_messages(source)
    )
    return Counter((*key, count) for key, count in counts.items())


def read_quarter_hours(source: dict[str, contents.Rows]) -> contents.Rows:
    """By quarter-hour, type of conversation, and whether bots' reads."""
    types, bots = types_of_conversations(source), bots_of(source)
    counts = Counter(
        (_begin(at), types.get(room), reader in bots)
        for at, room, reader, _ in rows(source, "read_receipts")
    )
    return Counter((*key, count) for key, count in counts.items())


def user_type_days(source: dict[str, contents.Rows]) -> contents.Rows:
    """By day, user and type of conversation: the mask of messages and reads."""
    types = types_of_conversations(source)
    active = [
        (at, sender, types.get(room))
        for at, room, sender, type_, _ in living_messages(source)
        if sender is not None and type_ != "system"
    ] + [(at, reader, types.get(room)) for at, room, reader, _ in rows(source, "read_receipts")]
    groups = grouped(((at.date(), user, type_), (at,)) for at, user, type_ in active)
    return Counter((*key, *mask(at for (at,) in group)) for key, group in groups.items())


def user_firsts(source: dict[str, contents.Rows]) -> contents.Rows:
    """By user: their first message or read."""
    active = [
        (sender, at)
        for at, _, sender, type_, _ in living_messages(source)
        if sender is not None and type_ != "system"
    ] + [(reader, at) for at, _, reader, _ in rows(source, "read_receipts")]
    groups = grouped(((user,), (at,)) for user, at in active)
    return Counter((*key, min(group)[0]) for key, group in groups.items())


def message_outcomes(source: dict[str, contents.Rows]) -> contents.Rows:
    """By instant, conversation and sender, from the definition: every pair of messages is seen."""
    types, bots = types_of_conversations(source), bots_of(source)
    rooms: dict[Any, set[tuple[datetime, Any]]] = {}
    for at, room, sender, type_, _ in living_messages(source):
        if None not in (room, sender) and type_ != "system" and sender not in bots:
            rooms.setdefault(room, set()).add((at, sender))
    reads = grouped(
        ((room, of), (at, reader))
        for at, room, reader, of in rows(source, "read_receipts")
        if reader not in bots
    )
    found: contents.Rows = Counter()
    for room, written in rooms.items():
        for at, sender in written:
            earlier = max((t for t, _ in written if t < at), default=None)
            replied = any(t == earlier and other != sender for t, other in written)
            answered = min((t for t, other in written if t > at and other != sender), default=None)
            seen = [t for t, r in reads.get((room, at), []) if r != sender and t >= at]
            found[
                at,
                room,
                sender,
                types.get(room),
                _seconds(earlier if replied else None, at),
                _seconds(at, answered),
                _seconds(at, min(seen, default=None)),
            ] += 1
    return found


def user_days(source: dict[str, contents.Rows]) -> contents.Rows:
    """By day and user: counts and masks of messages and reads."""
    sent = grouped(
        ((row[0].date(), row[2]), row[:1])
        for row in living_messages(source)
        if row[2] is not None and row[3] != "system"
    )
    read = grouped(((row[0].date(), row[2]), row[:1]) for row in rows(source, "read_receipts"))
    found: contents.Rows = Counter()
    for key in sent.keys() | read.keys():
        mine, seen = sent.get(key, []), read.get(key, [])
        masks = (*mask(t for (t,) in mine), *mask(t for (t,) in seen))
        found[(*key, len(mine), len(seen), *masks)] += 1
    return found


def read_days(source: dict[str, contents.Rows]) -> contents.Rows:
    """By day, conversation and reader: reads, those of own messages, the first, the last."""
    sent = {(row[1], row[2], row[0]) for row in rows(source, "messages")}
    groups = grouped(
        ((row[0].date(), row[1], row[2]), (row[0], (row[1], row[2], row[3]) in sent))
        for row in rows(source, "read_receipts")
    )
    return Counter(
        (*key, len(group), sum(is_own for _, is_own in group), min(group)[0], max(group)[0])
        for key, group in groups.items()
    )


def event_days(source: dict[str, contents.Rows]) -> contents.Rows:
    """By day, type, conversation and user."""
    counts = Counter((row[0].date(), *row[1:]) for row in rows(source, "events"))
    return Counter((*key, count) for key, count in counts.items())


def event_quarter_hours(source: dict[str, contents.Rows]) -> contents.Rows:
    """By quarter-hour and type."""
    counts = Counter((_begin(row[0]), row[1]) for row in rows(source, "events"))
    return Counter((*key, count) for key, count in counts.items())


NAIVE: dict[str, Callable[[dict[str, contents.Rows]], contents.Rows]] = {
    "message_days": message_days,
    "message_quarter_hours": message_quarter_hours,
    "user_days": user_days,
    "read_days": read_days,
    "event_days": event_days,
    "event_quarter_hours": event_quarter_hours,
    "read_quarter_hours": read_quarter_hours,
    "user_type_days": user_type_days,
    "user_firsts": user_firsts,
    "message_outcomes": message_outcomes,
}


def of_source(source: dict[str, contents.Rows]) -> dict[str, contents.Rows]:
    """Every rollup, from the rows of the messenger."""
    return {name: naive(source) for name, naive in NAIVE.items()}


def _begin(moment: datetime) -> datetime:
    """The start of the quarter-hour of a moment."""
    return moment - (moment - datetime(2000, 1, 1)) % QUARTER


def _seconds(since: datetime | None, until: datetime | None) -> int | None:
    """Whole seconds between two moments, if there are both and they are less than a day apart."""
    if since is None or until is None or until - since >= DAY:
        return None
    return (until - since) // timedelta(seconds=1)
