"""What the page does when time passes and when the API refuses, without a browser."""

from __future__ import annotations

from typing import Any

import pytest

from tests.page.modules import Modules

NOW = 1_800_000_000_000
MINUTE = 60_000


@pytest.fixture(scope="module")
def modules() -> Modules:
    """The modules that decide."""
    return Modules(
        "retry.js", "clock.js", "keys.js", "changed.js", "words.js", "notices.js", "freshness.js",
        "period_form.js", "view.js", "state.js", "emptiness.js",
    )  # fmt: skip


def refused(
    modules: Modules, status: int, *, failures: int = 0, retry_after: int | None = None
) -> Any:
    """What follows a refusal, without chance."""
    refusal = {"status": status, "detail": "why", "reason": "", "retry_after": retry_after}
    return modules.run(
        "(refusal, failures, at) => afterRefusal(refusal, failures, at)",
        refusal,
        failures,
        {"now": NOW, "random": 0},
    )


def trouble(**changes: Any) -> dict[str, Any]:
    """A trouble that passes in two seconds."""
    given = {
        "status": 503, "detail": "why", "reason": "", "is_partial": False, "retry_at": NOW + 2000,
    }  # fmt: skip
    return given | changes


def test_401_signs_out(modules: Modules) -> None:
    """A refused token is a reason to sign in, and nothing is tried again."""
    assert refused(modules, 401) == {"step": "sign_in", "trouble": None}


def test_410_starts_again_and_does_not_spin(modules: Modules) -> None:
    """A generation that is gone is replaced at once, three times; then the page waits."""
    steps = [refused(modules, 410, failures=number)["step"] for number in range(5)]
    assert steps == ["newest", "newest", "newest", "wait", "wait"]


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(modules: Modules, status: int) -> None:
    """What the API asks to wait, the page waits, however often it has failed."""
    for failures in (0, 7):
        found = refused(modules, status, failures=failures, retry_after=7)
        assert found["trouble"]["retry_at"] == NOW + 7000


@pytest.mark.parametrize("status", [0, 500, 502, 503, 504])
def test_the_pause_grows_to_a_minute(modules: Modules, status: int) -> None:
    """Without `Retry-After` the page asks after 2, 4, 8, … and at most 60 seconds."""
    pauses = [
        (refused(modules, status, failures=number)["trouble"]["retry_at"] - NOW) / 1000
        for number in range(7)
    ]
    assert pauses == [2, 4, 8, 16, 32, 60, 60]


def test_pages_do_not_come_back_together(modules: Modules) -> None:
    """Chance makes a pause longer by up to a half."""
    refusal = {"status": 0, "detail": "", "reason": "", "retry_after": None}
    found = modules.run(
        "(refusal, at) => afterRefusal(refusal, 0, at)", refusal, {"now": NOW, "random": 1}
    )
    assert found["trouble"]["retry_at"] == NOW + 3000


@pytest.mark.parametrize("status", [400, 403, 404])
def test_what_stays_refused_is_not_asked_again(modules: Modules, status: int) -> None:
    """The same request would have the same answer."""
    assert refused(modules, status)["trouble"]["retry_at"] is None


def test_answers_that_failed_for_a_while_are_asked_again(modules: Modules) -> None:
    """The longest wait counts, limits are named first, and the pause grows for what never comes."""
    answers = [
        {"status": 200, "body": {}},
        {"status": 503, "retry_after": 5, "body": {"detail": "slow"}},
        {"status": 429, "retry_after": 3, "body": {"detail": "too many"}},
    ]
    run = "(answers, failures, at) => afterAnswers(answers, failures, at)"
    at = {"now": NOW, "random": 0}
    assert modules.run(run, answers, 0, at) == trouble(
        status=429, detail="too many", is_partial=True, retry_at=NOW + 5000
    )
    assert modules.run(run, answers, 9, at)["retry_at"] == NOW + 60_000
    assert modules.run(run, answers[:1], 0, at) is None


