"""Parameters: their limits, periods and zones, and errors that name the invalid parameter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.endpoints import ENDPOINTS
from api.parameters import Comparison, ConversationType, DashboardTable, Every, Ranking
from api.periods import Window, period
from api.problems import Problem
from api.query import Endpoint, Query
from api.schemas import Format, IdForm
from tests.api import small_messenger as messenger
from tests.api.fix_api import Api
from tests.fix_pipeline import Pipeline

THROUGH = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)


def window(
    *,
    days: int | None = None,
    start: str | None = None,
    end: str | None = None,
    tz: str = "UTC",
    days_max: int = 365,
) -> Window:
    """The window of these parameters in a generation with data through THROUGH."""
    given = period(days=days, start=start, end=end, tz=tz, default=7, days_max=days_max)
    return given.window(THROUGH)


def utc(text: str) -> datetime:
    """An instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "since", "until"),
    [
        ({}, "2026-11-13T10:30", "2026-11-20T10:30"),
        ({"days": 1}, "2026-11-19T10:30", "2026-11-20T10:30"),
        ({"start": "2026-11-01T08:00:00+01:00"}, "2026-11-01T07:00", "2026-11-20T10:30"),
        # A plus sign that was not written as %2B arrives as a blank.
        ({"start": "2026-11-01T08:00:00 01:00"}, "2026-11-01T07:00", "2026-11-20T10:30"),
        ({"start": "2026-11-01", "end": "2026-11-02"}, "2026-11-01T00:00", "2026-11-03T00:00"),
        (
            {"start": "2026-11-01", "end": "2026-11-02", "tz": "America/New_York"},
            "2026-11-01T04:00",  # the day has 25 hours:
            "2026-11-03T05:00",  # the clock went back in between
        ),
        ({"end": "2026-11-10T00:00:00Z", "days": 2}, "2026-11-08T00:00", "2026-11-10T00:00"),
        ({"end": "2026-12-24"}, "2026-11-13T10:30", "2026-11-20T10:30"),  # moved to data_through
        # The day begins at 1 o'clock where midnight is skipped (2018, Sao Paulo).
        (
            {"start": "2018-11-04", "end": "2018-11-04", "tz": "America/Sao_Paulo"},
            "2018-11-04T03:00",
            "2018-11-05T02:00",
        ),
        ({"start": "2024-01-01", "end": "2024-12-31"}, "2024-01-01T00:00", "2025-01-01T00:00"),
    ],
)
def test_windows(given: dict[str, str], since: str, until: str) -> None:
    """Days count back from the end; dates are whole days of the zone, the end included."""
    assert window(**given) == Window(utc(since), utc(until))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"days": 3, "start": "2026-11-01"}, "days"),
        ({"start": "2026-11-02", "end": "2026-11-01T00:00:00Z"}, "start"),
        # One day after the end: the end includes its day, and so is the instant of the start.
        ({"start": "2026-11-02", "end": "2026-11-01"}, "start"),
        ({"start": "2026-11-02T00:00:00Z", "end": "2026-11-01"}, "start"),
        ({"start": "2026-11-01T00:00:00Z", "end": "2026-11-01T00:00:00Z"}, "start"),
        ({"start": "2026-12-01"}, "start"),  # after data_through
        ({"start": "2025-11-01"}, "start"),  # too long ago
        ({"start": "2026-11-01T08:00:00"}, "start"),  # no offset
        ({"start": "tomorrow"}, "start"),
        ({"start": "2026-02-30"}, "start"),
        ({"end": "9999-12-31"}, "end"),
        ({"end": "9999-12-31T23:59:59-14:00"}, "end"),
        ({"end": "0002-01-05", "days": 30}, "end"),
        ({"end": "0002-01-05"}, "end"),
        ({"start": "0001-12-31"}, "start"),
        ({"start": "0001-01-01", "tz": "Pacific/Kiritimati"}, "start"),
        ({"start": "0001-01-01T00:00:00+14:00"}, "start"),
        ({"tz": "Mars/Phobos"}, "tz"),
        ({"tz": "../../etc/passwd"}, "tz"),
        ({"tz": "utc"}, "tz"),
    ],
)
def test_an_invalid_period_names_its_parameter(given: dict[str, str], named: str) -> None:
    """A contradictory, reversed, too long or future period, and an unknown time or zone return
    400."""
    with pytest.raises(Problem) as caught:
        window(**given)  # type: ignore[arg-type]
    assert caught.value.status_code == 400
    assert caught.value.extra == {"parameter": named}


