"""A community to look at: fifteen weeks of some seventy people, for the tests of the page.

It has what a page may fail on: names in scripts from right to left and without blanks, markup and
formulas as names, ids beyond 2^53, deleted accounts, bots, a conversation without a title and one
of three people, people who come, go and return. What was
written before the day of `NOW` is the same at any time of that day, because each day, and each
table, draws from a seed of its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from tests.world import uuid


def recent() -> datetime:
    """A minute ago."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)


# The end of the data: recent, so that the page does not call it old.
NOW = recent()
DAYS = 105

ALICE, BOB = 1, 2
# JavaScript reads it as another number.
BEYOND_DOUBLES = 9_007_199_254_740_993
DIGEST_BOT, BUILD_BOT = 901, 902
DELETED = (12, 13)
# Has an account, and nothing else.
SILENT = 903

_NAMES = {
    ALICE: "alice",
    BOB: "bob",
    3: "مريم الخطيب",
    4: "דנה לוי",
    5: "王小明",
    6: "さくら",
    7: "Zoë Åström",
    8: "<b>bold</b>",
    9: "=HYPERLINK(1)",
    10: "🦊 fox",
    11: "somebody-with-a-name-of-sixty-characters-that-no-column-can-show",
    BEYOND_DOUBLES: "beyond doubles",
    DIGEST_BOT: "digest-bot",
    BUILD_BOT: "build-bot",
    SILENT: "silent",
}
_FIRST = ("ana", "boris", "chen", "dina", "ed", "fatou", "gus", "hana", "ivo", "june")
_LAST = ("adler", "berg", "costa", "diaz", "evans")

ENGINEERING, ARABIC, JAPANESE, MARKUP, SMALL, UNTITLED, NEWS, RANDOM = range(1, 9)
_TITLES = {
    ENGINEERING: ("group", "Engineering"),
    ARABIC: ("group", "مجتمع اللغة العربية"),
    JAPANESE: ("group", "日本語チャット"),
    MARKUP: ("group", "Design & <i>research</i>"),
    SMALL: ("group", "Small room"),
    UNTITLED: ("group", None),
    NEWS: ("channel", "Announcements"),
    RANDOM: ("channel", "Random"),
}
_FIRST_DIRECT = 11
_TYPES = ("text", "image", "file", "voice", "video", "system")
_TYPE_WEIGHTS = (78, 11, 5, 3, 1, 2)
_EVENT_TYPES = (
    "message.sent", "message.edited", "message.read", "user.online", "user.offline",
    "conversation.joined", "conversation.left", "file.uploaded",
)  # fmt: skip
_EVENT_WEIGHTS = (30, 3, 30, 12, 12, 2, 1, 10)


@dataclass(frozen=True, slots=True)
class Person:
    """Who writes: from one day to another, days counted back from `NOW`; and how often."""

    id: int
    first_day: int
    last_day: int
    eagerness: float


def fill(url: str) -> None:
    """Write the community into a database with our messenger's tables."""
    with psycopg.connect(url, autocommit=True) as connection:
        for table, columns, rows in _tables():
            _copy(connection, table, columns, rows)


