"""The actions of live traffic: each is one short transaction.

An action returns whether it changed anything. It does nothing where no row fits, for example when
no member has left who could rejoin.
"""

from __future__ import annotations

from collections.abc import Callable

from etl.sandbox.action_context import ActionContext, Message
from etl.sandbox.events import DEVICES
from etl.sandbox.messages import MESSAGE_TYPES
from etl.sandbox.population import CONVERSATION_TYPES

Action = Callable[[ActionContext], bool]

_TYPE_WEIGHTS = (857, 80, 40, 18, 5)


def send_message(context: ActionContext) -> bool:
    """A member writes a message."""
    conversation, members = context.conversation_and_members()
    if not members:
        return False
    message, sender = context.new_id(), context.random.choice(members)
    [kind] = context.random.choices(MESSAGE_TYPES, _TYPE_WEIGHTS)
    context.change(
        "insert into messages (id, conversation_id, sender_id, message_type, content, created_at)"
        " values (%s, %s, %s, %s, %s, %s)",
        *(message, conversation, sender, kind, context.text(), context.moment),
    )
    context.write_event(
        "message.sent", sender, conversation, message_id=str(message), message_type=kind
    )
    if kind == "file":
        context.write_event("file.uploaded", sender, conversation, file_type=kind, file_size=4096)
    return True


def send_simultaneously(context: ActionContext) -> bool:
    """A bot writes three messages in the same microsecond, in one statement."""
    conversation, members = context.conversation_and_members()
    if not members:
        return False
    sender = context.random.choice(members)
    return context.change(
        "insert into messages (id, conversation_id, sender_id, content, created_at)"
        " select id, %s, %s, %s, %s from unnest(%s::uuid[]) id",
        *(conversation, sender, context.text(), context.moment),
        [context.new_id() for _ in range(3)],
    )


def import_old_messages(context: ActionContext) -> bool:
    """A member imports old messages."""
    conversation, members = context.conversation_and_members()
    if not members:
        return False
    times = sorted(context.past_time() for _ in range(context.random.randint(3, 10)))
    sender = context.random.choice(members)
    return context.change(
        "insert into messages (id, conversation_id, sender_id, content, created_at)"
        " select new.id, c.id, %s, %s, greatest(new.created_at, c.created_at)"
        " from unnest(%s::uuid[], %s::timestamptz[]) new (id, created_at)"
        " join conversations c on c.id = %s",
        *(sender, context.text(), [context.new_id() for _ in times], times, conversation),
    )


def read_message(context: ActionContext) -> bool:
    """A member reads a recent message."""
    return bool(context.recent) and _read(context, context.random.choice(context.recent))


def read_old_message(context: ActionContext) -> bool:
    """A member reads a message of any age."""
    message = context.old_message()
    return message is not None and _read(context, message)


def edit_message(context: ActionContext) -> bool:
    """A sender edits a recent message."""
    if not context.recent:
        return False
    message = context.random.choice(context.recent)
    is_edited = context.change(
        "update messages set content = %s, updated_at = %s where id = %s and deleted_at is null",
        *(context.text(), context.moment, message.id),
    )
    if is_edited:
        _write_message_event(context, "message.edited", message)
    return is_edited


def edit_without_timestamp(context: ActionContext) -> bool:
    """A faulty program edits an old message without setting `updated_at`."""
    message = context.old_message()
    return message is not None and context.change(
        "update messages set content = coalesce(content, '') || '!' where id = %s", message.id
    )


def delete_message(context: ActionContext) -> bool:
    """A recent or an old message is marked as deleted."""
    is_old = context.random.random() < 0.3 or not context.recent
    message = context.old_message() if is_old else context.random.choice(context.recent)
    if message is None:
        return False
    is_deleted = context.change(
        "update messages set deleted_at = %s where id = %s and deleted_at is null",
        *(context.moment, message.id),
    )
    if is_deleted:
        _write_message_event(context, "message.deleted", message)
    return is_deleted


def register_user(context: ActionContext) -> bool:
    """A user registers; some are bots, some have no name."""
    [(largest,)] = context.fetch("select coalesce(max(id), 0) from users where id < 2147483648")
    number = largest + context.random.randint(1, 4)
    name = None if context.random.random() < 0.1 else f"newcomer{number}"
    return context.change(
        "insert into users (id, username, is_bot, created_at) values (%s, %s, %s, %s)",
        *(number, name, context.random.random() < 0.1, context.moment),
    )


def rename_user(context: ActionContext) -> bool:
    """A user takes another name."""
    user = context.user()
    return user is not None and context.change(
        "update users set username = %s where id = %s",
        *(f"renamed{context.random.randrange(10**6)} ✨", user),
    )


