"""From a token to a dashboard, through every layer."""

from __future__ import annotations

from collections.abc import Callable

import redis

from olap.secret import Secret
from tests.api.fix_api import Api, wait_for_key
from tests.fix_pipeline import Pipeline


def test_a_dashboard_comes_from_compute_then_memory_then_redis(
    small_site: Pipeline, valkey_url: str, new_api: Callable[..., Api]
) -> None:
    """The first worker computes an answer and then has it in memory; a second one reads the same
    bytes from Redis."""
    first = new_api(small_site, redis_url=Secret(valkey_url))
    second = new_api(small_site, redis_url=Secret(valkey_url))
    computed = first.admin().get("/dashboard", days=11)
    with redis.Redis.from_url(valkey_url) as client:
        key = wait_for_key(client, "*:answers:1-*:dashboard:*:site:11d~:*")
        assert 0 < client.ttl(key) <= 300
    in_memory = first.admin().get("/dashboard", days=11)
    in_redis = second.admin("another").get("/dashboard", days="11", tz="UTC")
    found = [answer.headers["x-cache"] for answer in (computed, in_memory, in_redis)]
    assert found == ["miss", "hit", "hit"]
    assert computed.content == in_memory.content == in_redis.content
    assert computed.json()["message_stats"]["total_messages"] > 0


def test_without_a_token_there_is_no_answer(small_api: Api) -> None:
    """Without a token the answer is a 401 problem with a challenge, whatever is cached."""
    assert small_api.admin().get("/dashboard").status_code == 200
    refused = small_api.anonymous().get("/dashboard")
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["www-authenticate"] == "Bearer"