def test_nothing_is_tried_offline_or_unseen(modules: Modules) -> None:
    """It is time when the pause is over, there is a network, and somebody looks."""
    run = "(trouble, at) => isDue(trouble, at)"
    seen = {"now": NOW + 2000, "is_online": True, "is_hidden": False}
    assert modules.run(run, trouble(), seen) is True
    for change in ({"now": NOW + 1999}, {"is_online": False}, {"is_hidden": True}):
        assert modules.run(run, trouble(), seen | change) is False
    assert modules.run(run, None, seen) is False
    assert modules.run(run, trouble(retry_at=None), seen) is False


def until_tick(modules: Modules, now: int, **model: Any) -> Any:
    """Milliseconds until the page ticks."""
    given = {"session": None, "shown": None, "trouble": None, "is_online": True} | model
    return modules.run("(model, now) => untilTick(model, now)", given, now)


SHOWN = {"generation": {"data_through": "2027-01-15T08:00:00Z"}}  # NOW


def test_the_page_ticks_once_a_minute(modules: Modules) -> None:
    """It is drawn when the age of the data has another minute, and not each second."""
    assert until_tick(modules, NOW + 12_345, shown=SHOWN) == MINUTE - 12_345
    assert until_tick(modules, NOW - 5_000, shown=SHOWN) == 5_000


def test_a_countdown_ticks_each_second(modules: Modules) -> None:
    """While something counts down, and only if it goes on: not offline."""
    model = {"shown": SHOWN, "trouble": trouble()}
    assert until_tick(modules, NOW + 300, **model) == 700
    assert until_tick(modules, NOW + 300, **model, is_online=False) == MINUTE - 300


def test_the_page_ticks_for_the_warning_and_for_the_end(modules: Modules) -> None:
    """Five minutes before the token expires, and when it does."""
    end = NOW + 5 * MINUTE + 1500
    session = {"token": "", "subject": "", "role": "admin", "expires_at": end}
    assert until_tick(modules, NOW, session=session, shown=SHOWN) == 1500
    assert until_tick(modules, end - 40, session=session, shown=SHOWN) == 40


@pytest.mark.parametrize(
    ("rest", "expected"), [(5 * MINUTE + 1, False), (5 * MINUTE, True), (1, True), (0, False)]
)
def test_one_is_warned_for_five_minutes(modules: Modules, rest: int, *, expected: bool) -> None:
    """From five minutes before the end of the token to its end."""
    session = {"expires_at": NOW + rest}
    assert modules.run("(session, now) => expiresSoon(session, now)", session, NOW) is expected


@pytest.mark.parametrize(
    ("minutes", "change", "tone"),
    [
        (15, {}, "fresh"),
        (15.001, {}, "stale"),
        (0, {"is_online": False}, "away"),
        (0, {"trouble": trouble(status=0)}, "away"),
        (0, {"trouble": trouble(status=429, is_partial=True)}, "fresh"),
        (40, {"trouble": trouble(reason="too_old")}, "stale"),
    ],
)
def test_data_are_stale_after_a_quarter(
    modules: Modules, minutes: float, change: dict[str, Any], tone: str
) -> None:
    """Green to 15 minutes, then amber; red where nothing newer can be asked for."""
    model = {"now": NOW + minutes * MINUTE, "is_online": True, "trouble": None} | change
    through = SHOWN["generation"]["data_through"]
    assert modules.run("(model, through) => toneOf(model, through)", model, through) == tone


@pytest.mark.parametrize(
    ("key", "compare", "patch"),
    [
        ("1", "", {"days": "1", "start": "", "end": "", "interval": ""}),
        ("7", "", {"days": "7", "start": "", "end": "", "interval": ""}),
        ("3", "", {"days": "30", "start": "", "end": "", "interval": ""}),
        ("9", "", {"days": "90", "start": "", "end": "", "interval": ""}),
        ("c", "", {"compare": "previous"}),
        ("c", "year", {"compare": ""}),
        ("x", "", None),
        ("toString", "", None),
    ],
)
def test_keys(modules: Modules, key: str, compare: str, patch: dict[str, str] | None) -> None:
    """1, 7, 3 and 9 are periods, c compares or not, others are nothing."""
    run = "(key, state) => changeOf(key, state)"
    assert modules.run(run, key, {"compare": compare}) == patch


