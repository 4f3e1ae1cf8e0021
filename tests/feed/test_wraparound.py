"""Transaction ids across 2^31 and 2^32: feeds lose no key and count no row twice."""

from __future__ import annotations

import pytest

from olap.manifest import Mode
from tests.feed.follower import Follower, install
from tests.test_wraparound import next_xid, server_whose_next_xid_is
from tests.world import World, uuid


@pytest.mark.slow
@pytest.mark.parametrize("corner", [2**31, 2**32])
def test_feeds_continue_across_a_wraparound(corner: int) -> None:
    """Each batch is told what was written since the last, also by a late commit, by both feeds."""
    with (
        server_whose_next_xid_is(corner - 120) as url,
        World(url) as world,
        World(url) as late,
    ):
        install(url, Mode.SLOT, Mode.LOG)
        followers = [Follower(url, mode) for mode in (Mode.SLOT, Mode.LOG)]
        for follower in followers:
            assert follower.read().mode is Mode.SCAN
        late.connection.execute("begin")
        late.message(5_000)
        assert next_xid(world) < corner
        number, xid = 0, 0
        while xid < corner + 40:
            new = range(number, number + 12)
            number += 12
            for message in new:
                world.message(message)
            for follower in followers:
                told = (follower.read().changes or {})["messages"]
                assert told.keys >= {(str(uuid(message)),) for message in new}
                assert told.added_rows == len(new)
            xid = next_xid(world)
        late.connection.execute("commit")
        for follower in followers:
            told = (follower.read().changes or {})["messages"]
            assert (str(uuid(5_000)),) in told.keys
            assert told.added_rows == 1
            assert (follower.read().changes or {})["messages"].added_rows == 0
