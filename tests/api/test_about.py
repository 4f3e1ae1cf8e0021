"""`/generation` and `/catalog`: what a page must know of the data before it shows a number."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Callable
from typing import Any

import duckdb
import msgspec
import pytest

from api.endpoints import ENDPOINTS
from olap import timezones
from olap.catalog import metrics
from olap.lookalikes import LOOKALIKES
from olap.manifest import read_manifest
from tests.api import small_messenger as messenger
from tests.api.fix_api import Api
from tests.api.fix_published import BASE, ONE_MORE_MESSAGE, Published, wait_for
from tests.api.small_messenger import ALICE, DORA
from tests.fix_pipeline import Clock, Pipeline
from tests.world import World


def json_of(value: Any) -> Any:
    """A value as JSON has it."""
    return json.loads(msgspec.json.encode(value))


def test_a_generation_is_described(small_api: Api, small_site: Pipeline) -> None:
    """An administrator is told everything that the manifest says; the day of the first message is
    that of the oldest row."""
    manifest = read_manifest(small_site.layout.generation_manifest(1))
    assert small_api.admin().get("/generation").json() == {
        "generated_at": json_of(manifest.generated_at),
        "proved_at": json_of(manifest.proved_at),
        "coverage": [{"first_day": None, "last_day": None}],
        "first_day": f"{messenger.ago(days=4, hours=9, minutes=1):%Y-%m-%d}",
        "zones": list(timezones.zone_names()),
        "zones_release": timezones.VERSION,
        "mapping": "messenger",
        "id_types": {"user": "integer", "conversation": "uuid", "event": "uuid"},
        "inexact": [],
        "not_available": [
            {
                "table": "read_marks",
                "reason": "read marks are not available: the source has none by its mapping, "
                "messenger",
            }
        ],
        "generation": 1,
        "data_through": json_of(manifest.data_through),
    }


def test_coverage_and_proof_are_those_of_the_manifest(
    pipeline: Pipeline, new_api: Callable[..., Api]
) -> None:
    """Ranges of days that are kept have their first and last day, or none where they have no end;
    `proved_at` is the oldest proof of a file, if every file has one."""
    pipeline.clock = Clock(messenger.NOW)
    with World(pipeline.url) as world:
        messenger.fill(world)
    pipeline.cycle()
    path = pipeline.layout.generation_manifest(1)
    content = json.loads(path.read_bytes())
    content["coverage"]["ranges"] = [
        {"first": "2026-01-05", "last": "2026-02-01"},
        {"first": "2026-03-01", "last": "9999-12-31"},
    ]
    for number, file in enumerate(content["files"], 1):
        file["proved_at"] = f"2026-11-{number % 20 + 1:02}T08:00:00Z"
    assert len(content["files"]) > 2
    path.write_text(json.dumps(content))
    answer = new_api(pipeline).admin().get("/generation").json()
    assert answer["coverage"] == [
        {"first_day": "2026-01-05", "last_day": "2026-02-01"},
        {"first_day": "2026-03-01", "last_day": None},
    ]
    assert answer["proved_at"] == min(file["proved_at"] for file in content["files"])


def test_a_member_is_told_nothing_of_others(small_api: Api) -> None:
    """All members get the bytes that an administrator gets, from one place in the cache."""
    first, second = (small_api.member(user).get("/generation") for user in (ALICE, DORA))
    assert first.content == second.content
    assert first.headers["etag"] == second.headers["etag"]
    assert (first.headers["x-cache"], second.headers["x-cache"]) == ("bypass", "hit")
    assert first.content == small_api.admin().get("/generation").content
    catalogs = [small_api.member(user).get("/catalog") for user in (ALICE, DORA)]
    assert catalogs[0].content == catalogs[1].content == small_api.admin().get("/catalog").content


def test_the_generation_is_the_one_that_answers(
    published: Published, new_api: Callable[..., Api]
) -> None:
    """A generation that the ETL has published and that does not serve is not told; the unchanged
    answer is 304, and the next generation's is another one."""
    published.publish(BASE)
    api = new_api(published.pipeline)
    admin = api.admin()
    first = admin.get("/generation")
    published.place(ONE_MORE_MESSAGE)
    (published.layout.generation_directory(2) / "analytics.duckdb.wal").write_bytes(b"")
    published.point(ONE_MORE_MESSAGE)
    while api.client.get("/health/ready").json()["refused"] is None:
        time.sleep(0.02)
    same = admin.get("/generation", {"If-None-Match": first.headers["etag"]})
    assert (first.json()["generation"], same.status_code) == (1, 304)
    published.remove(2)
    published.publish(ONE_MORE_MESSAGE)
    wait_for(api, 2)
    new = admin.get("/generation", {"If-None-Match": first.headers["etag"]})
    assert (new.status_code, new.json()["generation"]) == (200, 2)
    assert admin.get("/generation", generation=1).content == first.content


