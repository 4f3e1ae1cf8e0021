"""What a listener is told: the newest of each topic once, however late it asks; and the counts of
events by second and minute."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest

from api.auth import Principal, Role
from api.live import delivery
from api.live.activity import Activity
from api.live.delivery import deliver_until_end
from api.live.hub import STREAMS_MAX, End, Hub, Listener, Message, Topic
from api.problems import Problem

NOW = 1_800_000_000
BOSS = Principal("boss", Role.ADMIN)


def message(number: int) -> Message:
    """A message that can be told from others."""
    return Message.of("test", number)


def numbers(news: Sequence[Message]) -> list[str]:
    """The contents of messages of tests."""
    return [one.frame.removeprefix('{"event":"test","data":').removesuffix("}") for one in news]


def test_a_message_has_both_forms() -> None:
    """A block of a stream of events, and the text of a frame, with the same data."""
    made = Message.of("generation", {"generation": 7})
    assert made.event == b'event: generation\ndata: {"generation":7}\n\n'
    assert made.frame == '{"event":"generation","data":{"generation":7}}'


def test_a_topic_tells_what_is_newer() -> None:
    """Of what came after a version as many as are kept, oldest first; a replaced message is for
    those who have not been told its predecessor."""
    one, three = Topic(), Topic(kept=3)
    assert one.after(0) == []
    for number in range(5):
        one.put(message(number))
        three.put(message(number))
    assert (numbers(one.after(0)), one.after(5)) == (["4"], [])
    assert (numbers(three.after(0)), numbers(three.after(4))) == (["2", "3", "4"], ["4"])
    one.replace(message(9))
    assert (numbers(one.after(4)), one.after(5)) == (["9"], [])
    one.clear()
    one.replace(message(10))
    assert one.after(0) == []
    one.put(message(11))
    assert numbers(one.after(5)) == ["11"]


def test_a_listener_is_told_each_newest_once() -> None:
    """Between two questions the states in between are left out."""
    hub = Hub(STREAMS_MAX)
    with hub.listening("a", has_feed=False) as listener:
        assert listener.news() == []
        for number in range(3):
            hub.generation.put(message(number))
        assert numbers(listener.news()) == ["2"]
        assert listener.news() == []


def test_a_member_is_told_no_events() -> None:
    """Neither the hour nor the seconds, and it is not woken by them."""
    hub = Hub(STREAMS_MAX)
    with hub.listening("member:1", has_feed=False) as listener:
        assert not hub.is_watched.is_set()
        hub.activity.put(message(1))
        hub.feed.put(message(2))
        hub.wake_administrators()
        assert listener.news() == []
        assert not listener._woken.is_set()
    with hub.listening("admin:1", has_feed=True):
        assert hub.is_watched.is_set()
    assert not hub.is_watched.is_set()


def test_the_hour_contains_the_seconds_before_it() -> None:
    """An administrator who is told the hour is told the seconds that follow, and none twice; one
    who falls behind is told the newest sixty."""
    hub = Hub(STREAMS_MAX)
    hub.activity.put(message(100))
    hub.feed.put(message(1))
    with hub.listening("admin:1", has_feed=True) as listener:
        hub.feed.put(message(2))
        hub.activity.replace(message(101))
        assert numbers(listener.news()) == ["101"]
        hub.feed.put(message(3))
        hub.activity.replace(message(102))
        assert numbers(listener.news()) == ["3"]
        for number in range(1000):
            hub.feed.put(message(number))
        assert numbers(listener.news()) == [str(number) for number in range(940, 1000)]


def test_the_limits_are_those_of_the_worker_and_of_the_subject() -> None:
    """2,000 of a worker and six of a subject; a place that is left is free again."""
    hub = Hub(STREAMS_MAX)
    blocks = [hub.listening(f"a{number // 6}", has_feed=False) for number in range(2000)]
    for block in blocks:
        block.__enter__()
    with pytest.raises(Problem, match="This server has 2000") as refused:
        hub.listening("b", has_feed=False).__enter__()
    assert (refused.value.status_code, (refused.value.headers or {})["Retry-After"]) == (429, "30")
    blocks.pop().__exit__(None, None, None)
    with pytest.raises(Problem, match="This subject has 6"):
        hub.listening("a0", has_feed=False).__enter__()
    with hub.listening("b", has_feed=False):
        assert hub.count == 2000
    for block in blocks:
        block.__exit__(None, None, None)
    assert (hub.count, dict(hub._accounts)) == (0, {})


def test_nobody_listens_to_a_server_that_stops() -> None:
    """Those who listen are let go, and the next one gets 503 with `Retry-After`."""
    hub = Hub(STREAMS_MAX)
    with hub.listening("a", has_feed=False) as listener:
        hub.close()
        assert listener.end is End.STOPPING
    with pytest.raises(Problem) as refused:
        hub.listening("a", has_feed=False).__enter__()
    assert (refused.value.status_code, (refused.value.headers or {})["Retry-After"]) == (503, "3")


async def told_slowly(hub: Hub, listener: Listener, times: int) -> tuple[int, list[int], int]:
    """A client that takes its first message when all have been put.

    Returns how many bytes were held before it did, how many messages each of its takes had, and
    how often it was sent something without a meaning.
    """
    takes: list[int] = []
    beats = 0
    is_reading = asyncio.Event()

    async def send(news: Sequence[Message]) -> None:
        await is_reading.wait()
        takes.append(len(news))

    async def beat() -> None:
        nonlocal beats
        beats += 1

    hub.feed.put(message(0))
    delivering = asyncio.create_task(
        deliver_until_end(listener, BOSS, kind="stream", send=send, beat=beat)
    )
    await asyncio.sleep(0)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(times):
        hub.feed.put(Message.of("feed", "x" * 1000 + str(number)))
        hub.wake_all()
        await asyncio.sleep(0)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    is_reading.set()
    while len(takes) < 2:
        await asyncio.sleep(0)
    listener.finish(End.GONE)
    assert await delivering is End.GONE
    return after - before, takes, beats


def test_a_client_that_does_not_read_holds_nothing() -> None:
    """20,000 messages of a kilobyte are put while it takes nothing; the topic's sixty are held, and
    it is told these when it reads."""

    async def run() -> None:
        hub = Hub(STREAMS_MAX)
        with hub.listening("a", has_feed=True) as listener:
            held, takes, _ = await told_slowly(hub, listener, 20_000)
        assert takes == [1, 60]
        assert held < 1_000_000

    asyncio.run(run())


@pytest.mark.parametrize(
    ("lifetime", "longest", "end"),
    [(0.0, 3600.0, End.EXPIRED), (3600.0, 0.0, End.COMPLETE), (-5.0, 3600.0, End.EXPIRED)],
)
def test_the_first_of_two_ends(
    lifetime: float, longest: float, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client is told what there is, and no more after its token's end or the longest time."""
    monkeypatch.setattr(delivery, "OPEN_SECONDS", longest)
    monkeypatch.setattr("api.live.delivery.time.time", lambda: float(NOW))

    async def run() -> tuple[End, list[str]]:
        hub, found = Hub(STREAMS_MAX), []
        hub.generation.put(message(1))

        async def send(news: Sequence[Message]) -> None:
            found.extend(numbers(news))

        async def beat() -> None:
            raise AssertionError

        with hub.listening("a", has_feed=False) as listener:
            principal = Principal("boss", Role.ADMIN, NOW + lifetime)
            ended = await deliver_until_end(
                listener, principal, kind="stream", send=send, beat=beat
            )
        return ended, found

    assert asyncio.run(run()) == (end, ["1"])


