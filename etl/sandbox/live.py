"""Live traffic: the messenger goes on while the analytics watch it.

One tick is one second of a messenger: ordinary short transactions that write, read, edit
and delete, that found, join and leave, and that now and then hand in old messages. What a
tick does depends on the seed, the time it is given, how many ticks there were, and what is
in the database, and on nothing else.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

import psycopg

from etl.sandbox import deeds
from etl.sandbox.scene import Scene
from etl.sandbox.wording import phrases
from olap.log import get_logger

log = get_logger(__name__)

# How often each deed is tried, per message written.
_PER_MESSAGE: tuple[tuple[deeds.Deed, float], ...] = (
    (deeds.send, 1.0),
    (deeds.read, 1.4),
    (deeds.read_late, 0.1),
    (deeds.edit, 0.05),
    (deeds.delete, 0.03),
    (deeds.come_online, 0.1),
)

# How often each deed is tried, per tick.
_PER_TICK: tuple[tuple[deeds.Deed, float], ...] = (
    (deeds.send_together, 0.1),
    (deeds.import_old, 0.1),
    (deeds.edit_silently, 0.2),
    (deeds.register_user, 0.3),
    (deeds.rename_user, 0.15),
    (deeds.delete_user, 0.1),
    (deeds.found_conversation, 0.2),
    (deeds.rename_conversation, 0.2),
    (deeds.join, 0.5),
    (deeds.leave, 0.3),
    (deeds.rejoin, 0.15),
    (deeds.change_role, 0.15),
)

DEEDS = tuple(deed.__name__ for deed, _ in _PER_MESSAGE + _PER_TICK)

_TICK_SECONDS = 1.0


def utc_now() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)


class LiveTraffic:
    """Traffic on a messenger's database, a second at a time.

    Args:
        url: of a database that has the messenger's tables and some rows.
        seed: another seed does other things.
        clock: what `run` takes the time from.
        rate: messages per tick; everything else follows from it.
    """

    def __init__(
        self,
        url: str,
        *,
        seed: int = 7,
        clock: Callable[[], datetime] = utc_now,
        rate: float = 20.0,
    ) -> None:
        self._url = url
        self._seed = seed
        self._clock = clock
        self._rate = rate
        self._ticks = 0
        self._texts = phrases(seed).pool.to_list()

    def tick(self, now: datetime) -> Counter[str]:
        """Let the second that ends at `now` happen; returns how often each deed was done.

        The names are those in `DEEDS`. Nothing gets a time at or after `now`.
        """
        chance = Random(f"{self._seed}/{self._ticks}/{now.astimezone(UTC).isoformat()}")
        self._ticks += 1
        with psycopg.connect(self._url, autocommit=True) as connection:
            scene = Scene(connection, chance, now, self._texts)
            for deed in self._plan(chance):
                scene.pass_time()
                with connection.transaction():
                    if deed(scene):
                        scene.happened[deed.__name__] += 1
        return scene.happened

    def run(
        self,
        stop: threading.Event,
        after_tick: Callable[[Counter[str]], None] | None = None,
    ) -> None:
        """Tick once a second until `stop` is set; returns soon after."""
        while not stop.is_set():
            happened = self.tick(self._clock())
            if after_tick is not None:
                after_tick(happened)
            stop.wait(_TICK_SECONDS)

    def _plan(self, chance: Random) -> list[deeds.Deed]:
        """The deeds of one tick in the order in which they are tried."""
        expected = [(deed, self._rate * often) for deed, often in _PER_MESSAGE]
        planned = [
            deed
            for deed, count in (*expected, *_PER_TICK)
            for _ in range(int(count) + (chance.random() < count % 1))
        ]
        chance.shuffle(planned)
        return planned


def keep_alive(url: str, stop: threading.Event) -> None:
    """Let traffic happen on `url` until `stop`; when it cannot go on, say so and set `stop`."""
    try:
        LiveTraffic(url, seed=int(utc_now().timestamp())).run(stop)
    except psycopg.Error as error:
        log.error("traffic.failed", error=str(error))
        stop.set()
