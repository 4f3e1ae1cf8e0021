"""CSV: which answers have it, who gets it, under which name, and without formulas in any reader."""

from __future__ import annotations

import csv
import io
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.csv_form import to_csv, without_formulas
from api.endpoints import ENDPOINTS
from api.query import Endpoint
from api.schemas import LivelyConversation
from tests.api import small_messenger as messenger
from tests.api.fix_api import Api

PATHS = {
    "user": f"/user/{messenger.ALICE}",
    "unread": f"/user/{messenger.ALICE}/unread",
    "conversation": f"/conversation/{messenger.TEAM}",
    "response_matrix": f"/conversation/{messenger.TEAM}/response-matrix",
}


def table_of(text: str) -> list[dict[str, str]]:
    """The rows of CSV by the names of its header."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    "path",
    [
        *("/timeline", "/top-senders", "/top-conversations", "/events/counts"),
        *("/conversation-mix", "/membership"),
    ],
)
def test_rows_are_also_csv(small_api: Api, path: str) -> None:
    """`format=csv` has the same rows as the JSON, under the same names."""
    caller = small_api.admin()
    answer = caller.get(path, format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    (rows,) = [part for part in caller.get(path).json().values() if isinstance(part, list)]
    lines = answer.text.splitlines()
    assert lines[0] == ",".join(rows[0])
    assert [line.split(",")[-1] for line in lines[1:]] == [
        str(list(row.values())[-1]).replace("False", "false").replace("True", "true")
        for row in rows
    ]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_answer_is_also_csv(small_api: Api, endpoint: Endpoint) -> None:
    """`format=csv` works on each endpoint, and every line has the cells of the header."""
    path = PATHS.get(endpoint.name, endpoint.path)
    answer = small_api.admin().get(path, format="csv")
    if answer.status_code == 404:  # this messenger has no read marks
        assert endpoint.name in ("unread", "read_through")
        return
    header, *lines = csv.reader(io.StringIO(answer.text, newline=""))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    # This messenger has no conversation of five people.
    assert lines or endpoint.name in ("reply_conversations", "response_matrix")
    assert {len(line) for line in lines} <= {len(header)}


def test_message_statistics_are_one_row(small_api: Api) -> None:
    """`/messages` is one row of all its fields; those of a part are named after both."""
    caller = small_api.admin()
    answer = caller.get("/messages").json()
    shares = answer.pop("message_type_distribution")
    expected = {
        **answer,
        **{f"message_type_distribution_{name}": share for name, share in shares.items()},
    }
    (row,) = table_of(caller.get("/messages", format="csv").text)
    assert row == {name: cell(value) for name, value in expected.items()}


def cell(value: object) -> str:
    """A value of JSON as CSV has it."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def test_a_dashboard_has_three_tables(small_api: Api) -> None:
    """`table` names a list of the dashboard; without it there is one row of all single numbers."""
    caller = small_api.admin()
    answer = caller.get("/dashboard").json()
    summary = caller.get("/dashboard", format="csv")
    (row,) = table_of(summary.text)
    assert row["message_stats_total_messages"] == str(answer["message_stats"]["total_messages"])
    assert row["engagement_metrics_engagement_rate"] == str(
        answer["engagement_metrics"]["engagement_rate"]
    )
    assert row["active_users_24h_timestamp"] == answer["active_users_24h"]["timestamp"]
    assert row["generation"] == str(answer["generation"]) and row["since"] == answer["since"]
    assert not any("top_senders" in name or "timeline" in name for name in row)
    assert caller.get("/dashboard", format="csv", table="summary").text == summary.text
    senders = table_of(caller.get("/dashboard", format="csv", table="top_senders").text)
    assert senders == [
        {name: str(value) for name, value in one.items()} for one in answer["top_senders"]
    ]
    buckets = table_of(caller.get("/dashboard", format="csv", table="message_timeline").text)
    assert [one["timestamp"] for one in buckets] == [
        one["timestamp"] for one in answer["message_timeline"]
    ]
    assert caller.get("/dashboard", table="top_senders").json() == answer


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/csv", "text/csv"),
        ("text/csv; charset=utf-8; header=present", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("text/*", "text/csv"),
        ("application/json;q=0.5, text/csv", "text/csv"),
        ("text/csv;q=0.2, */*;q=0.1", "text/csv"),
        ("*/*", "application/json"),
        ("application/json, text/csv", "application/json"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("text/csv;q=0, */*", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json"),
        ("image/png", "application/json"),
        ("text/csv;q=much, application/json;q=0.1", "application/json"),
        ("", "application/json"),
    ],
)
def test_accept_chooses_the_format(small_api: Api, accept: str, media_type: str) -> None:
    """The format with the higher weight is returned, JSON without a preference; twice, because the
    second answer is from the fast path. `format` decides before `Accept`."""
    caller = small_api.admin()
    for _ in range(2):
        found = caller.get("/top-senders", {"Accept": accept})
        assert found.headers["content-type"].partition(";")[0] == media_type
        assert "Accept" in found.headers["vary"].split(", ")
    assert caller.get("/top-senders", {"Accept": accept}, format="json").json()
    as_csv = caller.get("/top-senders", {"Accept": accept}, format="csv")
    assert as_csv.headers["content-type"] == "text/csv; charset=utf-8"


def test_two_formats_of_one_url_are_not_mixed_up(small_api: Api) -> None:
    """Each request gets the format that it accepts, also after another one that accepts another."""
    caller = small_api.admin()
    for accept, start in [("text/csv", "user_id"), ("application/json", "{")] * 3:
        assert caller.get("/top-senders", {"Accept": accept}, limit=2).text.startswith(start)


def test_errors_are_problems_for_csv_as_well(small_api: Api) -> None:
    """Who asks for CSV gets problem documents: for 400, 401, 403, 404 and 410."""
    asked = {"Accept": "text/csv"}
    admin = small_api.admin()
    found = [
        admin.get("/top-senders", asked, format="csv", limit=0),
        small_api.anonymous().get("/top-senders", asked, format="csv"),
        small_api.member(messenger.ALICE).get("/events/recent", asked),
        admin.get(f"/user/{messenger.UNKNOWN_USER}", asked, format="csv"),
        admin.get(f"/user/{messenger.UNKNOWN_USER}", asked, format="csv"),
        admin.get("/top-senders", asked, format="csv", generation=77),
    ]
    assert [one.status_code for one in found] == [400, 401, 403, 404, 404, 410]
    for one in found:
        assert one.headers["content-type"] == "application/problem+json"
        assert one.json()["status"] == one.status_code
        assert "content-disposition" not in one.headers


def test_the_file_is_named_after_what_it_contains(small_api: Api) -> None:
    """The name has the endpoint, the table, the period and the generation; JSON has none."""
    caller = small_api.admin()
    answer = caller.get("/dashboard").json()
    since, until = (
        re.sub(r"[-:]|\.\d+", "", answer[name]) for name in ("since", "until")
    )  # 20261101T080000Z
    names = {
        ("/top-senders", None): rf"top_senders_\d{{8}}T\d{{6}}Z_{until}_generation-1\.csv",
        ("/dashboard", "message_timeline"): (
            rf"dashboard_message_timeline_{since}_{until}_generation-1\.csv"
        ),
        (f"/conversation/{messenger.TEAM}", None): r"conversation_generation-1\.csv",
    }
    for (path, table), name in names.items():
        found = caller.get(path, format="csv", table=table).headers["content-disposition"]
        assert re.fullmatch(f'attachment; filename="{name}"', found), found
    assert "content-disposition" not in caller.get("/top-senders").headers


def test_a_byte_order_mark_on_demand(small_api: Api) -> None:
    """`bom=1` is three bytes before the same CSV, and nothing in JSON."""
    caller = small_api.admin()
    plain = caller.get("/top-senders", format="csv").content
    assert caller.get("/top-senders", format="csv", bom=1).content == b"\xef\xbb\xbf" + plain
    assert caller.get("/top-senders", bom=1).content == caller.get("/top-senders").content


def conversation(title: str) -> LivelyConversation:
    """A row with a title."""
    return LivelyConversation(
        conversation_id=messenger.TEAM,
        type="group",
        title=title,
        message_count=1,
        participant_count=1,
        messages_per_day=0.5,
    )


def test_a_title_becomes_text_and_numbers_stay() -> None:
    """A title that a spreadsheet would take for a formula gets an apostrophe; numbers do not."""
    row = conversation('=HYPERLINK("http://x")')
    lines = to_csv(row).decode().split("\r\n")
    assert lines[1] == f'{messenger.TEAM},group,"\'=HYPERLINK(""http://x"")",1,1,0.5'
    assert to_csv(conversation("plain; -text")).count(b"'") == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        *((f"{sign}1", f"'{sign}1") for sign in "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\u207b\u2212"),
        (" =1", "' =1"),
        ("\t=1", "\t'=1"),
        ("\r\n=1", "\r\n'=1"),
        ("\ufeff=1", "'\ufeff=1"),
        ("\u200b\u2060=1", "'\u200b\u2060=1"),
        ("\u00a0\u3000+1", "'\u00a0\u3000+1"),
        ("\u3164=1", "'\u3164=1"),
        ("\x00-1", "'\x00-1"),
        ('"=1', "'\"=1"),
        ("a;=1", "a;'=1"),
        ('a; "=1', "a;' \"=1"),
        ("a\n@b\tx\t-1", "a\n'@b\tx\t'-1"),
        ("a=1;b-c", "a=1;b-c"),
        ("alice", "alice"),
        ("", ""),
        ("a, =1", "a, =1"),  # a text with a comma is in quotes
    ],
)
def test_no_cell_begins_with_a_formula(text: str, shown: str) -> None:
    """Wherever a reader may begin a cell, a sign gets an apostrophe; other texts do not change."""
    assert without_formulas(text) == shown


def cells_of(content: str, separator: str) -> list[str]:
    """The cells that a reader with this separator shows.

    For another separator than the comma, most quotes are in the middle of a cell, where they do not
    keep a line together.
    """
    lines = (
        [content.splitlines(keepends=True)]
        if separator == ","
        else ([line] for line in re.split("[\r\n]", content))
    )
    return [
        cell for some in lines for line in csv.reader(some, delimiter=separator) for cell in line
    ]


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet that skips what is not seen would compute this cell."""
    seen = cell.lstrip(' \t\r\n\v\f\ufeff\u200b\u00a0\u3000"')
    return unicodedata.normalize("NFKC", seen[:1]) in ("=", "+", "-", "@", "\u2212")


@given(st.text(alphabet="=+-@\uff1d\u2212 \t\r\n\ufeff\u200b;,'\"ab1", max_size=12))
def test_no_reader_finds_a_formula(title: str) -> None:
    """Whatever the title and the separator of the reader, no cell of the file is a formula."""
    content = to_csv(conversation(title)).decode()
    for separator in ",;\t":
        found = [cell for cell in cells_of(content, separator) if is_formula(cell)]
        assert found == [], (separator, content)