def delete_user(context: ActionContext) -> bool:
    """A user is marked as deleted; their row and messages stay."""
    user = context.user()
    return user is not None and context.change(
        "update users set deleted_at = %s where id = %s", context.moment, user
    )


def create_conversation(context: ActionContext) -> bool:
    """A user creates a conversation with some others."""
    found = (context.user() for _ in range(context.random.randint(2, 6)))
    users = sorted({user for user in found if user is not None})
    if len(users) < 2:
        return False
    conversation, kind = context.new_id(), context.random.choice(CONVERSATION_TYPES)
    users = users[:2] if kind == "direct" else users
    title = None if kind == "direct" else f"Topic {context.random.randrange(10**6)}"
    context.change(
        "insert into conversations (id, type, title, created_at) values (%s, %s, %s, %s)",
        *(conversation, kind, title, context.moment),
    )
    owner = context.random.choice(users)
    for user in users:
        role = "owner" if user == owner and kind != "direct" else "member"
        context.change(
            "insert into conversation_participants (conversation_id, user_id, role, joined_at)"
            " values (%s, %s, %s, %s)",
            *(conversation, user, role, context.moment),
        )
    context.write_event("conversation.created", owner, conversation, type=kind)
    return True


def rename_conversation(context: ActionContext) -> bool:
    """A conversation gets another title."""
    return context.change(
        "update conversations set title = %s where id = %s and type <> 'direct'",
        *(f"Subject {context.random.randrange(10**6)}", context.conversation()),
    )


def join_conversation(context: ActionContext) -> bool:
    """A user joins a conversation for the first time."""
    user, conversation = context.user(), context.conversation()
    has_joined = context.change(
        "insert into conversation_participants (conversation_id, user_id, joined_at)"
        " select c.id, u.id, %s from conversations c, users u"
        " where c.id = %s and c.type <> 'direct' and u.id = %s on conflict do nothing",
        *(context.moment, conversation, user),
    )
    if has_joined:
        context.write_event("conversation.joined", user, conversation, role="member")
    return has_joined


def leave_conversation(context: ActionContext) -> bool:
    """A member leaves a conversation."""
    conversation, members = context.conversation_and_members()
    if not members:
        return False
    user = context.random.choice(members)
    has_left = context.change(
        "update conversation_participants set left_at = %s"
        " where conversation_id = %s and user_id = %s and role <> 'owner'",
        *(context.moment, conversation, user),
    )
    if has_left:
        context.write_event("conversation.left", user, conversation)
    return has_left


def rejoin_conversation(context: ActionContext) -> bool:
    """A member who left comes back: a new `joined_at`, and `left_at` is null again."""
    former = context.fetch(
        "select conversation_id, user_id from conversation_participants"
        " where left_at is not null order by left_at desc, conversation_id, user_id limit 50"
    )
    if not former:
        return False
    conversation, user = context.random.choice(former)
    context.change(
        "update conversation_participants set joined_at = %s, left_at = null"
        " where conversation_id = %s and user_id = %s",
        *(context.moment, conversation, user),
    )
    context.write_event("conversation.joined", user, conversation, role="member")
    return True


def change_role(context: ActionContext) -> bool:
    """A member becomes an administrator, or an administrator a member."""
    conversation, members = context.conversation_and_members()
    return bool(members) and context.change(
        "update conversation_participants"
        " set role = case role when 'admin' then 'member' else 'admin' end"
        " where conversation_id = %s and user_id = %s and role <> 'owner'",
        *(conversation, context.random.choice(members)),
    )


def change_presence(context: ActionContext) -> bool:
    """A user comes online, and another goes offline."""
    online, offline = context.user(), context.user()
    if online is None or offline is None:
        return False
    context.write_event("user.online", online, device=context.random.choice(DEVICES))
    context.write_event("user.offline", offline, session_seconds=context.random.randrange(3600))
    return True


def _read(context: ActionContext, message: Message) -> bool:
    """A member other than the sender reads a message, at most once."""
    readers = [user for user in context.members(message.conversation) if user != message.sender]
    if not readers:
        return False
    reader = context.random.choice(readers)
    is_read = context.change(
        "insert into message_read_receipts (message_id, user_id, read_at) values (%s, %s, %s)"
        " on conflict do nothing",
        *(message.id, reader, context.moment),
    )
    if is_read and context.random.random() < 0.2:
        context.write_event(
            "message.read", reader, message.conversation, message_id=str(message.id)
        )
    return is_read


def _write_message_event(context: ActionContext, event: str, message: Message) -> None:
    context.write_event(event, message.sender, message.conversation, message_id=str(message.id))
