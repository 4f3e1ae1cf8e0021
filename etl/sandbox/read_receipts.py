"""Read receipts of generated messages."""

from __future__ import annotations

import numpy as np
import polars as pl

from etl.sandbox.messages import Messages
from etl.sandbox.population import Population
from etl.sandbox.rng import DAY, SECOND, random_delays, timestamps

_MAX_READERS = 9


def generate_read_receipts(
    rng: np.random.Generator, population: Population, messages: Messages
) -> pl.DataFrame:
    """The rows of `message_read_receipts` for these messages.

    Readers are other members, each at most once per message. They read after the message has
    arrived, most within minutes, some after days, and only while they belong to the conversation.
    The additional column `arrived` is the time of reading in microseconds.
    """
    members = population.members
    others = members.sizes()[messages.conversation] - 1
    readers = np.minimum(others, rng.geometric(0.17, len(others)).clip(0, _MAX_READERS))
    readers[rng.random(len(readers)) < 0.04] = 0
    message = np.repeat(np.arange(len(readers)), readers)
    nth = np.arange(len(message)) - np.repeat(np.cumsum(readers) - readers, readers)

    # A reader is 1 to `others` places after the sender in the ring of members, so readers are
    # distinct and never the sender.
    ring = others[message]
    begin = (rng.random(len(readers)) * others).astype(np.int64)[message]
    places = 1 + (begin + nth) % ring
    owner = members.first[messages.conversation[message]]
    member = owner + (messages.member[message] - owner + places) % (ring + 1)

    wait = rng.lognormal(np.log(45 * SECOND), 1.8, len(message)).astype(np.int64)
    slow = rng.random(len(message)) < 0.05
    wait += np.where(slow, random_delays(rng, 2 * DAY, len(message)), 0)
    read = messages.arrived[message] + SECOND // 2 + wait
    kept = (read < population.until) & population.can_act(member, read)
    message, member, read = message[kept], member[kept], read[kept]
    return pl.DataFrame(
        {
            "message_id": messages.ids.gather(message),
            "user_id": population.users.ids[members.user[member]],
            "read_at": timestamps(read),
            "arrived": read,
        }
    )
