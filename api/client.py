"""Tracks events from another Python program: one file, standard library only."""

from __future__ import annotations

from enum import Enum


class AnalyticsEventType(str, Enum):  # noqa: UP042 - the requirement's own definition
    """What can happen in the messenger."""

    MESSAGE_SENT = "message.sent"
    MESSAGE_EDITED = "message.edited"
    MESSAGE_DELETED = "message.deleted"
    MESSAGE_READ = "message.read"
    USER_ONLINE = "user.online"
    USER_OFFLINE = "user.offline"
    CONVERSATION_CREATED = "conversation.created"
    CONVERSATION_JOINED = "conversation.joined"
    CONVERSATION_LEFT = "conversation.left"
    FILE_UPLOADED = "file.uploaded"
