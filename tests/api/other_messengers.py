"""Messengers with ids of other types, or without some tables: our own, with another mapping.

The SELECTs of our mapping name columns and no types, so they read these tables too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

import psycopg

from olap.ids import Id, IdType, IdTypes
from olap.mapping import read_mapping
from tests.api.small_messenger import ago
from tests.world import World, uuid

OUR = read_mapping("messenger")
COLUMNS = {
    "user": ("users.id", "conversation_participants.user_id", "messages.sender_id",
             "message_read_receipts.user_id", "analytics_events.user_id",
             "message_reactions.user_id"),
    "conversation": ("conversations.id", "conversation_participants.conversation_id",
                     "messages.conversation_id", "analytics_events.conversation_id"),
    "event": ("analytics_events.id",),
}  # fmt: skip
SINK_COLUMNS = {"user": "user_id", "conversation": "conversation_id", "event": "id"}
MARKS = """
select
    xmin as row_version,
    conversation_id,
    user_id,
    read_through_at,
    null::timestamptz as marked_at
from read_marks
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Messenger:
    """Another messenger: person n writes n + 1 messages in room n, and rooms are used in turn.

    Attributes:
        name: of its mapping.
        people, rooms, events: their ids.
        marks: up to where people have read their room, by person.
        without: tables that it does not have, by our names; `sink` = it takes no events.
    """

    name: str
    ids: IdTypes = IdTypes()
    people: Sequence[Id]
    rooms: Sequence[Id]
    events: Sequence[Id] = ()
    marks: Mapping[Id, datetime] = field(default_factory=dict, hash=False)
    without: frozenset[str] = frozenset()

    def room_of(self, person: Id) -> Id:
        """The one conversation of a person."""
        return self.rooms[self.people.index(person) % len(self.rooms)]

    def messages_of(self, person: Id) -> int:
        """How many messages a person wrote."""
        return self.people.index(person) + 1

    def messages_in(self, room: Id) -> int:
        """How many messages a conversation has."""
        return sum(self.messages_of(one) for one in self.people if self.room_of(one) == room)

    def write_mapping(self, parent: Path) -> str:
        """Write the mapping as a folder of `parent`; returns the setting SOURCE_MAPPING."""
        folder = parent / self.name
        folder.mkdir()
        declared = (OUR.folder / "mapping.toml").read_text()
        for kind in ("user", "conversation", "message", "event"):
            declared = re.sub(rf"(?m)^{kind} = .*$", f'{kind} = "{self.ids.of(kind)}"', declared)
        for name in self.without:
            declared = re.sub(rf"\[tables\.{name}\]\n(?:\w.*\n)*", "", declared)
        selects = {name: table.select for name, table in OUR.tables.items()}
        if self.marks:
            declared += '\n[tables.read_marks]\nreads = ["read_marks"]\n'
            selects["read_marks"] = MARKS
        (folder / "mapping.toml").write_text(declared)
        for name in selects.keys() - self.without:
            (folder / f"{name}.sql").write_text(selects[name])
        if "sink" not in self.without:
            sink = OUR.events_sink or ""
            for kind, column in SINK_COLUMNS.items():
                sink = re.sub(rf"\b{column} (?:uuid|bigint)", f"{column} {kind}_id_type", sink)
            (folder / "sink").mkdir()
            (folder / "sink" / "events.sql").write_text(self.ids.adapt(sink))
        return str(folder)

    def create(self, url: str) -> None:
        """Give the empty tables of our messenger these types of ids, and fill them."""
        with psycopg.connect(url, autocommit=True) as connection:
            for kind, columns in COLUMNS.items():
                for table, column in (one.split(".") for one in columns):
                    connection.execute(
                        f"alter table {table} alter {column} type {self.ids.of(kind).sql}"
                        " using null".encode()
                    )
            connection.execute(
                self.ids.adapt(
                    "create table read_marks (conversation_id conversation_id_type,"
                    " user_id user_id_type, read_through_at timestamptz)"
                ).encode()
            )
            with connection.cursor() as cursor:
                cursor.executemany(
                    "insert into read_marks values (%s, %s, %s)",
                    [(self.room_of(person), person, at) for person, at in self.marks.items()],
                )
        with World(url) as world:
            self._fill(world)

    def _fill(self, world: World) -> None:
        written = 0
        for room in self.rooms:
            world.write("conversations", {"id": room, "type": "group", "title": f"={room}",
                                          "created_at": ago(days=20)})  # fmt: skip
        for person in self.people:
            room = self.room_of(person)
            world.write("users", {"id": person, "username": f"name of {person}",
                                  "created_at": ago(days=30)})  # fmt: skip
            world.write("conversation_participants", {
                "conversation_id": room, "user_id": person, "joined_at": ago(days=15),
            })  # fmt: skip
            for _ in range(self.messages_of(person)):
                written += 1
                world.write("messages", {"id": uuid(written), "conversation_id": room,
                                         "sender_id": person, "content": "hello",
                                         "created_at": ago(hours=written)})  # fmt: skip
        world.write("message_read_receipts", {"message_id": uuid(1), "user_id": self.people[0],
                                              "read_at": ago(minutes=5)})  # fmt: skip
        for number, event in enumerate(self.events):
            world.write("analytics_events", {
                "id": event, "event_type": "user.online", "user_id": self.people[number],
                "created_at": ago(hours=number + 1),
            })  # fmt: skip


# One letter in two normal forms: two ids, because ids are compared byte by byte.
COMPOSED, DECOMPOSED = "andr\u00e9", "andre\u0301"
TEXTS = Messenger(
    name="texts",
    ids=IdTypes(
        user=IdType.STRING, conversation=IdType.STRING, message=IdType.UUID, event=IdType.STRING
    ),
    people=(
        "@ann:example.org",
        "7",
        "a/b",
        "a%2Fb",
        "a%252Fb",
        "//",
        "/read-through",
        "+ &=?#;",
        "'; drop table users; --",
        '"quoted" \\n',
        "=1+1",
        "site",
        "viewer=7:1d~:json",
        "{user_id}",
        "东京 🎉",
        "\ufffd",
        COMPOSED,
        DECOMPOSED,
        "a b,c",
        "x" * 255,
    ),
    rooms=("!room:example.org", "$event:example.org", "a/b", "a b,c", "=SUM(A1)", "%", "null"),
    events=("$event:example.org", "a/b"),
)
NUMBERS = Messenger(
    name="numbers",
    ids=IdTypes(
        user=IdType.UUID,
        conversation=IdType.INTEGER,
        message=IdType.UUID,
        event=IdType.INTEGER,
    ),
    people=tuple(UUID(int=number << 96 | 0xABCDEF) for number in (1, 2, 3)),
    rooms=(0, -7, 2**63 - 1),
    events=(-1, 2**63 - 1),
)
SPARSE = Messenger(
    name="sparse",
    people=(1, 2),
    rooms=(uuid(1),),
    without=frozenset({"read_receipts", "events", "reactions", "sink"}),
)
# Marks in place of receipts. The message of 1 is an hour old, those of 2 two and three hours, those
# of 3 four to six, and those of 4 seven to ten. 1 and 3 share a room, and 2 and 4 another one.
MARKED = Messenger(
    name="marked",
    people=(1, 2, 3, 4),
    rooms=(uuid(1), uuid(2)),
    marks={1: ago(hours=4, minutes=30), 3: ago(hours=2)},
    without=frozenset({"read_receipts"}),
)