def test_only_what_differs_glows(modules: Modules) -> None:
    """An answer is new if it says something else, and not because its period has moved on."""
    run = """(before, now) => {
      const shown = ([generation, answers]) =>
        ({ generation: { generation }, answers: new Map(Object.entries(answers)) });
      return [...changedKeys(before && shown(before), shown(now))];
    }"""
    before = [1, {
        "same": {"body": {"count": 1, "generation": 1, "until": "a", "rows": [{"since": "a"}]}},
        "other": {"body": {"count": 1}},
        "gone": {"body": {}},
    }]  # fmt: skip
    now = [2, {
        "same": {"body": {"count": 1, "generation": 2, "until": "b", "rows": [{"since": "b"}]}},
        "other": {"body": {"count": 2}},
        "added": {"body": {}},
    }]  # fmt: skip
    assert modules.run(run, before, now) == ["other"]
    assert modules.run(run, None, now) == []
    assert modules.run(run, [2, before[1]], now) == []


def news(modules: Modules, before: dict[str, Any] | None, query: str = "", **changes: Any) -> str:
    """What is said of a generation that is shown after another."""
    run = """(before, now) => {
      const format = { time: (at) => at, dates: (first, last) => `${first} to ${last}` };
      const shown = (one) => one && { is_complete: true, ...one, state: read(one.query) };
      return newsOf(shown(before), shown(now), format);
    }"""
    number = {"generation": 1, "data_through": "12:00"}
    found: str = modules.run(run, before, {"generation": number, "query": query} | changes)
    return found


def test_what_changed_is_said_once(modules: Modules) -> None:
    """When all is there, when the generation is another one, and when the view is."""
    number = {"generation": 1, "data_through": "12:00"}
    shown = {"generation": number, "query": ""}
    assert news(modules, None) == "All numbers are there, as of 12:00."
    assert news(modules, None, is_complete=False) == ""
    assert news(modules, shown) == ""
    assert news(modules, shown, "?theme=dark&user_id=7") == ""
    assert news(modules, shown, "?days=7&compare=") == "Shown: 7 days."
    assert news(modules, shown, "?start=2026-11-01&end=2026-11-09&compare=year") == (
        "Shown: 2026-11-01 to 2026-11-09, compared with the year before."
    )
    later = {"generation": 2, "data_through": "12:01"}
    assert news(modules, shown, generation=later) == "New numbers, as of 12:01."


def test_dates_that_are_no_period(modules: Modules) -> None:
    """The last day is not before the first, and a period has 365 days at most."""
    run = "(start, end) => faultOf(start, end)"
    assert modules.run(run, "2026-11-02", "2026-11-01") == "The last day is before the first."
    assert modules.run(run, "2026-11-02", "2026-11-02") == ""
    assert modules.run(run, "2025-11-02", "2026-11-01") == ""
    assert modules.run(run, "2025-11-01", "2026-11-01") == (
        "These are 366 days; 365 are shown at most."
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"status": 0}, "The server cannot be reached. What you see stays."),
        ({"status": 502}, "The server cannot be reached. What you see stays."),
        ({"status": 429}, "Too many questions at once. What you see stays. why"),
        ({"status": 429, "is_partial": True}, "Some numbers are not there yet. why"),
        ({"status": 503}, "why"),
        ({"status": 404}, "why"),
    ],
)
def test_troubles_in_words(modules: Modules, given: dict[str, Any], words: str) -> None:
    """What the API says, or what it means for what one sees."""
    assert modules.run("(trouble) => troubleInWords(trouble)", trouble(**given)) == words