def write_messages(url: str, count: int, at: datetime) -> None:
    """Write messages of Alice in Engineering, a second apart, from `at` on."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("select count(*) from messages").fetchone()
        assert row is not None
        rows = [
            (uuid(10_000_000 + row[0] + i), uuid(ENGINEERING), ALICE, "text", "news",
             at + timedelta(seconds=i), None)
            for i in range(count)
        ]  # fmt: skip
        _copy(connection, "messages", _MESSAGE, rows)


_MESSAGE = (
    "id", "conversation_id", "sender_id", "message_type", "content", "created_at", "deleted_at",
)  # fmt: skip


def _copy(
    connection: psycopg.Connection[Any],
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> None:
    with connection.cursor() as cursor:
        statement = f"copy {table} ({', '.join(columns)}) from stdin".encode()
        with cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)


def messages() -> list[tuple[Any, ...]]:
    """The rows of its messages, oldest first: `_MESSAGE`."""
    people = _people()
    return list(_messages(people, _rooms([person.id for person in people])))


def _chooser(*drawing: object) -> random.Random:
    """The choices of a table, or of one row or day of it: others do not change them."""
    return random.Random(" ".join(map(str, drawing)))


def _tables() -> Iterator[tuple[str, Sequence[str], Iterable[Sequence[Any]]]]:
    people = _people()
    rooms = _rooms([person.id for person in people])
    written = list(_messages(people, rooms))
    yield "users", ("id", "username", "is_bot", "created_at", "deleted_at"), _users(people)
    yield (
        "conversations",
        ("id", "type", "title", "created_at"),
        [(uuid(room), *_TITLES.get(room, ("direct", None)), _day(DAYS + 5)) for room in rooms],
    )
    yield (
        "conversation_participants",
        ("conversation_id", "user_id", "joined_at", "left_at"),
        _participants(people, rooms),
    )
    yield "messages", _MESSAGE, written
    yield (
        "message_read_receipts",
        ("message_id", "user_id", "read_at"),
        _receipts(written, rooms, people),
    )
    yield (
        "message_reactions",
        ("message_id", "user_id", "emoji", "created_at"),
        _reactions(written[::9], people),
    )
    yield (
        "analytics_events",
        ("id", "event_type", "user_id", "conversation_id", "created_at"),
        _events(people),
    )


def _people() -> list[Person]:
    """Some stay from the beginning, some come later, and some stop."""
    choose = _chooser("people")
    ids = [*range(1, 65), BEYOND_DOUBLES]
    found = []
    for number in ids:
        is_old = number <= 11 or choose.random() < 0.4
        first = DAYS if is_old else choose.randrange(3, DAYS)
        may_stop = 13 < number < BEYOND_DOUBLES
        last = choose.randrange(0, first) if may_stop and choose.random() < 0.25 else 0
        eagerness = 0.85 if number <= 3 else choose.uniform(0.15, 0.7)
        found.append(Person(number, first, 25 if number in DELETED else last, eagerness))
    return found


def _users(people: list[Person]) -> Iterator[tuple[Any, ...]]:
    for number, person in enumerate(people):
        name = f"{_FIRST[number % len(_FIRST)]}.{_LAST[number % len(_LAST)]}{number}"
        deleted_at = _day(20) if person.id in DELETED else None
        joined = _day(person.first_day + 1)
        yield person.id, _NAMES.get(person.id, name), False, joined, deleted_at
    for bot in (DIGEST_BOT, BUILD_BOT):
        yield bot, _NAMES[bot], True, _day(DAYS + 1), None
    yield SILENT, _NAMES[SILENT], False, _day(2), None


def _rooms(ids: list[int]) -> dict[int, list[int]]:
    """The members of each conversation."""
    choose = _chooser("rooms")
    rooms = {
        ENGINEERING: [ALICE, BOB, *ids[2:26], BEYOND_DOUBLES],
        ARABIC: [3, ALICE, *choose.sample(ids[13:], 6)],
        JAPANESE: [5, 6, *choose.sample(ids[13:], 5)],
        MARKUP: [7, 8, 9, 10, 11, ALICE],
        SMALL: [ALICE, BOB, 4],
        UNTITLED: [ALICE, *choose.sample(ids[1:], 8)],
        NEWS: list(ids),
        RANDOM: [ALICE, *choose.sample(ids[1:], 34)],
    }
    pairs = [(ALICE, BOB), (ALICE, 3), *(tuple(choose.sample(ids, 2)) for _ in range(14))]
    for number, pair in enumerate(pairs, _FIRST_DIRECT):
        rooms[number] = list(pair)
    return rooms


def _participants(people: list[Person], rooms: dict[int, list[int]]) -> Iterator[tuple[Any, ...]]:
    choose = _chooser("participants")
    since = {person.id: person.first_day for person in people}
    for room, members in rooms.items():
        for member in members:
            joined = _day(since[member]) + timedelta(minutes=5)
            has_left = room in (RANDOM, UNTITLED) and member > 20 and choose.random() < 0.2
            yield uuid(room), member, joined, _day(9) if has_left else None
    for room in (ENGINEERING, NEWS):
        for bot in (DIGEST_BOT, BUILD_BOT):
            yield uuid(room), bot, _day(DAYS), None


def _messages(people: list[Person], rooms: dict[int, list[int]]) -> Iterator[tuple[Any, ...]]:
    own = {
        person.id: [r for r, members in rooms.items() if person.id in members] for person in people
    }
    number = 0
    for day in range(DAYS, -1, -1):
        choose = _chooser("messages", day)
        weekend = _day(day).weekday() >= 5
        written: list[tuple[datetime, int, int, str | None]] = []
        for person in people:
            is_here = person.first_day >= day >= person.last_day
            if not is_here or choose.random() > person.eagerness * (0.35 if weekend else 1):
                continue
            for _ in range(choose.choices((1, 2, 3, 5), (5, 4, 2, 1))[0]):
                room = choose.choices(
                    own[person.id], [1 / (1 + i) for i in range(len(own[person.id]))]
                )[0]
                written.append((_moment(choose, day), person.id, room, None))
        written += [
            (_midnight(day) + timedelta(hours=hour, minutes=bot % 7), bot, ENGINEERING, "text")
            for bot, hour in ((DIGEST_BOT, 6), (BUILD_BOT, 13))
        ]
        for at, sender, room, kind in sorted(written, key=lambda one: one[0]):
            if at > NOW:
                continue
            number += 1
            type_ = kind or choose.choices(_TYPES, _TYPE_WEIGHTS)[0]
            content = "x" * choose.randrange(3, 160) if type_ in ("text", "system") else None
            deleted_at = min(at + timedelta(hours=1), NOW) if choose.random() < 0.02 else None
            yield uuid(number), uuid(room), sender, type_, content, at, deleted_at


def _receipts(
    messages: list[tuple[Any, ...]],
    rooms: dict[int, list[int]],
    people: list[Person],
) -> Iterator[tuple[Any, ...]]:
    members = {uuid(room): set(own) for room, own in rooms.items()}
    for message in messages:
        choose = _chooser("receipts", message[0])
        day = (NOW.date() - message[5].date()).days
        readers = [
            person.id
            for person in people
            if person.first_day > day > person.last_day - 1
            and person.id in members[message[1]]
            and person.id != message[2]
        ]
        for reader in choose.sample(readers, min(len(readers), choose.randrange(0, 4))):
            read_at = message[5] + timedelta(minutes=choose.expovariate(1 / 90))
            if read_at < NOW:
                yield message[0], reader, read_at


def _reactions(messages: list[tuple[Any, ...]], people: list[Person]) -> Iterator[tuple[Any, ...]]:
    choose = _chooser("reactions")
    for message in messages:
        yield message[0], choose.choice(people).id, choose.choice("👍🎉❤😂"), message[5]


def _events(people: list[Person]) -> Iterator[tuple[Any, ...]]:
    choose = _chooser("events")
    for number in range(1, 4001):
        at = NOW - timedelta(minutes=choose.expovariate(1 / 20_000))
        if at > _day(DAYS):
            type_ = choose.choices(_EVENT_TYPES, _EVENT_WEIGHTS)[0]
            yield uuid(number), type_, choose.choice(people).id, uuid(ENGINEERING), at


def _moment(choose: random.Random, day: int) -> datetime:
    """A time on a day: most people write around ten, and some around eight in the evening."""
    hour = choose.gauss(10, 2.2) if choose.random() < 0.7 else choose.gauss(19, 2)
    return _midnight(day) + timedelta(hours=min(23.9, max(0.1, hour)))


def _midnight(day: int) -> datetime:
    return _day(day).replace(hour=0, minute=0, second=0)


def _day(back: int) -> datetime:
    """The time of `NOW`, so many days ago."""
    return NOW - timedelta(days=back)


def user_name(number: int) -> str:
    """The name of one of the people who have an extraordinary one."""
    return _NAMES[number]


def conversation_id(room: int) -> UUID:
    """The id of a conversation."""
    return uuid(room)