def test_one_period_has_one_key_however_it_is_written() -> None:
    """The same instant with another offset, or as a local midnight, is the same period."""
    written = [
        {"start": "2026-11-01T00:00:00+01:00", "tz": "UTC"},
        {"start": "2026-10-31T23:00:00Z", "tz": "UTC"},
        {"start": "2026-11-01", "tz": "Europe/Berlin"},
    ]
    keys = {
        period(days=None, start=one["start"], end=None, tz=one["tz"], default=7, days_max=90).key
        for one in written
    }
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/dashboard?days=0", "days"),
        ("/dashboard?days=91", "days"),
        ("/engagement?days=366", "days"),
        ("/messages?days=366", "days"),
        ("/messages?days=x", "days"),
        ("/messages?days=", "days"),
        ("/messages?days=1&days=2", "days"),
        ("/messages?dayz=1", "dayz"),
        ("/messages?conversation_id=7", "conversation_id"),
        ("/messages?user_id_filter=0x7", "user_id_filter"),
        ("/timeline?interval=yearly", "interval"),
        ("/timeline?format=xml", "format"),
        ("/timeline?tz=Nowhere", "tz"),
        ("/timeline?include_system=perhaps", "include_system"),
        ("/timeline?type=secret", "type"),
        ("/messages?type=secret", "type"),
        ("/top-senders?type=secret", "type"),
        ("/top-conversations?type=secret", "type"),
        ("/active-users?tz=Nowhere", "tz"),
        ("/active-users?hours=0", "hours"),
        ("/active-users?hours=8761", "hours"),
        ("/active-users?days=366", "days"),
        ("/active-users?hours=1&days=1", "days"),
        ("/active-users?hours=1&start=2026-11-01", "hours"),
        ("/active-users?hours=1&whole_days=true", "hours"),
        ("/messages?whole_days=2", "whole_days"),
        ("/messages?compare=month", "compare"),
        ("/conversation/x?compare=previous", "compare"),
        ("/read-through?whole_days=true", "whole_days"),
        ("/top-senders?limit=0", "limit"),
        ("/top-senders?limit=101", "limit"),
        ("/top-conversations?limit=51", "limit"),
        ("/top-conversations?sort_by=size", "sort_by"),
        ("/reply-times?days=366", "days"),
        ("/reply-times/timeline?interval=yearly", "interval"),
        ("/reply-times/conversations?limit=51", "limit"),
        ("/read-rate?conversation_id=7", "conversation_id"),
        (f"/conversation/{messenger.TEAM}/response-matrix?limit=1001", "limit"),
        ("/conversation/x/response-matrix", "conversation_id"),
        ("/dashboard?format=xlsx", "format"),
        ("/dashboard?table=days", "table"),
        ("/messages?table=summary", "table"),
        ("/messages?bom=2", "bom"),
        ("/messages?ids=int", "ids"),
        ("/dashboard?include_bots=perhaps", "include_bots"),
        ("/dashboard?generation=0", "generation"),
        ("/user/x", "user_id"),
        ("/user/99999999999999999999", "user_id"),
        ("/conversation/x", "conversation_id"),
    ],
)
def test_an_invalid_parameter_is_400_and_named(small_api: Api, path: str, named: str) -> None:
    """Each limit and each format is validated, and the problem names the parameter."""
    for caller in (small_api.admin(), small_api.member(messenger.ALICE)):
        found = caller.get(path)
        assert found.status_code == 400
        assert found.headers["content-type"] == "application/problem+json"
        assert found.json()["parameter"] == named
        assert found.json()["detail"].startswith(named)


