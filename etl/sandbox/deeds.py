"""What can happen in a living messenger: each deed is one short transaction.

A deed returns whether it happened. It does nothing where nothing fits, for instance where
nobody has left who could come back.
"""

from __future__ import annotations

from collections.abc import Callable

from etl.sandbox.scene import Message, Scene
from etl.sandbox.talk import TYPES
from etl.sandbox.world import KINDS

Deed = Callable[[Scene], bool]

_TYPE_WEIGHTS = (857, 80, 40, 18, 5)
_DEVICES = ("ios", "android", "web", "desktop")


def send(scene: Scene) -> bool:
    """Somebody writes into a conversation."""
    conversation = scene.a_conversation()
    members = scene.members(conversation) if conversation else []
    if not members:
        return False
    message, sender = scene.new_id(), scene.chance.choice(members)
    [kind] = scene.chance.choices(TYPES, _TYPE_WEIGHTS)
    scene.change(
        "insert into messages (id, conversation_id, sender_id, message_type, content, created_at)"
        " values (%s, %s, %s, %s, %s, %s)",
        *(message, conversation, sender, kind, scene.chance.choice(scene.texts), scene.moment),
    )
    scene.tell("message.sent", sender, conversation, message_id=str(message), message_type=kind)
    if kind == "file":
        scene.tell("file.uploaded", sender, conversation, file_type=kind, file_size=4096)
    return True


def send_together(scene: Scene) -> bool:
    """A bot posts three messages in the same microsecond, in one statement."""
    conversation = scene.a_conversation()
    members = scene.members(conversation) if conversation else []
    if not members:
        return False
    sender = scene.chance.choice(members)
    return scene.change(
        "insert into messages (id, conversation_id, sender_id, content, created_at)"
        " select id, %s, %s, %s, %s from unnest(%s::uuid[]) id",
        *(conversation, sender, scene.chance.choice(scene.texts), scene.moment),
        [scene.new_id() for _ in range(3)],
    )


def import_old(scene: Scene) -> bool:
    """Somebody hands in messages from long ago."""
    conversation = scene.a_conversation()
    members = scene.members(conversation) if conversation else []
    if not members:
        return False
    times = sorted(scene.any_time() for _ in range(scene.chance.randint(3, 10)))
    sender = scene.chance.choice(members)
    return scene.change(
        "insert into messages (id, conversation_id, sender_id, content, created_at)"
        " select new.id, c.id, %s, %s, greatest(new.created_at, c.created_at)"
        " from unnest(%s::uuid[], %s::timestamptz[]) new (id, created_at)"
        " join conversations c on c.id = %s",
        *(sender, scene.chance.choice(scene.texts)),
        *([scene.new_id() for _ in times], times, conversation),
    )


def read(scene: Scene) -> bool:
    """A member reads a new message."""
    return bool(scene.recent) and _read(scene, scene.chance.choice(scene.recent))


def read_late(scene: Scene) -> bool:
    """A member reads a message from any time in the past."""
    message = scene.an_old_message()
    return message is not None and _read(scene, message)


def edit(scene: Scene) -> bool:
    """A sender changes a new message."""
    if not scene.recent:
        return False
    message = scene.chance.choice(scene.recent)
    done = scene.change(
        "update messages set content = %s, updated_at = %s where id = %s and deleted_at is null",
        *(scene.chance.choice(scene.texts), scene.moment, message.id),
    )
    if done:
        scene.tell(
            "message.edited", message.sender, message.conversation, message_id=str(message.id)
        )
    return done


def edit_silently(scene: Scene) -> bool:
    """A careless program changes an old message and forgets `updated_at`."""
    message = scene.an_old_message()
    return message is not None and scene.change(
        "update messages set content = coalesce(content, '') || '!' where id = %s", message.id
    )


def delete(scene: Scene) -> bool:
    """A message is deleted, a new one or an old one; the row stays."""
    old = scene.chance.random() < 0.3 or not scene.recent
    message = scene.an_old_message() if old else scene.chance.choice(scene.recent)
    if message is None:
        return False
    done = scene.change(
        "update messages set deleted_at = %s where id = %s and deleted_at is null",
        *(scene.moment, message.id),
    )
    if done:
        scene.tell(
            "message.deleted", message.sender, message.conversation, message_id=str(message.id)
        )
    return done


def register_user(scene: Scene) -> bool:
    """Somebody new registers; few are bots, few have no name."""
    [(largest,)] = scene.fetch("select coalesce(max(id), 0) from users where id < 2147483648")
    number = largest + scene.chance.randint(1, 4)
    name = None if scene.chance.random() < 0.1 else f"newcomer{number}"
    return scene.change(
        "insert into users (id, username, is_bot, created_at) values (%s, %s, %s, %s)",
        *(number, name, scene.chance.random() < 0.1, scene.moment),
    )


