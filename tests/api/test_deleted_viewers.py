"""A member whom the messenger has deleted gets no answer, however long their token is valid."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.api import small_messenger as messenger
from tests.api.fix_api import Api
from tests.api.fix_published import wait_for
from tests.api.small_messenger import ALICE, BOB, UNKNOWN_USER
from tests.fix_pipeline import Clock, Pipeline
from tests.world import World

REQUESTS = (
    "/dashboard",
    "/dashboard?days=7",
    f"/user/{ALICE}",
    f"/user/{BOB}",
    f"/conversation/{messenger.TEAM}",
    "/engagement?generation=1",
    "/engagement?generation=2",
    "/events/counts?format=csv",
    "/kept",
)
DELETE = f"update users set deleted_at = now() where id = {ALICE}"
REMOVE = f"delete from users where id = {ALICE}"
RESTORE = f"update users set deleted_at = null where id = {ALICE}"


@pytest.fixture
def living(pipeline: Pipeline) -> Pipeline:
    """The small messenger, published once."""
    pipeline.clock = Clock(messenger.NOW)
    with World(pipeline.url) as world:
        messenger.fill(world)
    pipeline.cycle()
    return pipeline


def publish(pipeline: Pipeline, statement: str) -> None:
    """Change the messenger, and run a cycle."""
    with World(pipeline.url) as world:
        world.execute(statement)
    pipeline.cycle(is_full=True)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (DELETE, "Your account in the messenger has been deleted."),
        (REMOVE, "Your account is not in the messenger any more."),
    ],
    ids=["deleted", "gone"],
)
def test_a_deleted_member_gets_403(
    living: Pipeline, new_api: Callable[..., Api], statement: str, reason: str
) -> None:
    """From the first generation that knows of it every request of theirs is 403 with the reason:
    computed, repeated, answered from a cache, warm from the last generation, and for an older one;
    nobody else notices."""
    api = new_api(living)
    alice, bob = api.member(ALICE), api.member(BOB)
    for path in REQUESTS[:6] * 2:
        assert alice.get(path).status_code == bob.get(path).status_code == 200
    publish(living, statement)
    wait_for(api, 2)
    for path in REQUESTS * 2:
        refused = alice.get(path)
        assert (refused.status_code, refused.json()["detail"]) == (403, reason), path
        assert bob.get("/dashboard").status_code == 200
    assert api.admin().get(f"/conversation/{messenger.TEAM}").status_code == 200
    assert api.member(UNKNOWN_USER).get("/dashboard").status_code == 200


def test_a_restored_member_gets_answers_again(
    living: Pipeline, new_api: Callable[..., Api]
) -> None:
    """The newest generation decides, and nothing of an older one is remembered."""
    publish(living, DELETE)
    api = new_api(living)
    alice = api.member(ALICE)
    assert alice.get("/dashboard").status_code == 403
    publish(living, RESTORE)
    wait_for(api, 3)
    assert alice.get("/dashboard").json()["message_stats"]["total_messages"] == 11
    assert alice.get("/dashboard").headers["x-cache"] == "hit"
