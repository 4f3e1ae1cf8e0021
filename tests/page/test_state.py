"""The state of the page as the query of its URL."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.page.modules import Modules

STATE = Modules("state.js")
DEFAULTS: dict[str, str] = STATE.run("() => DEFAULTS")

ids = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60)
dates = st.dates().map(str)
periods = st.one_of(
    st.sampled_from(["1", "7", "30", "90"]).map(
        lambda days: {"days": days, "start": "", "end": ""}
    ),
    st.tuples(dates, dates | st.just("")).map(
        lambda two: {"days": "", "start": min(two) or two[0], "end": max(two) if two[1] else ""}
    ),
)
states = st.builds(
    lambda period, rest: {**period, **rest},
    periods,
    st.fixed_dictionaries(
        {
            "compare": st.sampled_from(["previous", "year", ""]),
            "tz": st.sampled_from(["", "UTC", "Europe/Berlin", "Etc/GMT+3", "America/St_Johns"]),
            "interval": st.sampled_from(["hourly", "daily", "weekly", "monthly", ""]),
            "include_bots": st.sampled_from(["true", "false"]),
            "sort_by": st.sampled_from(["messages", "participants", "activity"]),
            "include_direct": st.sampled_from(["true", ""]),
            "user_id": ids,
            "conversation_id": ids,
            "theme": st.sampled_from(["light", "dark", ""]),
            "dashboard": st.sampled_from(["", "overview", "8d0e4b5c-0f5a-4a35-9f3e-b4a1a34bd3d2"]),
        }
    ),
)


def read(query: str) -> dict[str, str]:
    """The state that a query names."""
    found = STATE.run("(query) => read(query)", query)
    assert isinstance(found, dict)
    return found


def write(state: dict[str, str]) -> str:
    """The query that names a state."""
    return str(STATE.run("(state) => write(state)", state))


@given(states)
def test_a_state_survives_its_url(state: dict[str, str]) -> None:
    """What is written is read again, whatever the ids are, by any parser of queries."""
    query = write(state)
    assert read(query) == state
    said = dict(parse_qsl(query.removeprefix("?"), keep_blank_values=True))
    assert said == {name: state[name] for name in said}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_query_is_a_usable_state(query: str) -> None:
    """Nothing raises, all names are there, and the state it makes survives its own URL."""
    state = read(query)
    assert state.keys() == DEFAULTS.keys()
    assert read(write(state)) == state


def test_what_is_default_is_left_out() -> None:
    """The shortest link is no query at all."""
    assert write(DEFAULTS) == ""
    assert read("") == read("?") == DEFAULTS
    assert write({**DEFAULTS, "days": "7", "compare": ""}) == "?days=7&compare="


@pytest.mark.parametrize(
    "wrong",
    [
        {"days": "8"},
        {"days": ""},
        {"start": "2026-02-31"},
        {"start": "yesterday"},
        {"end": "2026-11-01"},
        {"start": "2026-11-02", "end": "2026-11-01"},
        {"compare": "next"},
        {"tz": "Europe/Berlin; drop"},
        {"interval": "minutely"},
        {"include_bots": "yes"},
        {"sort_by": "name"},
        {"include_direct": "false"},
        {"user_id": "a\nb"},
        {"conversation_id": "x" * 513},
        {"theme": "pink"},
        {"dashboard": "../../etc"},
        {"nobody": "knows"},
    ],
)
def test_a_wrong_value_is_the_default(wrong: dict[str, str]) -> None:
    """A link that was mistyped shows the page, and what else it says holds."""
    assert read("?" + urlencode({**wrong, "tz": wrong.get("tz", "UTC")})) == {
        **DEFAULTS,
        "tz": "" if "tz" in wrong else "UTC",
    }


def test_a_percent_sign_that_encodes_nothing_is_not_given() -> None:
    """Half an escape loses its own value and no other."""
    assert read("?user_id=%E0%A4&days=7") == {**DEFAULTS, "days": "7"}


def test_other_writers_of_queries_are_understood() -> None:
    """A plus sign is a blank, as forms write it, and only the first equals sign ends a name."""
    assert read("?user_id=a+b")["user_id"] == "a b"
    assert read("?user_id=a=b==")["user_id"] == "a=b=="


def test_an_id_stays_a_text() -> None:
    """No digit of 19 is lost, and an id that looks like a path is legible in the link."""
    query = write(
        {**DEFAULTS, "user_id": "1000000000000000001", "conversation_id": "@ann/x:example.org"}
    )
    assert query == "?user_id=1000000000000000001&conversation_id=@ann/x:example.org"
    assert read(query)["user_id"] == "1000000000000000001"


def test_a_start_excludes_days() -> None:
    """A period by dates has no days, also where the link says both."""
    state = read("?days=7&start=2026-11-01&end=2026-11-20")
    assert (state["days"], state["start"], state["end"]) == ("", "2026-11-01", "2026-11-20")
    assert write(state) == "?start=2026-11-01&end=2026-11-20"


def test_nobody_changes_a_state_that_is_shown() -> None:
    """A state is frozen: a change makes another one."""
    assert STATE.run("() => Object.isFrozen(read('?days=7')) && Object.isFrozen(DEFAULTS)") is True