def rename_user(scene: Scene) -> bool:
    """Somebody takes another name."""
    user = scene.a_user()
    return user is not None and scene.change(
        "update users set username = %s where id = %s",
        *(f"renamed{scene.chance.randrange(10**6)} ✨", user),
    )


def delete_user(scene: Scene) -> bool:
    """Somebody deletes his account; his row and his messages stay."""
    user = scene.a_user()
    return user is not None and scene.change(
        "update users set deleted_at = %s where id = %s", scene.moment, user
    )


def found_conversation(scene: Scene) -> bool:
    """Somebody begins a conversation with a few others."""
    found = (scene.a_user() for _ in range(scene.chance.randint(2, 6)))
    people = sorted({user for user in found if user is not None})
    if len(people) < 2:
        return False
    conversation, kind = scene.new_id(), scene.chance.choice(KINDS)
    people = people[:2] if kind == "direct" else people
    title = None if kind == "direct" else f"Topic {scene.chance.randrange(10**6)}"
    scene.change(
        "insert into conversations (id, type, title, created_at) values (%s, %s, %s, %s)",
        *(conversation, kind, title, scene.moment),
    )
    owner = scene.chance.choice(people)
    for user in people:
        role = "owner" if user == owner and kind != "direct" else "member"
        scene.change(
            "insert into conversation_participants (conversation_id, user_id, role, joined_at)"
            " values (%s, %s, %s, %s)",
            *(conversation, user, role, scene.moment),
        )
    scene.tell("conversation.created", owner, conversation, type=kind)
    return True


def rename_conversation(scene: Scene) -> bool:
    """A conversation gets another title."""
    return scene.change(
        "update conversations set title = %s where id = %s and type <> 'direct'",
        *(f"Subject {scene.chance.randrange(10**6)}", scene.a_conversation()),
    )


def join(scene: Scene) -> bool:
    """Somebody joins a conversation in which he never was."""
    user, conversation = scene.a_user(), scene.a_conversation()
    done = scene.change(
        "insert into conversation_participants (conversation_id, user_id, joined_at)"
        " select c.id, u.id, %s from conversations c, users u"
        " where c.id = %s and c.type <> 'direct' and u.id = %s on conflict do nothing",
        *(scene.moment, conversation, user),
    )
    if done:
        scene.tell("conversation.joined", user, conversation, role="member")
    return done


def leave(scene: Scene) -> bool:
    """A member leaves a conversation."""
    conversation = scene.a_conversation()
    members = scene.members(conversation) if conversation else []
    if not members:
        return False
    user = scene.chance.choice(members)
    done = scene.change(
        "update conversation_participants set left_at = %s"
        " where conversation_id = %s and user_id = %s and role <> 'owner'",
        *(scene.moment, conversation, user),
    )
    if done:
        scene.tell("conversation.left", user, conversation)
    return done


def rejoin(scene: Scene) -> bool:
    """Somebody who left a conversation comes back: a new `joined_at`, a null `left_at`."""
    gone = scene.fetch(
        "select conversation_id, user_id from conversation_participants"
        " where left_at is not null order by left_at desc, conversation_id, user_id limit 50"
    )
    if not gone:
        return False
    conversation, user = scene.chance.choice(gone)
    scene.change(
        "update conversation_participants set joined_at = %s, left_at = null"
        " where conversation_id = %s and user_id = %s",
        *(scene.moment, conversation, user),
    )
    scene.tell("conversation.joined", user, conversation, role="member")
    return True


def change_role(scene: Scene) -> bool:
    """A member becomes an administrator, or an administrator a member again."""
    conversation = scene.a_conversation()
    members = scene.members(conversation) if conversation else []
    return bool(members) and scene.change(
        "update conversation_participants"
        " set role = case role when 'admin' then 'member' else 'admin' end"
        " where conversation_id = %s and user_id = %s and role <> 'owner'",
        *(conversation, scene.chance.choice(members)),
    )


def come_online(scene: Scene) -> bool:
    """Somebody comes online, and somebody else goes offline."""
    come, go = scene.a_user(), scene.a_user()
    if come is None or go is None:
        return False
    scene.tell("user.online", come, device=scene.chance.choice(_DEVICES))
    scene.tell("user.offline", go, session_seconds=scene.chance.randrange(3600))
    return True


def _read(scene: Scene, message: Message) -> bool:
    """A member who is not the sender reads a message, at most once."""
    readers = [user for user in scene.members(message.conversation) if user != message.sender]
    if not readers:
        return False
    reader = scene.chance.choice(readers)
    done = scene.change(
        "insert into message_read_receipts (message_id, user_id, read_at) values (%s, %s, %s)"
        " on conflict do nothing",
        *(message.id, reader, scene.moment),
    )
    if done and scene.chance.random() < 0.2:
        scene.tell("message.read", reader, message.conversation, message_id=str(message.id))
    return done
