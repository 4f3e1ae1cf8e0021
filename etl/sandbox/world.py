"""Who is there: users, conversations, and who belongs to which from when to when.

Everything is an array, and users and conversations are sorted by when they came to be, so
"what existed at time t" is a prefix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from etl.sandbox.draws import NEVER, Bools, Floats, Ints, times

KINDS = ("direct", "group", "channel")
DIRECT, GROUP, CHANNEL = range(3)
ROLES = ("member", "admin", "owner")
MEMBER, ADMIN, OWNER = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """One entry per user, oldest first. Times in microseconds, see `etl.sandbox.draws`."""

    ids: Ints
    is_bot: Bools
    created: Ints
    deleted: Ints
    names: pl.Series

    def frame(self) -> pl.DataFrame:
        """As rows of the table `users`."""
        return pl.DataFrame(
            {
                "id": self.ids,
                "username": self.names,
                "is_bot": self.is_bot,
                "created_at": times(self.created),
                "deleted_at": times(self.deleted),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversations:
    """One entry per conversation, oldest first.

    `pull` is the running sum of how much each attracts traffic (Zipf over a random order):
    a conversation that exists at a moment is drawn by searching in the prefix that does.
    """

    ids: pl.Series
    kinds: Ints
    titles: pl.Series
    created: Ints
    pull: Floats

    def frame(self) -> pl.DataFrame:
        """As rows of the table `conversations`."""
        return pl.DataFrame(
            {
                "id": self.ids,
                "type": pl.Series(KINDS).gather(self.kinds),
                "title": self.titles,
                "created_at": times(self.created),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """One entry per person and conversation, grouped by conversation, the owner first.

    The owner never leaves and is never deleted, so each conversation always has somebody
    to speak. Who `rejoined` was away from `left` until then.
    """

    first: Ints  # per conversation: where its members begin; one more at the end
    conversation: Ints
    user: Ints
    role: Ints
    joined: Ints
    left: Ints
    rejoined: Ints

    def sizes(self) -> Ints:
        """Number of members per conversation, former ones included."""
        return np.diff(self.first)

    def present(self, member: Ints, at: Ints) -> Bools:
        """Whether each member belonged to the conversation at each moment."""
        stayed = (self.joined[member] <= at) & (at < self.left[member])
        return stayed | (at >= self.rejoined[member])


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Users, conversations and memberships between `start` and `until`."""

    start: int
    until: int
    users: Users
    conversations: Conversations
    members: Members

    def may_act(self, member: Ints, at: Ints) -> Bools:
        """Whether each member was in the conversation, and not deleted, at each moment."""
        return self.members.present(member, at) & (
            at < self.users.deleted[self.members.user[member]]
        )

    def participants(self) -> pl.DataFrame:
        """The rows of `conversation_participants`, in the order in which people joined."""
        members = self.members
        came_back = members.rejoined < NEVER
        order = np.argsort(members.joined, kind="stable")
        return pl.DataFrame(
            {
                "conversation_id": self.conversations.ids.gather(members.conversation),
                "user_id": self.users.ids[members.user],
                "role": pl.Series(ROLES).gather(members.role),
                "joined_at": times(np.where(came_back, members.rejoined, members.joined)),
                "left_at": times(np.where(came_back, NEVER, members.left)),
            }
        )[order]
