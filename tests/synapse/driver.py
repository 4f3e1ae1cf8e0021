"""People who use the messenger: one action after the other, chosen at random from a seed.

A community has its own people and rooms, so that several can act at the same time and each still
knows the order of everything in its rooms.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from tests.synapse.client import Account, Client, Content
from tests.synapse.expectations import (
    Edit,
    Expectations,
    Mark,
    Message,
    Person,
    Reaction,
    Redaction,
    Room,
    Span,
    Stay,
    during,
)
from tests.synapse.server import BRIDGED, SERVER_NAME

T = TypeVar("T")

PEOPLE = 6
ROOM_VERSIONS = ("1", "6", "10", "11", "12")
EMOJIS = ("👍", "❤️", "😂", "🎉", ":party_parrot:")
# What lengths go wrong with: wide characters, combining ones, escapes of JSON and of SQL, a NUL.
WORDS = (
    "hello",
    "später",
    "日本語",
    "👩‍👩‍👧",
    "e\u0301",
    '"quoted"',
    "back\\slash",
    "it's",
    "\\u0000",
    "a\0b",
)
MESSAGE = "m.room.message"
ENCRYPTED = "m.room.encrypted"
# Message types of Matrix, and what they are called here.
TEXTS = {"m.text": "text", "m.emote": "text", "m.notice": "system", "org.example.poll": "other"}
FILES = {"m.image": "image", "m.file": "file", "m.audio": "file", "m.video": "file"}

# A purge takes few messages, and a deletion a small room, so that most of what is done stays.
_PURGED_MAX = 3


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to send: its Matrix type and content, and its type and length here."""

    matrix_type: str
    content: Content
    message_type: str
    length: int | None


