"""The cards: exactly these rows and sentences, for every role and every set of tables."""

from __future__ import annotations

from typing import Any

import pytest

from olap.catalog import metrics
from tests.page.cards_in_quickjs import (
    asks,
    card,
    catalog_of_pieces,
    choices,
    ids_for,
    opened,
    panel_ids,
    panel_title,
    tile,
    view,
)

DAY_1, DAY_2, DAY_3 = (f"2026-11-{day}T18:15:00Z" for day in (22, 23, 24))
PERIOD = {"start": "2026-10-27", "tz": "Asia/Kathmandu"}
NOBODY = "Nobody wrote in this period."


def buckets(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Days of which the last one is not over."""
    days = (DAY_1, DAY_2, DAY_3)[: len(rows)]
    last = len(rows) - 1
    return [
        {"timestamp": day, "is_partial": i == last, **row}
        for i, (day, row) in enumerate(zip(days, rows, strict=True))
    ]


def timeline(*counts: int, **more: Any) -> dict[str, Any]:
    """An answer of `/timeline`."""
    return {"timeline": buckets(*({"count": count} for count in counts)), **more}


MESSAGES = {
    "total_messages": 200,
    "text_messages": 150,
    "image_messages": 30,
    "file_messages": 10,
    "system_messages": 8,
    "other_messages": 2,
    "unique_senders": 40,
    "avg_message_length": 52.4,
    "message_type_distribution": {
        "text": 75.0, "image": 15.0, "file": 5.0, "system": 4.0, "other": 1.0,
    },
}  # fmt: skip


LIFECYCLE = buckets(
    {"active_people": 0, **dict.fromkeys(("new_people", "stayed_people", "returned_people",
                                          "left_people"))},
    {"active_people": 20, "new_people": 5, "stayed_people": 12, "returned_people": 3,
     "left_people": 4},
    {"active_people": 9, "new_people": 1, "stayed_people": 8, "returned_people": 0,
     "left_people": None},
)  # fmt: skip

MIX = [
    {"timestamp": DAY_1, "is_partial": False, "conversation_type": "direct",
     "messages": 6, "reads": 9, "people": 3},
    {"timestamp": DAY_1, "is_partial": False, "conversation_type": None,
     "messages": 1, "reads": 0, "people": 1},
    {"timestamp": DAY_3, "is_partial": True, "conversation_type": "direct",
     "messages": 3, "reads": 2, "people": 2},
]  # fmt: skip

ACTIVATION = {
    "accounts": 18, "judged_after_24_hours": 17, "wrote_in_24_hours": 3,
    "wrote_in_24_hours_rate": 17.6, "judged_after_7_days": 13, "wrote_in_7_days": 7,
    "wrote_in_7_days_rate": 53.8, "judged_after_8_days": 12, "answered": 6,
    "answered_rate": 50.0, "judged_after_14_days": 9, "came_back": 4, "came_back_rate": 44.4,
}  # fmt: skip

PERSON = {
    "user_id": "7", "messages_sent": 5, "messages_read": 9, "active_conversations": 2,
    "avg_messages_per_day": 0.2, "first_message_date": DAY_1, "last_activity_date": None,
}  # fmt: skip

ACTIVE = buckets(
    {
        "active_people": 40, "writers": 10, "readers_only": 30,
        "active_7_days": None, "active_30_days": None, "stickiness": None,
    },
    {
        "active_people": 50, "writers": 20, "readers_only": 30,
        "active_7_days": 120, "active_30_days": 200, "stickiness": 25.0,
    },
    {
        "active_people": 5, "writers": 2, "readers_only": 3,
        "active_7_days": 110, "active_30_days": 199, "stickiness": None,
    },
)  # fmt: skip

MEMBERSHIP = buckets(
    {"accounts": 100, "joined": 3, "deleted": 1, "memberships": 500, "memberships_joined": 9,
     "memberships_left": 2},
    {"accounts": 104, "joined": 4, "deleted": 0, "memberships": 510, "memberships_joined": 11,
     "memberships_left": 1},
)  # fmt: skip


def all_ids(given: dict[str, Any]) -> list[str]:
    """The ids of all pieces that the viewer of this view has."""
    overview, more = ids_for(given)
    return overview + more


class TestEveryPiece:
    """What all pieces have in common."""

    def test_ids_are_different(self) -> None:
        """No two pieces, of the page or of a panel, have the same id."""
        ids = [piece["id"] for piece in catalog_of_pieces()]
        assert sorted(set(ids)) == sorted(ids)

    def test_every_piece_explains_a_metric_of_the_catalog(self) -> None:
        """The `?` of each piece has a definition."""
        known = {metric.name for metric in metrics()}
        assert {
            piece["id"]: piece["metrics"]
            for piece in catalog_of_pieces()
            if not piece["metrics"] or not known.issuperset(piece["metrics"])
        } == {}

    def test_an_administrator_has_all_but_what_is_of_a_member(self) -> None:
        """The overview in its order, and what other dashboards may have."""
        assert ids_for(view()) == (
            [
                "messages", "active_people", "people_who_wrote", "engagement", "new_accounts",
                "median_reply", "messages_over_time", "active_people_over_time",
                "when_people_write", "top_people", "top_conversations", "who_stays",
                "do_new_people_stay", "what_is_sent", "replies_and_reads", "events",
            ],
            [
                "when_people_are_active", "reply_times_over_time", "reading", "conversation_mix",
                "membership", "activation", "concentration", "event_counts", "right_now",
            ],
        )  # fmt: skip

    def test_a_member_has_their_unread_messages_and_no_events(self) -> None:
        """Cards without an answer for a member are absent."""
        admin, member = {*all_ids(view())}, {*all_ids(view("member"))}
        assert admin - member == {"event_counts", "events", "right_now"}
        assert member - admin == {"my_unread"}

    @pytest.mark.parametrize(
        ("table", "absent"),
        [
            (
                "read_receipts",
                {"active_people", "who_stays", "do_new_people_stay", "when_people_are_active"},
            ),
            ("events", {"event_counts", "events", "right_now"}),
            ("read_marks", {"reading"}),
            ("reactions", set()),
        ],
    )
    def test_what_the_messenger_does_not_keep_is_absent(self, table: str, absent: set[str]) -> None:
        """Without a table there is no card that would be empty or an error."""
        assert {*all_ids(view())} - {*all_ids(view(missing=(table,)))} == absent


class TestTiles:
    """The tiles: a number, the number before, and what their difference means."""

    def test_messages(self) -> None:
        """The total, that of the period before, and its way here."""
        bodies = {
            "messages": {**MESSAGES, "compared": {**MESSAGES, "total_messages": 160}},
            "timeline": timeline(5, 0, 3),
        }
        assert tile("messages", bodies, view()) == {
            "now": 200,
            "before": 160,
            "text": "200",
            "good": 1,
            "spark": {"values": [5, 0, 3], "is_partial": True},
        }

    @pytest.mark.parametrize(
        ("piece", "name", "body", "now", "before"),
        [
            ("people_who_wrote", "messages", "unique_senders", 40, 30),
            ("engagement", "engagement", "engagement_rate", 60.5, 57.4),
            ("new_accounts", "activation", "accounts", 18, 20),
        ],
    )
    def test_one_number(self, piece: str, name: str, body: str, now: float, before: float) -> None:
        """A number of the answer and the same number of the period before."""
        found = tile(piece, {name: {body: now, "compared": {body: before}}}, view())
        assert (found["now"], found["before"], found["good"]) == (now, before, 1)

    def test_engagement_is_a_rate(self) -> None:
        """It changes in points; a number of people does not."""
        rate = tile("engagement", {"engagement": {"engagement_rate": 60.5}}, view(compare=""))
        assert rate == {"now": 60.5, "text": "60.5%", "good": 1, "is_rate": True}
        people = tile("people_who_wrote", {"messages": MESSAGES}, view(compare=""))
        assert "is_rate" not in people

    def test_active_people_wrote_or_read(self) -> None:
        """The tile counts who wrote or read, over the days of the card beside it."""
        bodies = {
            "active": {"active_any": 90, "active_users": 40, "compared": None},
            "over_time": {"active_timeline": buckets({"active_people": 9}, {"active_people": 4})},
        }
        found = tile("active_people", bodies, view())
        assert (found["now"], found["before"]) == (90, None)
        assert found["spark"] == {"values": [9, 4], "is_partial": True}

    def test_a_longer_reply_is_worse(self) -> None:
        """The median is that of all conversations, and less of it is good."""
        rows = [
            {"conversation_type": "group", "half_seconds": 9},
            {"conversation_type": None, "half_seconds": 29},
        ]
        bodies = {"replies": {"reply_times": rows, "compared": {"reply_times": []}}}
        assert tile("median_reply", bodies, view()) == {
            "now": 29, "before": None, "text": "29 s", "good": -1,
        }  # fmt: skip

    def test_nothing_is_compared_unless_it_is_asked_for(self) -> None:
        """Without `compare` there is no number before, which is not the same as an unknown one."""
        bodies = {"messages": MESSAGES}
        assert "before" not in tile("people_who_wrote", bodies, view(compare=""))


class TestMessagesOverTime:
    """Messages over time."""

    def test_rows_and_sentence(self) -> None:
        """Each bucket with the one before it, and the main thing in words."""
        before = {"timeline": buckets({"count": 4}, {"count": 6})}
        found = card(
            "messages_over_time", {"timeline": timeline(5, 12, 3, compared=before)}, view()
        )
        assert found["columns"] == ["timestamp", "count", "compared_count", "is_partial"]
        assert found["rows"] == [
            [DAY_1, 5, 4, False],
            [DAY_2, 12, 6, False],
            [DAY_3, 3, None, True],
        ]
        assert found["cells"][2] == ["2026-11-24", "3", "?", "no"]
        assert found["sentence"] == "20 messages, up from 10; most, 12: 2026-11-23."
        assert found["legend"] == ["this period: 20", "period before: 10", "hatched: not whole"]
        assert found["count"] == 3
        assert found["svg"].count('class="hatch') == 1

    def test_the_year_before_is_called_so(self) -> None:
        """The legend names which earlier period is drawn."""
        before = {"timeline": buckets({"count": 4})}
        found = card(
            "messages_over_time",
            {"timeline": timeline(5, compared=before)},
            view(compare="year"),
        )
        assert "year before: 4" in found["legend"]

    @pytest.mark.parametrize("more", [{}, {"compared": None}])
    def test_without_an_earlier_period(self, more: dict[str, Any]) -> None:
        """Nothing is compared, or the data do not reach so far back: no column and no line."""
        found = card("messages_over_time", {"timeline": timeline(5, 1, **more)}, view())
        assert found["columns"] == ["timestamp", "count", "is_partial"]
        assert found["sentence"] == "6 messages; most, 5: 2026-11-22."
        assert found["legend"] == ["this period: 6", "hatched: not whole"]

    def test_zeros_say_that_nobody_wrote(self) -> None:
        """An empty period is words and no chart."""
        found = card("messages_over_time", {"timeline": timeline(0, 0)}, view())
        assert found["empty"] == NOBODY

    @pytest.mark.parametrize(
        ("days", "interval", "offered"),
        [
            ("1", "hourly", ["hourly", "daily"]),
            ("30", "daily", ["hourly", "daily", "weekly"]),
            ("90", "daily", ["daily", "weekly", "monthly"]),
            ("1", "monthly", ["hourly", "daily", "monthly"]),
        ],
    )
    def test_intervals_that_fit_the_period(
        self, days: str, interval: str, offered: list[str]
    ) -> None:
        """Neither a thousand bars nor one are offered, but always what is shown."""
        found = choices("messages_over_time", view(interval=interval, days=days))
        assert found == [("interval", interval, offered)]


class TestActivePeople:
    """Active people over time."""

    def test_rows_and_stickiness(self) -> None:
        """The numbers in words are those of the last whole day, and stickiness is in the note."""
        found = card("active_people_over_time", {"active": {"active_timeline": ACTIVE}}, view())
        assert found["rows"] == [
            [DAY_1, 40, 10, 30, None, None, None, False],
            [DAY_2, 50, 20, 30, 120, 200, 25.0, False],
            [DAY_3, 5, 2, 3, 110, 199, None, True],
        ]
        assert found["cells"][0][4:] == ["?", "?", "?", "yes"]
        assert found["legend"] == ["day 50", "7 days 120", "30 days 200"]
        assert found["note"] == (
            "Who wrote or read. Stickiness: 25% of the people of 30 days (2026-11-23)."
        )
        # The day that is not over hangs on a dashed line.
        assert found["svg"].count("line open") == 3

    def test_without_read_receipts(self) -> None:
        """Who read is not known: the line is who wrote, and the note says so."""
        unknown = dict.fromkeys(
            ("active_people", "readers_only", "active_7_days", "active_30_days", "stickiness")
        )
        rows = [{**row, **unknown} for row in ACTIVE]
        found = card(
            "active_people_over_time",
            {"active": {"active_timeline": rows}},
            view(missing=("read_receipts",)),
        )
        assert found["legend"] == ["wrote 20"]
        assert found["note"] == "Who wrote: this messenger does not tell who read."
        assert found["rows"][1] == [DAY_2, None, 20, None, None, None, None, False]

    def test_nobody_was_active(self) -> None:
        """Zeros are words and no line along the ground."""
        zeros = [{**row, "active_people": 0, "writers": 0} for row in ACTIVE]
        unknown = [{**row, "active_people": None, "writers": 0} for row in ACTIVE]
        for rows in (zeros, unknown):
            found = card("active_people_over_time", {"active": {"active_timeline": rows}}, view())
            assert found["empty"] == "Nobody was active in this period."

    @pytest.mark.parametrize(
        ("interval", "legend"),
        [("weekly", ["week 50", "30 days 200"]), ("monthly", ["month 50"])],
    )
    def test_no_line_is_drawn_twice(self, interval: str, legend: list[str]) -> None:
        """The people of a week are those of 7 days, and those of a month more than those of 30."""
        body = {"active": {"active_timeline": ACTIVE}}
        found = card("active_people_over_time", body, view(interval=interval))
        assert found["legend"] == legend

    def test_a_day_is_shown_in_a_week(self) -> None:
        """A period of hours is shown as the last seven days; a chosen one as it was chosen."""
        day = asks("active_people_over_time", view(days="1", interval="hourly"))["active"]
        assert day["parameters"] == {
            "tz": "Asia/Kathmandu", "start": "last-7", "interval": "daily",
        }  # fmt: skip
        chosen = view(days="", start="2026-10-27", end="2026-10-28")
        asked = asks("active_people_over_time", chosen)["active"]["parameters"]
        assert asked["start"] == "2026-10-27"


def week(of: str, busy: dict[tuple[int, int], tuple[int | None, int]]) -> list[dict[str, Any]]:
    """An answer of a heatmap: by weekday and hour how many, and in how many hours."""
    return [
        {
            "weekday": day,
            "hour": hour,
            of: (number := busy.get((day, hour), (0, 4)))[0],
            "occurrences": number[1],
            "per_occurrence": None if number[0] is None else number[0] / number[1],
        }
        for day in range(1, 8)
        for hour in range(24)
    ]


class TestHoursOfTheWeek:
    """When people write, when people are active."""

    def test_the_busiest_hour_is_that_of_the_average(self) -> None:
        """Of an hour that came more often the total is higher and the average lower."""
        hours = week("messages", {(1, 9): (50, 5), (6, 20): (48, 4)})
        found = card("when_people_write", {"week": {"heatmap": hours}}, view())
        assert found["note"] == (
            "Busiest: Sat 20:00, 12 messages an hour. Average of 5 weeks, Asia/Kathmandu."
        )
        assert found["columns"] == [
            "weekday", "hour", "per_occurrence", "messages", "occurrences",
        ]  # fmt: skip
        assert found["rows"][9] == [1, 9, 10, 50, 5]
        assert found["cells"][9] == ["Mon", "09:00", "10", "50", "5"]
        assert found["labels"][5 * 24 + 20] == "Sat 20:00"
        assert found["count"] == len(found["rows"]) == 168

    def test_people_are_counted_in_people(self) -> None:
        """The other card counts people."""
        hours = week("people", {(3, 14): (12, 4)})
        found = card("when_people_are_active", {"week": {"heatmap": hours}}, view())
        assert found["sentence"] == "Busiest: Wed 14:00, 3 people an hour."
        assert "people" in found["columns"]

    @pytest.mark.parametrize("piece", ["when_people_write", "when_people_are_active"])
    def test_a_member_is_told_of_the_rule_of_five(self, piece: str) -> None:
        """To a member conversations of fewer than five people are not shown by the hour."""
        of = "messages" if piece == "when_people_write" else "people"
        rule = "Only conversations of 5 people or more are shown by the hour."
        bodies = {"week": {"heatmap": week(of, {(1, 9): (4, 4)})}}
        assert rule in card(piece, bodies, view("member"))["note"]
        assert rule not in card(piece, bodies, view())["note"]
        nothing = {"week": {"heatmap": week(of, {})}}
        assert card(piece, nothing, view("member"))["empty"] == f"There is nothing to show. {rule}"

    def test_four_weeks_at_least(self) -> None:
        """A shorter period has no average: the last 28 days are asked for."""
        asked = asks("when_people_write", view(days="7"))["week"]["parameters"]
        assert asked == {"tz": "Asia/Kathmandu", "start": "last-28"}
        assert asks("when_people_write", view(days="30"))["week"]["parameters"] == PERIOD


SENDERS = [
    {"user_id": "9007199254740993", "username": "ann", "message_count": 30},
    {"user_id": "12", "username": None, "message_count": 15},
]


def conversation(id_: str, messages: int, people: int, **more: Any) -> dict[str, Any]:
    """One of the top conversations."""
    return {
        "conversation_id": id_,
        "type": "group",
        "title": f"room {id_}",
        "message_count": messages,
        "participant_count": people,
        "messages_per_day": 1.5,
        **more,
    }


class TestRankings:
    """Top people and top conversations."""

    def test_top_people(self) -> None:
        """Names, a deleted account called so, ids as texts, and rows that open the person."""
        bodies = {"senders": {"top_senders": SENDERS}}
        found = card("top_people", bodies, view())
        assert found["rows"] == [["ann", 30, "9007199254740993"], [None, 15, "12"]]
        assert found["cells"][1] == ["Deleted account", "15", "12"]
        assert found["body"] == "1 ann 30 2 Deleted account #12 15"
        assert found["sentence"] == "ann wrote the most: 30 messages."
        assert opened("top_people", bodies, view()) == [
            {"user_id": "9007199254740993", "conversation_id": ""},
            {"user_id": "12", "conversation_id": ""},
        ]

    def test_nobody_wrote(self) -> None:
        """Empty rankings are words."""
        assert card("top_people", {"senders": {"top_senders": []}}, view())["empty"] == NOBODY
        none: dict[str, Any] = {"group": {"conversations": []}, "channel": {"conversations": []}}
        assert card("top_conversations", none, view())["empty"] == NOBODY

    def test_direct_conversations_are_left_out_unless_asked_for(self) -> None:
        """Groups and channels are asked for by their types; all in one question without a type."""
        asked = asks("top_conversations", view())
        assert {name: ask["parameters"]["type"] for name, ask in asked.items()} == {
            "group": "group", "channel": "channel",
        }  # fmt: skip
        (all_,) = asks("top_conversations", view(include_direct="true")).values()
        assert all_["parameters"]["type"] == ""

    def test_two_rankings_are_merged_in_the_order_of_the_api(self) -> None:
        """By messages, then people, then messages per person, then id; the first eight."""
        groups = [conversation("b", 9, 3), conversation("d", 5, 2), conversation("f", 5, 1)]
        channels = [
            conversation(name, messages, people, type="channel", title=None)
            for name, messages, people in (("c", 9, 3), ("a", 9, 2), ("e", 5, 2), *(
                (f"x{i}", 1, 1) for i in range(5)
            ))
        ]  # fmt: skip
        bodies = {"group": {"conversations": groups}, "channel": {"conversations": channels}}
        found = card("top_conversations", bodies, view())
        ids = [row[-1] for row in found["rows"]]
        assert ids == ["b", "c", "a", "d", "e", "f", "x0", "x1"]
        assert found["rows"][0] == ["room b", "group", 9, 3, 1.5, "b"]
        assert found["rows"][1] == ["Untitled", "channel", 9, 3, 1.5, "c"]

    @pytest.mark.parametrize(
        ("sort_by", "ids", "amounts"),
        [
            ("messages", ["many", "wide", "deep"], ["12", "10", "9"]),
            ("participants", ["wide", "many", "deep"], ["5", "3", "1"]),
            ("activity", ["deep", "many", "wide"], ["9", "4", "2"]),
        ],
    )
    def test_ranked_by(self, sort_by: str, ids: list[str], amounts: list[str]) -> None:
        """By messages, by people, or by messages per person who wrote."""
        rows = [
            conversation("many", 12, 3),
            conversation("wide", 10, 5),
            conversation("deep", 9, 1),
        ]
        bodies = {"group": {"conversations": rows}, "channel": {"conversations": []}}
        given = view(sort_by=sort_by)
        found = card("top_conversations", bodies, given)
        assert [row[-1] for row in found["rows"]] == ids
        people = {"many": 3, "wide": 5, "deep": 1}
        assert found["body"] == " ".join(
            f"{place} room {id_} group · {people[id_]} wrote {amount}"
            for place, (id_, amount) in enumerate(zip(ids, amounts, strict=True), 1)
        )
        assert {
            ask["parameters"]["sort_by"] for ask in asks("top_conversations", given).values()
        } == {sort_by}

    def test_ids_that_are_numbers_are_compared_as_numbers(self) -> None:
        """The last tie is broken by id, as the API does: 9 before 10, and beyond 2^53."""
        ids = ["10", "9", "9007199254740993", "9007199254740992"]
        rows = [conversation(id_, 5, 2) for id_ in ids]
        bodies = {"group": {"conversations": rows}, "channel": {"conversations": []}}
        numbers = card("top_conversations", bodies, view(conversation_ids="integer"))
        assert [row[-1] for row in numbers["rows"]] == [
            "9", "10", "9007199254740992", "9007199254740993",
        ]  # fmt: skip
        texts = card("top_conversations", bodies, view(conversation_ids="string"))
        assert [row[-1] for row in texts["rows"]] == [
            "10", "9", "9007199254740992", "9007199254740993",
        ]  # fmt: skip

    def test_a_direct_conversation_has_a_name(self) -> None:
        """One without a title is called direct, and opens as the others do."""
        rows = [conversation("d", 5, 2, type="direct", title=None)]
        given = view(include_direct="true")
        found = card("top_conversations", {"all": {"conversations": rows}}, given)
        assert found["rows"][0][0] == "Direct conversation"
        assert opened("top_conversations", {"all": {"conversations": rows}}, given) == [
            {"conversation_id": "d", "user_id": ""}
        ]


class TestWhoStays:
    """Who stays, who comes back; do new people stay."""

    def test_rows_and_sentence(self) -> None:
        """Weeks before the first activity are left out; who left the running week is not drawn."""
        found = card("who_stays", {"lifecycle": {"lifecycle": LIFECYCLE}}, view())
        assert found["columns"] == [
            "timestamp", "active_people", "stayed_people", "returned_people", "new_people",
            "left_people", "is_partial",
        ]  # fmt: skip
        assert found["rows"] == [[DAY_2, 20, 12, 3, 5, 4, False], [DAY_3, 9, 8, 0, 1, None, True]]
        assert found["sentence"] == ("week of 2026-11-23: 12 stayed, 3 came back, 5 new, 4 left.")
        assert found["svg"].count('class="bar series-lost"') == 1

    def test_weeks_unless_months(self) -> None:
        """Days and hours do not show who stays: twelve weeks are asked for."""
        for interval in ("hourly", "daily", "weekly"):
            asked = asks("who_stays", view(interval=interval))["lifecycle"]["parameters"]
            assert asked == {
                "tz": "Asia/Kathmandu", "start": "last-84", "interval": "weekly",
            }  # fmt: skip
        months = asks("do_new_people_stay", view(interval="monthly"))["retention"]["parameters"]
        assert months["interval"] == "monthly"

    def test_nobody_was_active(self) -> None:
        """No bucket with anybody is words."""
        found = card("who_stays", {"lifecycle": {"lifecycle": LIFECYCLE[:1]}}, view())
        assert found["empty"] == "Nobody was active in this period."

    def test_cohorts(self) -> None:
        """A row for each first week, the others of a member and the average, with colors."""

        def cell(
            row: str, cohort: str | None, size: int, n: int, rate: float, *, partial: bool = False
        ) -> dict[str, Any]:
            return {
                "row_type": row, "cohort": cohort, "cohort_size": size, "bucket_number": n,
                "retention_rate": rate, "is_partial": partial,
            }  # fmt: skip

        cells = [
            cell("cohort", DAY_1, 10, 0, 100.0),
            cell("cohort", DAY_1, 10, 1, 40.0),
            cell("cohort", DAY_1, 10, 2, 0.0, partial=True),
            cell("cohort", DAY_2, 6, 0, 100.0),
            cell("cohort", DAY_2, 6, 1, 50.0, partial=True),
            cell("others", None, 7, 0, 100.0),
            cell("average", None, 23, 0, 100.0),
            cell("average", None, 10, 1, 40.0),
        ]
        found = card("do_new_people_stay", {"retention": {"retention": cells}}, view())
        assert found["columns"] == [
            "cohort", "cohort_size", "retention_rate_0", "retention_rate_1", "retention_rate_2",
            "first_partial_bucket",
        ]  # fmt: skip
        assert found["rows"] == [
            [DAY_1, 10, 100.0, 40.0, 0.0, 2],
            [DAY_2, 6, 100.0, 50.0, None, 1],
            ["others", 7, 100.0, None, None, None],
            ["average", 23, 100.0, 40.0, None, None],
        ]
        assert [row[0] for row in found["cells"]] == [
            "11-22",
            "11-23",
            "fewer than five",
            "average",
        ]
        assert found["sentence"] == "On average 40% are active in the week after their first."
        colors = [name for name in found["classes"] if name.startswith("heat-")]
        assert colors == [
            "heat-6", "heat-3", "heat-0 partial", "heat-6", "heat-4 partial", "heat-6", "heat-6",
            "heat-3",
        ]  # fmt: skip

    def test_no_cohort(self) -> None:
        """Nobody came: words."""
        found = card("do_new_people_stay", {"retention": {"retention": []}}, view())
        assert found["empty"] == "Nobody came for the first time in this period."


REPLIES: list[dict[str, Any]] = [
    {
        "conversation_type": None, "replies": 30, "half_seconds": 29, "nine_tenths_seconds": 300,
        "answered_in_1_hour_rate": 46.0, "answered_in_24_hours_rate": 60.0,
    },
    {
        "conversation_type": "group", "replies": 30, "half_seconds": 28, "nine_tenths_seconds": 200,
        "answered_in_1_hour_rate": 62.0, "answered_in_24_hours_rate": 70.0,
    },
]  # fmt: skip
READS = [
    {
        "conversation_type": None,
        "judged_messages": 90,
        "read_rate": 92.0,
        "median_seconds": 30,
    },
    {
        "conversation_type": "channel",
        "judged_messages": 40,
        "read_rate": 91.0,
        "median_seconds": 9,
    },
    {"conversation_type": "group", "read_rate": None, "median_seconds": None},
]


class TestRepliesAndReads:
    """Replies and reads."""

    def test_rows_by_type(self) -> None:
        """A type without a reply has a row if it has messages to read."""
        bodies = {"replies": {"reply_times": REPLIES}, "reads": {"read_rates": READS}}
        found = card("replies_and_reads", bodies, view())
        assert found["rows"] == [
            [None, 30, 29, 300, 46.0, 60.0, 92.0],
            ["group", 30, 28, 200, 62.0, 70.0, None],
            ["channel", 0, None, None, None, None, 91.0],
        ]
        assert [row[0] for row in found["cells"]] == ["everywhere", "group", "channel"]
        # The card has no room for all columns; the table has.
        assert "answered in 24 h" in found["body"]
        assert "answered in 1 h" not in found["body"]
        assert found["note"] == (
            "Half of 30 replies came within 29 s. 92% of the messages were read by somebody else "
            "within 24 hours, half of these within 30 s."
        )

    def test_without_read_receipts(self) -> None:
        """Nothing about reading is said where it is not known."""
        reads = [{"conversation_type": None, "read_rate": None, "median_seconds": None}]
        bodies = {"replies": {"reply_times": REPLIES[:1]}, "reads": {"read_rates": reads}}
        found = card("replies_and_reads", bodies, view(missing=("read_receipts",)))
        assert found["columns"][-1] == "answered_in_24_hours_rate"
        assert found["note"] == "Half of 30 replies came within 29 s."

    def test_nobody_replied(self) -> None:
        """Zeros are said as such."""
        none = {
            **REPLIES[0], "replies": 0, "half_seconds": None, "nine_tenths_seconds": None,
            "answered_in_1_hour_rate": None, "answered_in_24_hours_rate": None,
        }  # fmt: skip
        reads = [
            {"conversation_type": None, "judged_messages": 3, "read_rate": 0.0,
             "median_seconds": None}
        ]  # fmt: skip
        bodies = {"replies": {"reply_times": [none]}, "reads": {"read_rates": reads}}
        found = card("replies_and_reads", bodies, view())
        assert found["cells"] == [["everywhere", "0", "?", "?", "?", "?", "0%"]]
        assert found["note"] == (
            "Nobody replied in this period. 0% of the messages were read by somebody else within "
            "24 hours."
        )
        bodies["reads"]["read_rates"][0]["judged_messages"] = 0
        found = card("replies_and_reads", bodies, view())
        assert found["note"] == "Nobody replied in this period."

    def test_over_time(self) -> None:
        """The half of each day, with a gap where nobody replied."""
        rows = buckets(
            {"replies": 4, "half_seconds": 20, "nine_tenths_seconds": 90,
             "answered_in_24_hours_rate": 50.0},
            {"replies": 0, "half_seconds": None, "nine_tenths_seconds": None,
             "answered_in_24_hours_rate": 0.0},
            {"replies": 2, "half_seconds": 40, "nine_tenths_seconds": 41,
             "answered_in_24_hours_rate": None},
        )  # fmt: skip
        found = card("reply_times_over_time", {"replies": {"timeline": rows}}, view())
        assert found["rows"] == [
            [DAY_1, 20, 90, 4, 50.0, False],
            [DAY_2, None, None, 0, 0.0, False],
            [DAY_3, 40, 41, 2, None, True],
        ]
        assert found["sentence"] == "Half of the replies came within 20 s to 40 s."
        empty = card("reply_times_over_time", {"replies": {"timeline": rows[1:2]}}, view())
        assert empty["empty"] == "Nobody replied in this period."


class TestSharesOfMessages:
    """What is sent, where, and by how many."""

    def test_what_is_sent(self) -> None:
        """The share of each type, and how long texts are."""
        found = card("what_is_sent", {"messages": MESSAGES}, view())
        assert found["rows"] == [
            ["text", 150, 75.0], ["image", 30, 15.0], ["file", 10, 5.0], ["system", 8, 4.0],
            ["other", 2, 1.0],
        ]  # fmt: skip
        assert found["sentence"] == "75% of the messages are text."
        assert found["body"].endswith("average length 52.4 characters")
        nothing = {"messages": {**MESSAGES, "total_messages": 0}}
        assert card("what_is_sent", nothing, view())["empty"] == NOBODY

    def test_where_people_write(self) -> None:
        """A day on which nothing happened is a row of zeros."""
        bodies = {"mix": {"conversation_mix": MIX}, "timeline": timeline(7, 0, 3)}
        found = card("conversation_mix", bodies, view())
        assert found["columns"] == [
            "timestamp", "direct_messages", "direct_people", "direct_reads", "no type_messages",
            "no type_people", "no type_reads", "is_partial",
        ]  # fmt: skip
        assert found["cells"] == [
            ["2026-11-22", "6", "3", "9", "1", "1", "0", "yes"],
            ["2026-11-23", "0", "0", "0", "0", "0", "0", "yes"],
            ["2026-11-24", "3", "2", "2", "0", "0", "0", "no"],
        ]
        assert found["sentence"] == "Messages: direct 90%, no type 10%."

    def test_where_people_write_without_read_receipts(self) -> None:
        """Only messages are known."""
        rows = [{**row, "reads": None, "people": None} for row in MIX]
        bodies = {"mix": {"conversation_mix": rows}, "timeline": timeline(7, 0, 3)}
        found = card("conversation_mix", bodies, view(missing=("read_receipts",)))
        assert found["columns"] == [
            "timestamp", "direct_messages", "no type_messages", "is_partial",
        ]  # fmt: skip

    def test_how_many_write_most_of_it(self) -> None:
        """The shares of those who write the most."""
        body = {
            "writers": 40, "messages": 192, "top_1_percent_share": 16.0,
            "top_10_percent_share": 49.0, "top_half_share": 90.0, "gini": 0.63,
        }  # fmt: skip
        found = card("concentration", {"concentration": body}, view())
        assert [row[1] for row in found["rows"]] == [16.0, 49.0, 90.0]
        assert found["note"] == (
            "A tenth of the 40 people who wrote wrote 49% of the messages. Gini coefficient: 0.63."
        )
        nobody = {"concentration": {**body, "writers": 0, "gini": None}}
        assert card("concentration", nobody, view())["empty"] == NOBODY


class TestAccounts:
    """What new accounts do; who comes, who goes."""

    def test_funnel(self) -> None:
        """Each step with those who could take it, and its share before."""
        body = {**ACTIVATION, "compared": {**ACTIVATION, "answered_rate": 40.0}}
        found = card("activation", {"activation": body}, view())
        assert found["rows"] == [
            ["wrote within 24 hours", 17, 3, 17.6, 17.6],
            ["wrote within 7 days", 13, 7, 53.8, 53.8],
            ["were answered", 12, 6, 50.0, 40.0],
            ["came back in the second week", 9, 4, 44.4, 44.4],
        ]
        assert found["note"].startswith("18 new accounts.")

    def test_funnel_without_read_receipts(self) -> None:
        """Who came back is not known, so the step is absent; nothing is compared."""
        body = {**ACTIVATION, "came_back": None, "came_back_rate": None}
        found = card("activation", {"activation": body}, view(compare=""))
        assert [row[0] for row in found["rows"]] == [
            "wrote within 24 hours", "wrote within 7 days", "were answered",
        ]  # fmt: skip
        assert found["columns"] == ["title", "judged", "count", "rate"]

    def test_no_new_account(self) -> None:
        """Nobody to judge: words."""
        body = {"activation": {**ACTIVATION, "accounts": 0}}
        assert card("activation", body, view())["empty"] == (
            "No account was created in this period."
        )

    def test_accounts_of_the_site(self) -> None:
        """An administrator sees accounts that are created and deleted."""
        found = card("membership", {"membership": {"membership": MEMBERSHIP}}, view())
        assert found["sentence"] == "104 accounts at the end; 7 created, 1 deleted."
        assert found["rows"][0] == [DAY_1, 100, 3, 1, 500, 9, 2, False]
        assert found["legend"] == ["created", "deleted"]

    def test_memberships_of_a_member(self) -> None:
        """A member sees who joins and leaves their conversations, and no column of the site."""
        rows = [{**row, "accounts": None, "joined": None, "deleted": None} for row in MEMBERSHIP]
        found = card("membership", {"membership": {"membership": rows}}, view("member"))
        assert found["sentence"] == "510 memberships at the end; 20 joined, 3 left."
        assert found["columns"] == [
            "timestamp", "memberships", "memberships_joined", "memberships_left", "is_partial",
        ]  # fmt: skip


class TestReading:
    """What has been read, and what has not."""

    def test_read_through(self) -> None:
        """Of others direct conversations are left out; a member sees their own."""
        rows = [
            {"conversation_id": "d", "type": "direct", "title": None, "member_count": 2,
             "read_count": 1, "read_share": 50.0, "newest_message_at": DAY_2},
            {"conversation_id": "g", "type": "group", "title": "Ops", "member_count": 5,
             "read_count": 4, "read_share": 80.0, "newest_message_at": DAY_1},
        ]  # fmt: skip
        bodies = {"reading": {"conversations": rows}}
        admin = card("reading", bodies, view())
        assert admin["rows"] == [["Ops", "group", 5, 4, 80.0, DAY_1, "g"]]
        assert admin["sentence"] == "Ops: 80% have read the newest message."
        member = card("reading", bodies, view("member"))
        assert [row[0] for row in member["rows"]] == ["Direct conversation", "Ops"]
        nothing = {"reading": {"conversations": rows[:1]}}
        assert card("reading", nothing, view())["empty"] == "Nobody has written yet."

    def test_unread(self) -> None:
        """The most first; what is read is left out; asked about the member who looks."""
        rows = [
            {"conversation_id": id_, "type": "group", "title": id_, "unread_count": count,
             "first_unread_at": DAY_1, "newest_message_at": DAY_2}
            for id_, count in (("a", 2), ("b", 0), ("c", 5))
        ]  # fmt: skip
        found = card("my_unread", {"unread": {"unread": rows}}, view("member"))
        assert [row[::2] for row in found["rows"]] == [["c", 5, DAY_2], ["a", 2, DAY_2]]
        assert found["sentence"] == "7 messages in 2 conversations."
        nothing = {"unread": {"unread": rows[1:2]}}
        assert card("my_unread", nothing, view("member"))["empty"] == "You have read everything."
        assert asks("my_unread", view("member"))["unread"] == {
            "path": "/user/7/unread",
            "parameters": {"tz": "Asia/Kathmandu", "include_bots": ""},
        }


class TestEvents:
    """Events, for administrators."""

    def test_counts(self) -> None:
        """Each type with its number."""
        rows = [
            {"event_type": "message.sent", "count": 9},
            {"event_type": "user.online", "count": 4},
        ]
        found = card("event_counts", {"events": {"event_counts": rows}}, view())
        assert found["rows"] == [["message.sent", 9], ["user.online", 4]]
        assert found["sentence"] == "The most frequent event is message.sent: 9."

    def test_over_time(self) -> None:
        """All types are in the table, the most frequent first; five of them are drawn."""
        rows = [
            {"timestamp": day, "event_type": f"type.{i}", "count": i, "is_partial": day == DAY_2}
            for day in (DAY_1, DAY_2)
            for i in range(7)
        ]
        found = card("events", {"events": {"event_timeline": rows}}, view())
        assert found["columns"] == [
            "timestamp",
            *(f"type.{i}" for i in range(6, -1, -1)),
            "is_partial",
        ]
        assert found["rows"][0] == [DAY_1, 6, 5, 4, 3, 2, 1, 0, False]
        assert found["legend"] == [f"type.{i} {2 * i}" for i in range(6, 1, -1)]

    def test_hours_where_there_are_hours(self) -> None:
        """A day is shown by the hour, also in the cards beside the messages."""
        day = view(days="1", interval="hourly")
        for piece, name in (
            ("events", "events"),
            ("conversation_mix", "mix"),
            ("reply_times_over_time", "replies"),
        ):
            assert asks(piece, day)[name]["parameters"]["interval"] == "hourly"
            assert choices(piece, day) == [("interval", "hourly", ["hourly", "daily"])]

    def test_nothing_happened(self) -> None:
        """No events are words."""
        for piece, name in (("events", "event_timeline"), ("event_counts", "event_counts")):
            found = card(piece, {"events": {name: []}}, view())
            assert found["empty"] == "Nothing happened in this period."


class TestPanels:
    """The drill-down of a person and of a conversation."""

    def test_pieces(self) -> None:
        """A person or a conversation is open, or nothing is."""
        assert panel_ids(view()) == []
        assert panel_ids(view(user_id="7")) == ["person_facts", "person_messages"]
        assert panel_ids(view(conversation_id="g")) == [
            "conversation_facts", "conversation_messages", "conversation_writers",
            "conversation_replies", "conversation_matrix", "conversation_week",
        ]  # fmt: skip

    def test_what_is_asked_about_a_person(self) -> None:
        """An id is one part of a path, whatever is in it, and a filter of the timeline."""
        given = view(user_id="@ann/x:example.org", interval="weekly")
        facts = asks("person_facts", given)["person"]
        assert facts == {"path": "/user/%40ann%2Fx%3Aexample.org", "parameters": PERIOD}
        line = asks("person_messages", given)["timeline"]["parameters"]
        assert (line["user_id_filter"], line["interval"]) == ("@ann/x:example.org", "weekly")

    def test_what_is_asked_about_a_conversation(self) -> None:
        """Every question is about the open conversation."""
        given = view(conversation_id="g/1")
        asked = {piece: ask for piece in panel_ids(given) for ask in asks(piece, given).values()}
        in_path = {"conversation_facts": "", "conversation_matrix": "/response-matrix"}
        for piece, ask in asked.items():
            if piece in in_path:
                assert ask["path"] == f"/conversation/g%2F1{in_path[piece]}"
            else:
                assert ask["parameters"]["conversation_id"] == "g/1"

    def test_facts_of_a_person(self) -> None:
        """What somebody did; without read receipts what they read is absent."""
        found = card("person_facts", {"person": PERSON}, view(user_id="7"))
        assert found["body"] == (
            "wrote 5 read 9 conversations 2 messages a day 0.2 first message 2026-11-22 "
            "last seen active ?"
        )
        assert found["rows"] == [["7", 5, 9, 2, 0.2, DAY_1, None]]
        unknown = {"person": {**PERSON, "messages_read": None}}
        assert "messages_read" not in card("person_facts", unknown, view(user_id="7"))["columns"]

    def test_silence(self) -> None:
        """Nobody wrote: words that fit."""
        nothing = {"timeline": timeline(0)}
        assert card("person_messages", nothing, view(user_id="7"))["empty"] == (
            "This person wrote nothing in this period."
        )
        assert card("conversation_messages", nothing, view(conversation_id="g"))["empty"] == (
            "Nobody wrote here in this period."
        )

    def test_facts_of_a_conversation(self) -> None:
        """Who takes part and since when; unknown times are dashes."""
        body = {
            "conversation_id": "g", "type": "group", "participant_count": 5,
            "active_participants": 4, "message_count": 40, "messages_per_day": None,
            "created_at": None, "last_message_date": DAY_2,
        }  # fmt: skip
        found = card("conversation_facts", {"conversation": body}, view(conversation_id="g"))
        assert found["rows"] == [["g", "group", 5, 4, 40, None, None, DAY_2]]
        assert found["cells"][0][5:7] == ["?", "?"]

    def test_replies_of_a_conversation_are_told_once(self) -> None:
        """The row of its type would be the same numbers again."""
        bodies = {"replies": {"reply_times": REPLIES}, "reads": {"read_rates": READS}}
        found = card("conversation_replies", bodies, view(conversation_id="g"))
        assert found["rows"] == [[None, 30, 29, 300, 46.0, 60.0, 92.0]]

    def test_who_answers_whom(self) -> None:
        """A row and a column for each, those with the most replies first; rows open the person."""

        def pair(who: str, whom: str, replies: int) -> dict[str, Any]:
            names = {"1": "ann", "2": "bob", "3": None}
            return {
                "from_user_id": who, "from_username": names[who], "to_user_id": whom,
                "to_username": names[whom], "replies": replies, "half_seconds": 10 * replies,
            }  # fmt: skip

        rows = [pair("2", "1", 5), pair("3", "2", 4), pair("1", "2", 1)]
        given = view(conversation_id="g")
        found = card("conversation_matrix", {"matrix": {"responses": rows}}, given)
        assert found["sentence"] == "bob replied to ann the most: 5 times, half within 50 s."
        assert found["rows"] == [
            ["bob", "ann", 5, 50, "2", "1"],
            [None, "bob", 4, 40, "3", "2"],
            ["ann", "bob", 1, 10, "1", "2"],
        ]
        assert found["cells"][1][0] == "Deleted account"
        assert found["body"].endswith("1 bob 5 2 ann 1 3 Deleted account 4")
        assert opened("conversation_matrix", {"matrix": {"responses": rows}}, given) == [
            {"user_id": id_, "conversation_id": ""} for id_ in ("2", "1", "3")
        ]
        nobody = card("conversation_matrix", {"matrix": {"responses": []}}, given)
        assert "fewer than five people" in nobody["empty"]

    @pytest.mark.parametrize(
        ("user", "title"),
        [
            ("9007199254740993", "ann"),
            ("12", "Deleted account 12"),
            ("9007199254740992", "Person 9007199254740992"),
            ("4", "bob"),
        ],
    )
    def test_the_name_of_a_person_is_that_of_any_answer(self, user: str, title: str) -> None:
        """The endpoint of a person has no name, but the rankings and matrices of the page have."""
        matrix: dict[str, Any] = {
            "responses": [
                {"from_user_id": "4", "from_username": "bob", "to_user_id": "12",
                 "to_username": None}
            ]
        }  # fmt: skip
        bodies = [{"timeline": []}, matrix, {"top_senders": SENDERS}]
        assert panel_title(view(user_id=user), bodies) == title

    def test_the_title_of_a_conversation(self) -> None:
        """It is that of its own answer; before this is there, it is a conversation."""
        given = view(conversation_id="g")
        body = {"conversation_id": "g", "participant_count": 2, "type": "group", "title": "Ops"}
        assert panel_title(given, [body]) == "Ops"
        assert panel_title(given, [{**body, "title": None}]) == "Untitled"
        assert panel_title(given, [{**body, "conversation_id": "other"}]) == "Conversation"
