"""Users, conversations and memberships: generated once per plan, before the first message.

Everything is an array, and users and conversations are sorted by creation time, so what existed
at time t is a prefix. Their number grows more slowly than the number of messages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from etl.sandbox.rng import (
    DAY,
    NEVER,
    Bools,
    Floats,
    Ints,
    random_delays,
    random_stream,
    random_uuids,
    timestamps,
)
from etl.sandbox.texts import titles, usernames

CONVERSATION_TYPES = ("direct", "group", "channel")
DIRECT, GROUP, CHANNEL = range(3)
ROLES = ("member", "admin", "owner")
MEMBER, ADMIN, OWNER = range(3)

_MAX_CHANNEL_MEMBERS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """One entry per user, oldest first; times in microseconds."""

    ids: Ints
    is_bot: Bools
    created: Ints
    deleted: Ints
    names: pl.Series

    def rows(self) -> pl.DataFrame:
        """The rows of the table `users`."""
        return pl.DataFrame(
            {
                "id": self.ids,
                "username": self.names,
                "is_bot": self.is_bot,
                "created_at": timestamps(self.created),
                "deleted_at": timestamps(self.deleted),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversations:
    """One entry per conversation, oldest first; times in microseconds.

    Attributes:
        cumulative_weight: running sum of each conversation's share of the traffic (Zipf, in
            random order). Searching in a prefix draws from the conversations that exist.
    """

    ids: pl.Series
    types: Ints
    titles: pl.Series
    created: Ints
    cumulative_weight: Floats

    def rows(self) -> pl.DataFrame:
        """The rows of the table `conversations`."""
        return pl.DataFrame(
            {
                "id": self.ids,
                "type": pl.Series(CONVERSATION_TYPES).gather(self.types),
                "title": self.titles,
                "created_at": timestamps(self.created),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """One entry per user and conversation, grouped by conversation, the owner first.

    The owner never leaves and is never deleted, so every conversation always has a sender.

    Attributes:
        first: per conversation, the index of its first member; one more entry at the end.
        rejoined: when a member who left came back.
    """

    first: Ints
    conversation: Ints
    user: Ints
    role: Ints
    joined: Ints
    left: Ints
    rejoined: Ints

    def sizes(self) -> Ints:
        """Number of members per conversation, former members included."""
        return np.diff(self.first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Users, conversations and memberships between `start` and `until`, in microseconds."""

    start: int
    until: int
    users: Users
    conversations: Conversations
    members: Members

    def can_act(self, member: Ints, at: Ints) -> Bools:
        """Whether each member was in the conversation, and not deleted, at each moment."""
        members = self.members
        present = (members.joined[member] <= at) & (at < members.left[member])
        present |= at >= members.rejoined[member]
        return present & (at < self.users.deleted[members.user[member]])

    def participant_rows(self) -> pl.DataFrame:
        """The rows of `conversation_participants`, in the order of joining."""
        members = self.members
        is_back = members.rejoined < NEVER
        order = np.argsort(members.joined, kind="stable")
        return pl.DataFrame(
            {
                "conversation_id": self.conversations.ids.gather(members.conversation),
                "user_id": self.users.ids[members.user],
                "role": pl.Series(ROLES).gather(members.role),
                "joined_at": timestamps(np.where(is_back, members.rejoined, members.joined)),
                "left_at": timestamps(np.where(is_back, NEVER, members.left)),
            }
        )[order]


def generate_population(
    *, seed: int, users: int, conversations: int, start: int, until: int
) -> Population:
    """A population of the given size; the oldest user and conversation predate `start`."""
    registered = _users(random_stream(seed, "users"), users, start, until)
    rng = random_stream(seed, "conversations")
    created = _conversations(rng, conversations, start, until)
    members = _members(random_stream(seed, "members"), created, registered, until)
    owners = members.user[members.first[:-1]]
    registered = _delete_some(random_stream(seed, "deleted users"), registered, owners, until)
    return Population(
        start=start, until=until, users=registered, conversations=created, members=members
    )


def _users(rng: np.random.Generator, count: int, start: int, until: int) -> Users:
    before = int(count * 0.6)
    oldest = start - 400 * DAY
    created = np.concatenate(
        [rng.integers(oldest, start, before), rng.integers(start, until, count - before)]
    )
    created[:2] = oldest
    created.sort()
    ids = 1000 + np.cumsum(rng.geometric(0.3, count))
    migrated = rng.choice(count, _share(count, 0.015), replace=False)
    ids[migrated] += 2**40  # accounts of an older system, with ids beyond 32 bits
    is_bot = np.zeros(count, bool)
    is_bot[rng.choice(count, _share(count, 0.02), replace=False)] = True
    names: list[str | None] = list(usernames(rng, count))
    for bot in np.flatnonzero(is_bot).tolist():
        names[bot] = f"{names[bot]}_bot"
    for unnamed in rng.choice(count, _share(count, 0.03), replace=False).tolist():
        names[unnamed] = None
    return Users(
        ids=ids,
        is_bot=is_bot,
        created=created,
        deleted=np.full(count, NEVER),
        names=pl.Series(names, dtype=pl.String),
    )