def test_the_largest_allowed_values_are_accepted(small_api: Api) -> None:
    """The largest allowed value of each parameter is accepted."""
    for path in (
        "/dashboard?days=90",
        "/messages?days=365",
        "/engagement?days=365",
        "/active-users?hours=8760",
        "/active-users?days=365",
        "/top-senders?limit=100",
        "/top-conversations?limit=50",
        "/reply-times?days=365",
        "/reply-times/conversations?limit=50",
        f"/conversation/{messenger.TEAM}/response-matrix?limit=1000",
    ):
        assert small_api.admin().get(path).status_code == 200


def test_computations_are_limited_and_cached_answers_are_not(
    small_site: Pipeline, new_api: Callable[..., Api], stopped_limits: None
) -> None:
    """A subject without computations left gets 429 with `Retry-After` for what must be computed,
    and 200 for what is cached; other subjects are not affected."""
    api = new_api(small_site, compute_limit=2)
    one = api.admin("one")
    assert [one.get("/engagement", days=days).status_code for days in (51, 52)] == [200, 200]
    refused = one.get("/engagement", days=53)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["content-type"] == "application/problem+json"
    assert one.get("/engagement", days=51).headers["x-cache"] == "hit"
    assert api.admin("two").get("/engagement", days=53).status_code == 200
    assert one.get("/engagement", days=53).headers["x-cache"] == "hit"


# Another value than the default for each parameter that may change an answer.
VALUES: dict[str, Any] = {
    "days": 3,
    "start": "2026-11-01",
    "end": "2026-11-02",
    "include_bots": False,
    "interval": Every.WEEKLY,
    "conversation_id": str(messenger.GARDEN),
    "user_id_filter": "7",
    "user_id": "7",
    "type": ConversationType.CHANNEL,
    "include_system": False,
    "limit": 3,
    "sort_by": Ranking.ACTIVITY,
    "hours": 5,
    "whole_days": True,
    "compare": Comparison.YEAR,
    "form": Format.CSV,
    "ids": IdForm.TEXT,
}
# The same for those that change nothing but CSV.
OF_CSV: dict[str, Any] = {"bom": True, "table": DashboardTable.TOP_SENDERS}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_parameter_that_changes_the_answer_is_in_the_key(endpoint: Endpoint) -> None:
    """The cache key contains each parameter, `tz` only where the answer has buckets, and never the
    pinned generation. What changes CSV alone is not in the keys of JSON, and vice versa."""
    required = {
        "user": {"user_id": "8"},
        "unread": {"user_id": "8"},
        "conversation": {"conversation_id": str(messenger.TEAM)},
        "response_matrix": {"conversation_id": str(messenger.TEAM)},
    }.get(endpoint.name, {})

    def key(viewer: int | None = None, **given: Any) -> str:
        parameters = endpoint.parameters(**required | given)
        return Query(endpoint=endpoint, viewer=viewer, parameters=parameters).key

    names = {one.name for one in fields(endpoint.parameters) if one.init}
    assert names - {"tz", "generation"} - OF_CSV.keys() <= set(VALUES)
    of_csv = {name: value for name, value in OF_CSV.items() if name in names}
    keys = [
        key(),
        *(key(**{name: VALUES[name]}) for name in names & set(VALUES)),
        *(key(form=Format.CSV, **{name: value}) for name, value in of_csv.items()),
    ]
    assert len(set(keys)) == len(keys)
    assert {key(**{name: value}) for name, value in of_csv.items()} == {key()}
    assert key(form=Format.CSV, ids=IdForm.TEXT) == key(form=Format.CSV)
    assert (key(tz="Europe/Berlin") != key()) is endpoint.parameters.HAS_BUCKETS
    assert key(generation=1) == key()
    viewers = 2 if endpoint.is_same_for_members else 3
    assert len({key(), key(viewer=7), key(viewer=8)}) == viewers


def test_bots_can_be_left_out(small_api: Api) -> None:
    """`include_bots` is part of the cache key: both answers are cached."""
    with_bots = small_api.admin().get("/dashboard", include_bots="true")
    without = small_api.admin().get("/dashboard", include_bots="false")
    assert with_bots.headers["etag"] != without.headers["etag"]
    assert timedelta(days=7).days == with_bots.json()["period_days"]
