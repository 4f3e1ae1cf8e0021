"""From a token to a dashboard and back, through every layer."""

from __future__ import annotations

from collections.abc import Callable

import redis

from olap.settings import Secret
from tests.api.fix_api import Api
from tests.fix_pipeline import Pipeline


def test_a_dashboard_comes_from_compute_then_memory_then_redis(
    team_site: Pipeline, valkey_url: str, new_api: Callable[..., Api]
) -> None:
    """The first worker computes and then remembers; a second one finds it in Redis: same bytes."""
    first = new_api(team_site, redis_url=Secret(valkey_url))
    second = new_api(team_site, redis_url=Secret(valkey_url))
    computed = first.admin().get("/dashboard", days=11)
    remembered = first.admin().get("/dashboard", days=11)
    shared = second.admin("another").get("/dashboard", days="11", tz="UTC")
    found = [answer.headers["x-cache"] for answer in (computed, remembered, shared)]
    assert found == ["miss", "hit", "hit"]
    assert computed.content == remembered.content == shared.content
    assert computed.json()["message_stats"]["total_messages"] > 0
    with redis.Redis.from_url(valkey_url) as client:
        (key,) = [key for key in client.keys("analytics:1-**:11d~:*") if not key.endswith(b":lead")]
        assert 0 < client.ttl(key) <= 300


def test_without_a_token_there_is_no_answer(team_api: Api) -> None:
    """Who sends no token gets a 401 problem with a challenge, whatever the cache holds."""
    assert team_api.admin().get("/dashboard").status_code == 200
    refused = team_api.nobody().get("/dashboard")
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["www-authenticate"] == "Bearer"