def test_the_catalogue_is_that_of_the_published_file(small_api: Api, small_site: Pipeline) -> None:
    """Every version of every metric with what `metrics.catalog` says of it, the table it needs, and
    the endpoints that show it."""
    answer = small_api.admin().get("/catalog").json()
    columns = (
        "metric", "version", "is_newest", "definition", "grain", "scope", "rules", "parameters",
        "fingerprint", "not_available",
    )  # fmt: skip
    with duckdb.connect(str(small_site.published), read_only=True) as connection:
        published = connection.execute(
            f"select {', '.join(columns)} from metrics.catalog order by metric, version"
        ).fetchall()
    assert [tuple(one[name] for name in columns) for one in answer["metrics"]] == published
    needs = {(metric.name, metric.version): metric.needs for metric in metrics()}
    shown = {
        metric.macro: {one.path.replace(":str}", "}") for one in ENDPOINTS if metric in one.shown}
        for metric in metrics()
    }
    for one in answer["metrics"]:
        need = needs[one["metric"], one["version"]]
        assert one["needs"] == (None if need is None else str(need))
        assert set(one["endpoints"]) == shown[f"{one['metric']}_v{one['version']}"]
    by_name = {one["metric"]: one for one in answer["metrics"]}
    assert by_name["message_stats"]["endpoints"] == ["/dashboard", "/messages"]
    assert by_name["user_activity"]["endpoints"] == ["/user/{user_id}"]
    assert by_name["unread"]["not_available"].startswith("read marks are not available")
    assert [tuple(pair.values()) for pair in answer["lookalikes"]] == [
        (pair.metric, pair.column, pair.other_metric, pair.other_column, pair.reason)
        for pair in LOOKALIKES
    ]


# What an endpoint is asked, and the values of its metric's statement that are no default.
STATEMENTS = {
    "message_stats": ("/messages", {}),
    "engagement": ("/engagement?days=30", {"engaged_from": 5}),
    "user_activity": (f"/user/{ALICE}", {"for_user": ALICE}),
}


@pytest.mark.parametrize("metric", STATEMENTS)
@pytest.mark.parametrize("viewer", [None, ALICE])
def test_a_statement_gives_the_number_of_the_answer(
    small_api: Api, small_site: Pipeline, metric: str, viewer: int | None
) -> None:
    """The statement, run in the published file with the values of the request, has the columns and
    the numbers of the endpoint."""
    caller = small_api.admin() if viewer is None else small_api.member(viewer)
    path, values = STATEMENTS[metric]
    answer = caller.get(path).json()
    (found,) = [
        one
        for one in caller.get("/catalog").json()["metrics"]
        if one["metric"] == metric and one["is_newest"]
    ]
    assert path.split("?")[0].replace(f"/{ALICE}", "/{user_id}") in found["endpoints"]
    given = {
        "since": answer["since"], "until": answer["until"], "visible_to": viewer,
        "include_bots": True,
    } | values  # fmt: skip
    used = {name: given.get(name) for name in re.findall(r"\$(\w+)", found["statement"])}
    with duckdb.connect(str(small_site.published), read_only=True) as connection:
        result = connection.execute(found["statement"], used)
        names = [column[0] for column in result.description or ()]
        (row,) = result.fetchall()
    numbers = {
        name: value for name, value in zip(names, row, strict=True) if isinstance(value, int)
    }
    assert len(numbers) >= 3
    assert numbers == {name: answer[name] for name in numbers}


def test_every_statement_runs(small_api: Api, small_site: Pipeline) -> None:
    """DuckDB accepts each statement of the catalogue with a value for each of its names."""
    values = {
        "since": "2026-11-01", "until": "2026-11-02", "every": "daily", "tz": "Europe/Berlin",
        "top_n": 3, "sort_by": "messages", "include_bots": True, "engaged_from": 5,
    }  # fmt: skip
    with duckdb.connect(str(small_site.published), read_only=True) as connection:
        for one in small_api.admin().get("/catalog").json()["metrics"]:
            names = re.findall(r"\$(\w+)", one["statement"])
            given = {name: values.get(name) for name in names}
            assert "days" not in given and len(given) >= 2
            if one["not_available"] is None or "null" in one["not_available"]:
                connection.execute(one["statement"], given).fetchall()


def test_the_catalogue_as_csv(small_api: Api) -> None:
    """`table` names one of its lists; a list of texts is one cell with semicolons."""
    admin = small_api.admin()
    answer = admin.get("/catalog").json()
    rows = list(csv.DictReader(io.StringIO(admin.get("/catalog", format="csv").text)))
    assert [row["metric"] for row in rows] == [one["metric"] for one in answer["metrics"]]
    assert rows[0]["parameters"] == "; ".join(answer["metrics"][0]["parameters"])
    assert rows[0]["endpoints"] == "; ".join(answer["metrics"][0]["endpoints"])
    text = admin.get("/catalog", format="csv", table="lookalikes").text
    assert list(csv.DictReader(io.StringIO(text))) == answer["lookalikes"]
    (row,) = csv.DictReader(io.StringIO(admin.get("/generation", format="csv").text))
    assert row["zones"].split("; ") == list(timezones.zone_names())
    assert (row["id_types_user"], row["generation"]) == ("integer", "1")