@dataclass(slots=True)
class Community:
    """Some people with their rooms.

    Attributes:
        client: of this community alone.
        admin: an administrator of the server.
        name: distinguishes its people from those of other communities.
        rng: makes every choice.
        expected: what they did.
        done: how often each action was done.
        accounts: its people by their ids.
        invited: who has not answered an invitation: room and person.
    """

    client: Client
    admin: Account
    name: str
    rng: random.Random
    expected: Expectations = field(default_factory=Expectations)
    done: Counter[str] = field(default_factory=Counter)
    accounts: dict[str, Account] = field(default_factory=dict)
    invited: list[tuple[str, str]] = field(default_factory=list)

    def play(self, actions: int, stop: threading.Event, *, may_remove: bool) -> None:
        """Do some actions.

        Args:
            actions: how many; before them, each that is possible once.
            stop: ends it early.
            may_remove: whether some may delete rows. Such an action makes a cycle read a whole day
                again, which would also find what the cycle should have found without it.
        """
        while len(self.accounts) < PEOPLE:
            self.register()
        possible = [action for action in ACTIONS if may_remove or action.play not in REMOVALS]
        weights = [action.weight for action in possible]
        for action in [*possible, *self.rng.choices(possible, weights, k=actions)]:
            if stop.is_set():
                return
            self.done[action.name] += action.play(self)

    # People

    def register(self) -> bool:
        """Somebody registers, sometimes a bot."""
        name = f"{self.name}-{len(self.expected.people)}"
        is_bot, is_bridged = self.rng.random() < 0.2, self.rng.random() < 0.1
        shown = self._name()
        if is_bridged:
            shown = f"{BRIDGED}{name}"
            account, span = during(lambda: self.client.register_bridged(shown))
        else:
            account, span = during(
                lambda: self.client.register(name, display_name=shown, is_bot=is_bot)
            )
        self.accounts[account.user_id] = account
        self.expected.people[account.user_id] = Person(
            user_id=account.user_id,
            name=shown,
            is_bot=is_bot or is_bridged,
            registered=span.in_seconds,
        )
        return True

    def rename(self) -> bool:
        """Somebody changes their name, which is a new membership event in each of their rooms."""
        person = self._pick([p for p in self.expected.people.values() if p.is_active])
        person.name = self._name()
        self.client.rename(self.accounts[person.user_id], person.name)
        return True

    def deactivate(self) -> bool:
        """An administrator deactivates somebody, who leaves every room."""
        creators = {room.creator for room in self.expected.rooms.values()}
        people = [p for p in self.expected.people.values() if p.is_active]
        others = [p for p in people if p.user_id not in creators]
        if len(people) <= PEOPLE or not others:
            return False
        person = self._pick(others)
        erase = self.rng.random() < 0.5
        _, span = during(lambda: self.client.deactivate(self.admin, person.user_id, erase=erase))
        person.is_active = False
        for (at, user), stay in self.expected.stays.items():
            if user == person.user_id and stay.left is None:
                stay.left = span
                room = self.expected.rooms[at]
                if erase and room.kind == "direct":
                    room.kind = "group"  # Synapse prunes the invitation, which alone said it
        if erase:
            person.name = person.user_id[1:].partition(":")[0]
        self.invited = [place for place in self.invited if place[1] != person.user_id]
        return True

    # Rooms

    def create_group(self) -> bool:
        """Somebody creates a room for invited people."""
        return self._create("group", {"preset": "private_chat"})

    def create_channel(self) -> bool:
        """Somebody creates a room that everybody may join."""
        return self._create("channel", {"preset": "public_chat"})

    def create_direct(self) -> bool:
        """Somebody begins a chat with one person, who may never answer."""
        other = self._pick(self._active())
        options = {"preset": "trusted_private_chat", "is_direct": True, "invite": [other]}
        creators = [user for user in self._active() if user != other]
        room = self._made_by(self._pick(creators), "direct", None, options)
        self.invited.append((room.room_id, other))
        return self.rng.random() < 0.2 or self._enter(room.room_id, other)

    def create_space(self) -> bool:
        """Somebody collects rooms in a space, which others join."""
        options: Content = {"preset": "public_chat", "creation_content": {"type": "m.space"}}
        creator = self._pick(self._active())
        space = self._made_by(creator, "group", self._title(), options)
        space.is_space = True
        for room in self.rng.sample(self._rooms(), min(2, len(self._rooms()))):
            content = {"via": [SERVER_NAME]}
            self.client.set_state(
                self.accounts[creator], space.room_id, "m.space.child", content, room.room_id
            )
        return self._enter(
            space.room_id, self._pick([user for user in self._active() if user != creator])
        )

    def name_room(self) -> bool:
        """The creator of a room gives it another title, or none."""
        room = self._pick([r for r in self._rooms() if r.kind != "direct"])
        title = self._pick(["", self._title(), self._title(), self._title()])
        self._set_state(room, "m.room.name", {"name": title})
        room.title = title.replace("\0", "\ufffd") or None
        return True

    def open_or_close_room(self) -> bool:
        """The creator of a room lets everybody join it, or only who is invited."""
        room = self._pick([r for r in self._rooms() if r.kind != "direct"])
        is_public = room.kind == "group"
        rule = "public" if is_public else "invite"
        self._set_state(room, "m.room.join_rules", {"join_rule": rule})
        room.kind = "channel" if is_public else "group"
        return True

    def delete_room(self) -> bool:
        """An administrator deletes a small room with everything in it."""
        small = [
            room
            for room in self._rooms()
            if len(self.expected.messages_of(room.room_id)) <= _PURGED_MAX
            and len(self.expected.members(room.room_id)) <= _PURGED_MAX
        ]
        if not small:
            return False
        room = self._pick(small)
        self.client.delete_room(self.admin, room.room_id)
        self.expected.forget_room(room.room_id)
        self.invited = [place for place in self.invited if place[0] != room.room_id]
        return True

    def _create(self, kind: str, options: Content) -> bool:
        creator = self._pick(self._active())
        room = self._made_by(creator, kind, self._pick([None, self._title()]), options)
        others = [user for user in self._active() if user != creator]
        for user in self.rng.sample(others, self.rng.randint(1, len(others))):
            if kind == "group":
                self.client.membership(self.accounts[creator], "invite", room.room_id, user)
                self.invited.append((room.room_id, user))
            if self.rng.random() < 0.8:
                self._enter(room.room_id, user)
        return True

    def _made_by(self, creator: str, kind: str, title: str | None, options: Content) -> Room:
        options = {"room_version": self._pick(ROOM_VERSIONS), **options}
        if title is not None:
            options["name"] = title
        room_id, span = during(lambda: self.client.create_room(self.accounts[creator], **options))
        shown = None if title is None else title.replace("\0", "\ufffd")
        room = Room(room_id=room_id, creator=creator, kind=kind, title=shown, created=span)
        self.expected.rooms[room_id] = room
        self.expected.stays[room_id, creator] = Stay(joined=span)
        return room

    def _set_state(self, room: Room, type_: str, content: Content) -> None:
        room.steps += 1
        self.client.set_state(self.accounts[room.creator], room.room_id, type_, content)

    # Memberships

    def join(self) -> bool:
        """Somebody joins a channel, or a room that they were invited to."""
        ways = list(self.invited)
        for room in self._rooms(with_spaces=True):
            inside = self.expected.members(room.room_id)
            if room.kind == "channel" or room.is_space:
                ways += [(room.room_id, user) for user in self._active() if user not in inside]
        return bool(ways) and self._enter(*self._pick(ways))

    def decline(self) -> bool:
        """Somebody declines an invitation; they were never in the room."""
        if not self.invited:
            return False
        room, user = self._pick(self.invited)
        self.client.membership(self.accounts[user], "leave", room)
        self.invited.remove((room, user))
        return True

    def leave(self) -> bool:
        """Somebody leaves a room."""
        return self._end_stay(lambda room, user: self._act(user, "leave", room))

    def kick(self) -> bool:
        """The creator of a room removes somebody, who may come back."""

        def kicked(room: str, user: str) -> None:
            self._act(self._creator(room), "kick", room, user)

        return self._end_stay(kicked, by_creator=True)

    def ban(self) -> bool:
        """The creator of a room bans somebody, and then allows them to come back."""

        def banned(room: str, user: str) -> None:
            self._act(self._creator(room), "ban", room, user)
            self._act(self._creator(room), "unban", room, user)

        return self._end_stay(banned, by_creator=True)

    def _end_stay(self, end: Callable[[str, str], None], *, by_creator: bool = False) -> bool:
        places = [
            (room.room_id, user)
            for room in self._rooms(with_spaces=True)
            for user in self.expected.members(room.room_id)
            # In a direct chat both have the same power.
            if user != room.creator and not (by_creator and room.kind == "direct")
        ]
        if not places:
            return False
        room, user = self._pick(places)
        _, span = during(lambda: end(room, user))
        self.expected.stays[room, user].left = span
        return True

    def _enter(self, room: str, user: str) -> bool:
        _, span = during(lambda: self._act(user, "join", room))
        self.expected.stays[room, user] = Stay(joined=span)
        self.invited = [place for place in self.invited if place != (room, user)]
        return True

    def _act(self, who: str, action: str, room: str, user: str | None = None) -> None:
        self.expected.rooms[room].steps += 1
        self.client.membership(self.accounts[who], action, room, user)

    def _creator(self, room: str) -> str:
        return self.expected.rooms[room].creator

    # Messages

    def send(self) -> bool:
        """Somebody sends a message of some type, sometimes in a thread."""
        room, sender = self._place()
        draft = self._draft(sender)
        roots = [m for m in self.expected.messages_of(room.room_id) if m.thread is None]
        thread = self._pick(roots).message_id if roots and self.rng.random() < 0.1 else None
        content = draft.content
        if thread is not None:
            content = {**content, "m.relates_to": {"rel_type": "m.thread", "event_id": thread}}
        room.steps += 1
        account = self.accounts[sender]
        message_id, span = during(
            lambda: self.client.send(account, room.room_id, draft.matrix_type, content)
        )
        self._keep(message_id, room, sender, draft, span, thread)
        return True

    def import_old(self) -> bool:
        """A bridge brings a message of the last weeks."""
        room, sender = self._place()
        minutes = self.rng.randint(1, 40 * 24 * 60)
        sent = (datetime.now(UTC) - timedelta(minutes=minutes)).replace(microsecond=0)
        text = self._text()
        draft = Draft(MESSAGE, {"msgtype": "m.text", "body": text}, "text", len(text))
        room.steps += 1
        message_id = self.client.import_old(
            sender, room.room_id, MESSAGE, draft.content, int(sent.timestamp() * 1000)
        )
        self._keep(message_id, room, sender, draft, Span(sent, sent))
        return True

    def edit(self) -> bool:
        """Somebody edits their own message, perhaps again, perhaps after it was redacted."""
        message = self._message(lambda m: m.message_type in ("text", "encrypted"))
        if message is None:
            return False
        text = self._text()
        content: Content = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "…"}
        if message.matrix_type == MESSAGE:
            content = {
                "msgtype": "m.text",
                "body": f"* {text}",
                "m.new_content": {"msgtype": "m.text", "body": text},
            }
        length = len(text) if message.matrix_type == MESSAGE else None
        event_id, span = self._replace(message, message.sender_id, message.matrix_type, content)
        step = self.expected.rooms[message.room_id].steps
        message.edits.append(Edit(event_id=event_id, step=step, length=length, made=span))
        return True

    def edit_wrongly(self) -> bool:
        """An edit by another person, or of another type, is none, and no message either."""
        message = self._message(lambda m: m.matrix_type == MESSAGE)
        if message is None:
            return False
        others = [u for u in self.expected.members(message.room_id) if u != message.sender_id]
        text = self._text() * 2
        new = {"msgtype": "m.text", "body": text}
        if others and self.rng.random() < 0.5:
            content = {**new, "m.new_content": new}
            self._replace(message, self._pick(others), MESSAGE, content)
        else:
            content = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "…"}
            self._replace(message, message.sender_id, ENCRYPTED, content)
        return True

    def redact(self) -> bool:
        """Somebody redacts their own message, or the creator of the room does."""
        message = self._message(lambda m: m.deleted is None)
        if message is None:
            return False
        who = self._pick([message.sender_id, self._creator(message.room_id)])
        message.deleted = self._redact(who, message.room_id, message.message_id)
        return True

    def redact_edit(self) -> bool:
        """Somebody takes an edit back; the version before it is shown again."""
        message = self._message(lambda m: m.edit is not None)
        if message is None:
            return False
        edit = self._pick([edit for edit in message.edits if not edit.is_redacted])
        who, room = message.sender_id, message.room_id
        redacted = self._redact(who, room, edit.event_id)
        edit.is_redacted = True
        self.expected.messages[edit.event_id] = Message(
            message_id=edit.event_id,
            room_id=room,
            sender_id=who,
            step=edit.step,
            matrix_type=message.matrix_type,
            message_type=message.message_type,
            length=None,
            sent=edit.made,
            deleted=redacted,
            is_edit=True,
        )
        return True

    def purge_history(self) -> bool:
        """An administrator deletes the oldest events of a room, without a trace."""
        histories = [self.expected.messages_of(room.room_id) for room in self._rooms()]
        long = [messages for messages in histories if len(messages) > 2 * _PURGED_MAX]
        if not long:
            return False
        first = self._pick(long)[self.rng.randint(1, _PURGED_MAX)]
        self.client.purge_history(self.admin, first.room_id, first.message_id)
        self.expected.forget_before(first.room_id, first.step)
        return True

    def _keep(
        self,
        message_id: str,
        room: Room,
        sender: str,
        draft: Draft,
        sent: Span,
        thread: str | None = None,
    ) -> None:
        self.expected.messages[message_id] = Message(
            message_id=message_id,
            room_id=room.room_id,
            sender_id=sender,
            step=room.steps,
            matrix_type=draft.matrix_type,
            message_type=draft.message_type,
            length=draft.length,
            sent=sent,
            thread=thread,
        )

    def _draft(self, sender: str) -> Draft:
        text = self._text()
        chance = self.rng.random()
        if chance < 0.05:
            content: Content = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "…"}
            return Draft(ENCRYPTED, content, "encrypted", None)
        if chance < 0.1:
            content = {"body": text, "url": self._upload(sender), "info": {}}
            return Draft("m.sticker", content, "image", len(text))
        if chance < 0.3:
            kind = self._pick(list(FILES))
            content = {"msgtype": kind, "body": text, "url": self._upload(sender)}
            return Draft(MESSAGE, content, FILES[kind], len(text))
        kind = "m.text" if chance < 0.8 else self._pick(list(TEXTS))
        return Draft(MESSAGE, {"msgtype": kind, "body": text}, TEXTS[kind], len(text))

    def _upload(self, sender: str) -> str:
        return self.client.upload(self.accounts[sender], "file.bin", b"\0" * 16)

    def _replace(
        self, message: Message, who: str, type_: str, content: Content
    ) -> tuple[str, Span]:
        self.expected.rooms[message.room_id].steps += 1
        relation = {"rel_type": "m.replace", "event_id": message.message_id}
        content = {**content, "m.relates_to": relation}
        account = self.accounts[who]
        return during(lambda: self.client.send(account, message.room_id, type_, content))

    def _redact(self, who: str, room: str, event_id: str) -> Span:
        self.expected.rooms[room].steps += 1
        account = self.accounts[who]
        redaction, span = during(lambda: self.client.redact(account, room, event_id))
        step = self.expected.rooms[room].steps
        self.expected.redactions[redaction] = Redaction(
            room_id=room, user_id=who, step=step, made=span
        )
        return span

    # Reactions and read marks

    def react(self) -> bool:
        """Somebody reacts to a message."""
        message = self._message(lambda m: m.deleted is None)
        if message is None:
            return False
        user = self._pick(self.expected.members(message.room_id))
        emoji = self._pick(EMOJIS)
        key = (message.message_id, user, emoji)
        if key in self.expected.reactions:
            return False
        relation = {"rel_type": "m.annotation", "event_id": message.message_id, "key": emoji}
        room = self.expected.rooms[message.room_id]
        room.steps += 1
        content = {"m.relates_to": relation}
        account = self.accounts[user]
        event_id, span = during(
            lambda: self.client.send(account, room.room_id, "m.reaction", content)
        )
        self.expected.reactions[key] = Reaction(
            event_id=event_id, room_id=room.room_id, step=room.steps, given=span
        )
        return True

    def take_reaction_back(self) -> bool:
        """Somebody takes a reaction back."""
        present = [
            (key, reaction)
            for key, reaction in self.expected.reactions.items()
            if key[1] in self.expected.members(reaction.room_id)
        ]
        if not present:
            return False
        key, reaction = self._pick(present)
        self._redact(key[1], reaction.room_id, reaction.event_id)
        del self.expected.reactions[key]
        return True

    def read(self) -> bool:
        """Somebody reads a room up to a message, later than the last one that they read."""
        room, user = self._place()
        mark = self.expected.marks.get((room.room_id, user))
        step = mark.message.step if mark and mark.message else 0
        unread = [
            message
            for message in self.expected.messages_of(room.room_id)
            if message.step > step and not message.is_imported
        ]
        if not unread:
            return False
        message = self._pick(unread)
        is_private = self.rng.random() < 0.2
        thread = self._pick([None, self._thread(message)])
        account, room_id, up_to = self.accounts[user], room.room_id, message.message_id
        _, span = during(
            lambda: self.client.read(account, room_id, up_to, is_private=is_private, thread=thread)
        )
        self.expected.marks[room.room_id, user] = Mark(message=message, made=span)
        return True

    def _thread(self, message: Message) -> str | None:
        """The thread that a mark at the message may name; redaction takes a message out of it."""
        if message.thread is None:
            return "main"
        is_there = message.deleted is None and message.thread in self.expected.messages
        return message.thread if is_there else None

    # Choices

    def _pick(self, choices: Sequence[T]) -> T:
        return self.rng.choice(choices)

    def _active(self) -> list[str]:
        return [person.user_id for person in self.expected.people.values() if person.is_active]

    def _rooms(self, *, with_spaces: bool = False) -> list[Room]:
        return [r for r in self.expected.rooms.values() if with_spaces or not r.is_space]

    def _place(self) -> tuple[Room, str]:
        """A room and one of its members; small rooms are as likely as large ones."""
        room = self._pick(self._rooms())
        return room, self._pick(self.expected.members(room.room_id))

    def _message(self, is_wanted: Callable[[Message], bool]) -> Message | None:
        """A message whose sender is still in the room."""
        found = [
            message
            for message in self.expected.messages.values()
            if is_wanted(message)
            and not message.is_edit
            and not self.expected.stays[message.room_id, message.sender_id].left
        ]
        return self._pick(found) if found else None

    def _text(self) -> str:
        words = [self._pick(WORDS) for _ in range(self.rng.randint(1, 6))]
        return " ".join(words) * (50 if self.rng.random() < 0.02 else 1)

    def _name(self) -> str:
        """A name of a person; PostgreSQL stores no NUL in a text, and Synapse refuses it."""
        return " ".join(self._pick(WORDS) for _ in range(3)).replace("\0", "")

    def _title(self) -> str:
        return " ".join(self._pick(WORDS) for _ in range(3))