def _delete_some(rng: np.random.Generator, users: Users, owners: Ints, until: int) -> Users:
    candidates = np.setdiff1d(np.arange(len(users.ids)), owners)
    chosen = rng.choice(candidates, _share(len(candidates), 0.02), replace=False)
    deleted = users.deleted.copy()
    deleted[chosen] = rng.integers(users.created[chosen] + 1, until)
    return replace(users, deleted=deleted)


def _conversations(rng: np.random.Generator, count: int, start: int, until: int) -> Conversations:
    before = max(1, int(count * 0.5))
    oldest = start - 180 * DAY
    created = np.concatenate(
        [rng.integers(oldest, start, before), rng.integers(start, until, count - before)]
    )
    created[0] = oldest
    created.sort()
    rank = (rng.permutation(count) + 1) / count
    types = np.select([rank < 0.6, rank < 0.93], [DIRECT, GROUP], CHANNEL)
    names: list[str | None] = list(titles(rng, count))
    untitled = (types == DIRECT) | (rng.random(count) < 0.05)
    for number in np.flatnonzero(untitled).tolist():
        names[number] = None
    weight = 1.0 / (rng.permutation(count) + 3.0) ** 0.9
    return Conversations(
        ids=random_uuids(rng, count),
        types=types,
        titles=pl.Series(names, dtype=pl.String),
        created=created,
        cumulative_weight=np.cumsum(weight),
    )


def _members(
    rng: np.random.Generator, conversations: Conversations, users: Users, until: int
) -> Members:
    sizes = _member_counts(rng, conversations.types, len(users.ids))
    conversation = np.repeat(np.arange(len(sizes)), sizes)
    slot = np.arange(len(conversation)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    user = _pick_users(rng, conversations, users, conversation, slot)

    # A user is in a conversation once; the earlier slot wins, so the owner stays.
    _, kept = np.unique(conversation * len(users.ids) + user, return_index=True)
    kept.sort()
    conversation, slot, user = conversation[kept], slot[kept], user[kept]

    direct = conversations.types[conversation] == DIRECT
    permanent = direct | (slot == 0)
    earliest = np.maximum(conversations.created[conversation], users.created[user])
    joined = _joining_times(rng, earliest, permanent)
    in_time = joined < until
    conversation, slot, user = conversation[in_time], slot[in_time], user[in_time]
    joined, permanent, direct = joined[in_time], permanent[in_time], direct[in_time]

    left = np.full(len(joined), NEVER)
    leaving = np.flatnonzero(~permanent & (rng.random(len(joined)) < 0.12))
    left[leaving] = _before(until, joined[leaving] + random_delays(rng, 20 * DAY, len(leaving)))
    rejoined = np.full(len(joined), NEVER)
    away = np.flatnonzero(left < NEVER)
    back = away[rng.random(len(away)) < 0.2]
    rejoined[back] = _before(until, left[back] + random_delays(rng, 5 * DAY, len(back)))

    role = np.where(rng.random(len(joined)) < 0.08, ADMIN, MEMBER)
    role[slot == 0] = OWNER
    role[direct] = MEMBER
    return Members(
        first=np.searchsorted(conversation, np.arange(len(sizes) + 1)),
        conversation=conversation,
        user=user,
        role=role,
        joined=joined,
        left=left,
        rejoined=rejoined,
    )


def _member_counts(rng: np.random.Generator, types: Ints, users: int) -> Ints:
    """Intended number of members: two, or Zipf distributed in groups and channels."""
    group = 2 + np.minimum(rng.zipf(1.6, len(types)), 98)
    channel = 8 * np.minimum(rng.zipf(1.5, len(types)), _MAX_CHANNEL_MEMBERS // 8)
    return np.select([types == DIRECT, types == GROUP], [2, group], channel).clip(2, users // 2)


def _pick_users(
    rng: np.random.Generator,
    conversations: Conversations,
    users: Users,
    conversation: Ints,
    slot: Ints,
) -> Ints:
    """A user per slot. Owners and both members of a direct conversation are older than it."""
    older = np.searchsorted(users.created, conversations.created, side="right")
    owner = (rng.random(len(older)) * older).astype(np.int64)
    partner = (owner + 1 + (rng.random(len(older)) * (older - 1)).astype(np.int64)) % older
    by_activity = rng.permutation(len(users.ids))  # the same few users are in many conversations
    user = by_activity[(len(by_activity) * rng.random(len(slot)) ** 2).astype(np.int64)]
    direct = conversations.types[conversation] == DIRECT
    user = np.where(direct, partner[conversation], user)
    return np.where(slot == 0, owner[conversation], user)


def _joining_times(rng: np.random.Generator, earliest: Ints, permanent: Bools) -> Ints:
    """Permanent members and half of the others join at once, the rest over some weeks."""
    count = len(earliest)
    later = ~permanent & (rng.random(count) < 0.5)
    return np.asarray(earliest + np.where(later, random_delays(rng, 25 * DAY, count), 0))


def _before(until: int, moments: Ints) -> Ints:
    """`moments`, with `NEVER` in place of those at or after `until`."""
    return np.where(moments < until, moments, NEVER)


def _share(count: int, share: float) -> int:
    """`share` of `count`, rounded up, so that a small plan also has every kind of user."""
    return min(count, int(np.ceil(count * share)))
