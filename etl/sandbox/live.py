"""Live traffic: the messenger goes on while the analytics read it.

A tick is one second of a messenger: short transactions that send, read, edit and delete messages,
create, join and leave conversations, and sometimes import old messages. A tick depends only on the
seed, its time, the number of ticks before it, and the contents of the database.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

import psycopg

from etl.sandbox import actions
from etl.sandbox.action_context import ActionContext, Event
from etl.sandbox.texts import message_texts

# How often each action is tried per message sent.
_PER_MESSAGE: tuple[tuple[actions.Action, float], ...] = (
    (actions.send_message, 1.0),
    (actions.read_message, 1.4),
    (actions.read_old_message, 0.1),
    (actions.edit_message, 0.05),
    (actions.delete_message, 0.03),
    (actions.change_presence, 0.1),
)

# How often each action is tried per tick.
_PER_TICK: tuple[tuple[actions.Action, float], ...] = (
    (actions.send_simultaneously, 0.1),
    (actions.import_old_messages, 0.1),
    (actions.edit_without_timestamp, 0.2),
    (actions.register_user, 0.3),
    (actions.rename_user, 0.15),
    (actions.delete_user, 0.1),
    (actions.create_conversation, 0.2),
    (actions.rename_conversation, 0.2),
    (actions.join_conversation, 0.5),
    (actions.leave_conversation, 0.3),
    (actions.rejoin_conversation, 0.15),
    (actions.change_role, 0.15),
)

ACTIONS = tuple(action.__name__ for action, _ in _PER_MESSAGE + _PER_TICK)

_TICK_SECONDS = 1.0


def utc_now() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)


class LiveTraffic:
    """Traffic on a messenger's database, one second at a time.

    Args:
        url: of a database with the messenger's tables.
        seed: another seed does other things.
        clock: the time of each tick of `run`.
        rate: messages per tick; the other actions are in proportion to it.
        post: receives the events of each tick, as a messenger posts them to the API; without it
            they are written into the table.
    """

    def __init__(
        self,
        url: str,
        *,
        seed: int = 7,
        clock: Callable[[], datetime] = utc_now,
        rate: float = 20.0,
        post: Callable[[list[Event]], None] | None = None,
    ) -> None:
        self._url = url
        self._seed = seed
        self._clock = clock
        self._rate = rate
        self._post = post
        self._ticks = 0
        self._texts = message_texts(seed).pool.to_list()

    def tick(self, now: datetime) -> Counter[str]:
        """Run the second that ends at `now`; returns how often each of `ACTIONS` was done.

        Every time that is written is before `now`.
        """
        random = Random(f"{self._seed}/{self._ticks}/{now.astimezone(UTC).isoformat()}")
        self._ticks += 1
        done = Counter[str]()
        posted: list[Event] | None = None if self._post is None else []
        with psycopg.connect(self._url, autocommit=True) as connection:
            context = ActionContext(connection, random, now, self._texts, posted)
            for action in self._plan(random):
                context.advance()
                with connection.transaction():
                    if action(context):
                        done[action.__name__] += 1
        if self._post is not None and posted:
            self._post(posted)
        return done

    def run(
        self,
        stop: threading.Event,
        after_tick: Callable[[Counter[str]], None] | None = None,
    ) -> None:
        """Tick once a second until `stop` is set."""
        while not stop.is_set():
            done = self.tick(self._clock())
            if after_tick is not None:
                after_tick(done)
            stop.wait(_TICK_SECONDS)

    def _plan(self, random: Random) -> list[actions.Action]:
        """The actions of one tick, in order."""
        expected = [(action, self._rate * share) for action, share in _PER_MESSAGE]
        planned = [
            action
            for action, count in (*expected, *_PER_TICK)
            for _ in range(int(count) + (random.random() < count % 1))
        ]
        random.shuffle(planned)
        return planned