@dataclass(frozen=True, slots=True)
class Action:
    """Something that people do; `play` tells whether it was possible."""

    play: Callable[[Community], bool]
    weight: float

    @property
    def name(self) -> str:
        return self.play.__name__.replace("_", " ")


ACTIONS = (
    # Rooms first: the others need some.
    Action(Community.create_channel, 1),
    Action(Community.create_group, 1),
    Action(Community.create_direct, 1),
    Action(Community.send, 60),
    Action(Community.import_old, 4),
    Action(Community.edit, 14),
    Action(Community.edit_wrongly, 2),
    Action(Community.redact, 5),
    Action(Community.redact_edit, 4),
    Action(Community.react, 12),
    Action(Community.take_reaction_back, 2),
    Action(Community.read, 14),
    Action(Community.join, 4),
    Action(Community.decline, 0.5),
    Action(Community.leave, 2),
    Action(Community.kick, 1),
    Action(Community.ban, 0.5),
    Action(Community.register, 1),
    Action(Community.rename, 1),
    Action(Community.deactivate, 0.5),
    Action(Community.name_room, 1),
    Action(Community.open_or_close_room, 0.5),
    Action(Community.create_space, 0.5),
    Action(Community.purge_history, 1),
    Action(Community.delete_room, 0.5),
)
REMOVALS = (Community.take_reaction_back, Community.purge_history, Community.delete_room)
