"""How a world comes to be: users register, conversations are founded, people join and leave.

Made once per plan, before the first message, and small beside the traffic: everything grows
more slowly than the messages do.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from etl.sandbox.draws import DAY, NEVER, Bools, Ints, at_least_one, delays, stream, uuids
from etl.sandbox.wording import titles, usernames
from etl.sandbox.world import (
    ADMIN,
    CHANNEL,
    DIRECT,
    GROUP,
    MEMBER,
    OWNER,
    Conversations,
    Members,
    Users,
    World,
)

_LARGEST_CHANNEL = 5_000


def make_world(*, seed: int, users: int, conversations: int, start: int, until: int) -> World:
    """Make a world of the given size; the oldest of everything is older than `start`."""
    everyone = _make_users(stream(seed, "users"), users, start, until)
    rng = stream(seed, "conversations")
    made = _make_conversations(rng, conversations, everyone, start, until)
    members = _make_members(stream(seed, "members"), made, everyone, until)
    owners = members.user[members.first[:-1]]
    everyone = _delete_some(stream(seed, "deleted users"), everyone, owners, until)
    return World(start=start, until=until, users=everyone, conversations=made, members=members)


def _make_users(rng: np.random.Generator, count: int, start: int, until: int) -> Users:
    before = int(count * 0.6)
    oldest = start - 400 * DAY
    created = np.concatenate(
        [rng.integers(oldest, start, before), rng.integers(start, until, count - before)]
    )
    created[:2] = oldest
    created.sort()
    ids = 1000 + np.cumsum(rng.geometric(0.3, count))
    foreign = rng.choice(count, at_least_one(count, 0.015), replace=False)
    ids[foreign] += 2**40  # accounts of an older system, beyond 32 bits
    is_bot = np.zeros(count, bool)
    is_bot[rng.choice(count, at_least_one(count, 0.02), replace=False)] = True
    names: list[str | None] = list(usernames(rng, count))
    for bot in np.flatnonzero(is_bot).tolist():
        names[bot] = f"{names[bot]}_bot"
    for nameless in rng.choice(count, at_least_one(count, 0.03), replace=False).tolist():
        names[nameless] = None
    return Users(
        ids=ids,
        is_bot=is_bot,
        created=created,
        deleted=np.full(count, NEVER),
        names=pl.Series(names, dtype=pl.String),
    )


def _delete_some(rng: np.random.Generator, users: Users, owners: Ints, until: int) -> Users:
    count = len(users.ids)
    candidates = np.setdiff1d(np.arange(count), owners)
    chosen = rng.choice(candidates, at_least_one(len(candidates), 0.02), replace=False)
    deleted = users.deleted.copy()
    deleted[chosen] = rng.integers(users.created[chosen] + 1, until)
    return replace(users, deleted=deleted)


def _make_conversations(
    rng: np.random.Generator, count: int, users: Users, start: int, until: int
) -> Conversations:
    before = max(1, int(count * 0.5))
    oldest = start - 180 * DAY
    created = np.concatenate(
        [rng.integers(oldest, start, before), rng.integers(start, until, count - before)]
    )
    created[0] = oldest
    created.sort()
    rank = (rng.permutation(count) + 1) / count
    kinds = np.select([rank < 0.6, rank < 0.93], [DIRECT, GROUP], CHANNEL)
    names: list[str | None] = list(titles(rng, count))
    untitled = (kinds == DIRECT) | (rng.random(count) < 0.05)
    for number in np.flatnonzero(untitled).tolist():
        names[number] = None
    attraction = 1.0 / (rng.permutation(count) + 3.0) ** 0.9
    return Conversations(
        ids=uuids(rng, count),
        kinds=kinds,
        titles=pl.Series(names, dtype=pl.String),
        created=created,
        pull=np.cumsum(attraction),
    )


def _make_members(
    rng: np.random.Generator, conversations: Conversations, users: Users, until: int
) -> Members:
    sizes = _zipf_sizes(rng, conversations.kinds, len(users.ids))
    conversation = np.repeat(np.arange(len(sizes)), sizes)
    slot = np.arange(len(conversation)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    user = _pick_users(rng, conversations, users, conversation, slot)

    # Nobody is twice in a conversation; the earlier slot, so the owner's, wins.
    _, kept = np.unique(conversation * len(users.ids) + user, return_index=True)
    kept.sort()
    conversation, slot, user = conversation[kept], slot[kept], user[kept]

    direct = conversations.kinds[conversation] == DIRECT
    settled = direct | (slot == 0)
    joined = _joining_times(rng, conversations.created[conversation], users.created[user], settled)
    in_time = joined < until
    conversation, slot, user = conversation[in_time], slot[in_time], user[in_time]
    joined, settled, direct = joined[in_time], settled[in_time], direct[in_time]

    left = np.full(len(joined), NEVER)
    leaving = np.flatnonzero(~settled & (rng.random(len(joined)) < 0.12))
    left[leaving] = _before(until, joined[leaving] + delays(rng, 20 * DAY, len(leaving)))
    rejoined = np.full(len(joined), NEVER)
    away = np.flatnonzero(left < NEVER)
    back = away[rng.random(len(away)) < 0.2]
    rejoined[back] = _before(until, left[back] + delays(rng, 5 * DAY, len(back)))

    role = np.where(rng.random(len(joined)) < 0.08, ADMIN, MEMBER)
    role[slot == 0] = OWNER
    role[direct] = MEMBER
    first = np.searchsorted(conversation, np.arange(len(sizes) + 1))
    return Members(
        first=first,
        conversation=conversation,
        user=user,
        role=role,
        joined=joined,
        left=left,
        rejoined=rejoined,
    )


def _zipf_sizes(rng: np.random.Generator, kinds: Ints, users: int) -> Ints:
    """Intended number of members: two, a Zipf handful, or a Zipf crowd."""
    handful = 2 + np.minimum(rng.zipf(1.6, len(kinds)), 98)
    crowd = 8 * np.minimum(rng.zipf(1.5, len(kinds)), _LARGEST_CHANNEL // 8)
    return np.select([kinds == DIRECT, kinds == GROUP], [2, handful], crowd).clip(2, users // 2)


def _pick_users(
    rng: np.random.Generator,
    conversations: Conversations,
    users: Users,
    conversation: Ints,
    slot: Ints,
) -> Ints:
    """A user per slot. Owners and both sides of a direct one exist when it begins."""
    older = np.searchsorted(users.created, conversations.created, side="right")
    founder = (rng.random(len(older)) * older).astype(np.int64)
    partner = (founder + 1 + (rng.random(len(older)) * (older - 1)).astype(np.int64)) % older
    sociable = rng.permutation(len(users.ids))  # the same few people are in many conversations
    user = sociable[(len(sociable) * rng.random(len(slot)) ** 2).astype(np.int64)]
    direct = conversations.kinds[conversation] == DIRECT
    user = np.where(direct, partner[conversation], user)
    return np.where(slot == 0, founder[conversation], user)


def _joining_times(
    rng: np.random.Generator, conversation_created: Ints, user_created: Ints, settled: Bools
) -> Ints:
    """Settled ones and half of the others join at once, the rest over the following weeks."""
    earliest = np.maximum(conversation_created, user_created)
    count = len(earliest)
    later = ~settled & (rng.random(count) < 0.5)
    return np.asarray(earliest + np.where(later, delays(rng, 25 * DAY, count), 0))


def _before(until: int, moments: Ints) -> Ints:
    """What would happen at `until` or after has not happened."""
    return np.where(moments < until, moments, NEVER)
