"""Whatever is written meanwhile, the keys of a feed lead from one snapshot exactly to the next."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from etl.sandbox.postgres import postgres_server
from olap.manifest import Mode
from tests.feed import hostile
from tests.feed.follower import Follower, install, messenger

SEED = 5
# `make torture` plays more.
BATCHES = int(os.environ.get("HOSTILE_BATCHES", "8"))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[16, 18])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server of its own, whose commits a test may let hang."""
    with (
        tempfile.TemporaryDirectory(prefix="test-feed-") as directory,
        postgres_server(Path(directory), version=request.param) as server,
    ):
        yield server.url()


@pytest.mark.parametrize("mode", [Mode.SLOT, Mode.LOG])
def test_a_shadow_kept_by_keys_equals_the_tables_in_every_batch(server: str, mode: Mode) -> None:
    """Rows and counts equal those under each batch's snapshot, whatever hangs or is rolled back."""
    url = messenger(server, f"hostile_{mode}")
    install(url, mode)
    found = hostile.play(Follower(url, mode), seed=SEED, batches=BATCHES)
    print(dict(sorted(found.seen.items())))
    assert found.wrong == []
    assert found.seen[mode] == BATCHES + 1
    assert hostile.EXPECTED - found.seen.keys() == set()


@pytest.mark.parametrize("server", [18], indirect=True)
def test_a_log_position_from_before_the_snapshot_loses_rows(server: str) -> None:
    """The wrong cut loses every row whose commit hung when the snapshot was taken."""
    url = messenger(server, "wrong_cut")
    install(url, Mode.SLOT)
    found = hostile.play(
        Follower(url, Mode.SLOT), seed=SEED, batches=3, is_cut_before_snapshot=True
    )
    lost = "\n".join(found.wrong)
    held = [str(UUID(int=hostile.HELD + number)) for number in range(3)]
    assert [row in lost for row in held] == [True, True, True]


@pytest.mark.parametrize("server", [18], indirect=True)
def test_a_change_of_the_publication_that_is_not_visible_yet_makes_a_scan(server: str) -> None:
    """Decoding follows it from its place in the log on, before the catalog shows it."""
    url = messenger(server, "hidden_change")
    install(url, Mode.SLOT)
    follower = Follower(url, Mode.SLOT)
    assert [follower.read().mode for _ in range(2)] == [Mode.SCAN, Mode.SLOT]
    gate = hostile.Gate(url)
    with gate.held(1), gate.hanging("alter publication analytics_feed drop table messages"):
        gate.commit(1)
        reading = follower.read()
    gate.close()
    assert reading.reason == "somebody is changing the publication"
    assert follower.read().reason == "the publication was changed"