def counts(**of: int) -> dict[str, int]:
    """Counts by type."""
    return dict(of)


def told(activity: Activity, now: int) -> list[tuple[str, dict[str, int], bool]]:
    """The seconds that are over."""
    return [(one["second"], one["counts"], one["has_gap"]) for one in activity.over(now)]


def test_a_second_is_told_when_it_is_over() -> None:
    """By type, in order; what is added later is a further part of it, and its minute has both."""
    activity = Activity()
    for second, kind in [(NOW, "b"), (NOW, "a"), (NOW, "b"), (NOW + 1, "a")]:
        activity.add(second, kind, NOW)
    assert told(activity, NOW) == []
    assert told(activity, NOW + 1) == [("2027-01-15T08:00:00Z", counts(a=1, b=2), False)]
    activity.add(NOW, "a", NOW + 1)
    assert told(activity, NOW + 61) == [
        ("2027-01-15T08:00:00Z", counts(a=1), False),
        ("2027-01-15T08:00:01Z", counts(a=1), False),
    ]
    assert activity.last_hour(NOW + 61) == {
        "minutes": [{"minute": "2027-01-15T08:00:00Z", "counts": counts(a=3, b=2)}],
        "has_gap": False,
    }


def test_an_hour_is_kept() -> None:
    """A minute is left out when all of it is older than an hour; what comes too late or has a time
    that is more than a minute ahead is not counted."""
    activity = Activity()
    for second in (NOW - 3601, NOW - 3600, NOW - 60, NOW, NOW + 60, NOW + 61):
        activity.add(second, "a", NOW)
    assert len(told(activity, NOW + 100)) == 4

    def minutes(now: int) -> list[Any]:
        return [one["minute"][11:16] for one in activity.last_hour(now)["minutes"]]

    assert minutes(NOW) == ["07:00", "07:59", "08:00", "08:01"]
    assert minutes(NOW + 59) == ["07:00", "07:59", "08:00", "08:01"]
    assert minutes(NOW + 60) == ["07:59", "08:00", "08:01"]


def test_a_gap_is_told_once_and_stays_in_its_hour() -> None:
    """The next second has it, and the hour as long as the gap is in it."""
    activity = Activity()
    activity.note_gap(NOW)
    activity.add(NOW, "a", NOW)
    activity.add(NOW + 1, "a", NOW)
    assert [has_gap for _, _, has_gap in told(activity, NOW + 2)] == [True, False]
    assert activity.last_hour(NOW + 3599)["has_gap"] is True
    assert activity.last_hour(NOW + 3600)["has_gap"] is False
