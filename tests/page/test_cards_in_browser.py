"""The cards in the browser: their numbers are the API's, and their rows open people and rooms."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
import pytest

from etl.sandbox.postgres import create_database, drop_database
from olap.settings import Settings
from tests.api.other_messengers import MARKED, TEXTS, Messenger
from tests.api.servers import Server, server
from tests.fix_pipeline import Clock, Pipeline
from tests.page import community
from tests.page.community import conversation_id
from tests.page.fix_browser import Screen
from tests.page.fix_community import admin_token, answer, last_days, member_token

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = [pytest.mark.page, pytest.mark.slow]

BERLIN, KATHMANDU = "Europe/Berlin", "Asia/Kathmandu"
# Their rooms are Engineering, the direct ones and what chance gives them; not Design & research.
MEMBER = 15
NOT_FOUND = "There is no such person or conversation, or you may not see it."


def table(card: Locator) -> list[list[str]]:
    """The cells of a card that is shown as a table."""
    button = card.get_by_role("button", name="Table")
    if button.get_attribute("aria-pressed") == "false":
        button.click()
    rows = card.locator("tbody tr").all()
    return [row.locator("th, td").all_inner_texts() for row in rows]


def number(text: str) -> float | None:
    """A number as it is written in English; None for a dash."""
    return None if text == "\u2013" else float(re.sub(r"[,%]", "", text))


def panel(screen: Screen) -> Locator:
    """The open panel with all that it has."""
    screen.page.wait_for_function(
        """() => {
          const panel = document.querySelector("dialog[open]");
          return panel !== null && panel.querySelector(".card, .empty") !== null
            && panel.querySelector(".wait:not([popover] *)") === null;
        }"""
    )
    return screen.page.get_by_role("dialog").first


def wait_closed(screen: Screen) -> None:
    """Wait until no panel is open."""
    screen.page.locator("dialog").wait_for(state="detached")


def focused(screen: Screen) -> str:
    """The words of what has the focus."""
    found: str = screen.page.evaluate("() => document.activeElement.innerText")
    return found


def row(screen: Screen, card: str, name: str) -> Locator:
    """A row of a ranking."""
    return screen.card(card).get_by_role("button").filter(has_text=name)


@pytest.mark.parametrize(
    ("bearer", "zone"),
    [
        (admin_token(), BERLIN),
        (admin_token(), KATHMANDU),
        (member_token(community.ALICE), BERLIN),
        (member_token(MEMBER), KATHMANDU),
    ],
    ids=["administrator", "administrator-45-minutes", "member", "member-45-minutes"],
)
def test_the_numbers_of_the_page_are_those_of_the_api(
    community_server: Server, new_screen: Callable[..., Screen], bearer: str, zone: str
) -> None:
    """Tiles, charts, rankings and tables show what the API answers to the same viewer, by the
    local days of the zone, also of one that is 45 minutes beside the hour."""
    period = last_days(community_server, zone, 7)
    screen = new_screen(zone=zone)
    screen.open(community_server.url, bearer, "?days=7")

    def ask(path: str, **query: Any) -> dict[str, Any]:
        return answer(community_server, bearer, path, **period, **query)

    messages = ask("/messages", compare="previous")
    tile = screen.card("Messages").inner_text()
    assert f"{messages['total_messages']:,}" in tile
    assert f"from {messages['compared']['total_messages']:,}" in tile
    writers = screen.card("Who wrote").locator(".value").inner_text()
    assert number(writers) == messages["unique_senders"]
    engaged = screen.card("Engagement").locator(".value").inner_text()
    # The page shows one digit of two; half of it is not a double.
    assert number(engaged) == pytest.approx(ask("/engagement")["engagement_rate"], abs=0.0501)
    active = screen.card("Active people").locator(".value").inner_text()
    assert number(active) == ask("/active-users")["active_any"]
    accounts = screen.card("New accounts").locator(".value").inner_text()
    assert number(accounts) == ask("/activation")["accounts"]

    timeline = ask("/timeline", interval="daily", compare="previous")
    shown = table(screen.card("Messages over time"))
    assert [(number(one[1]), number(one[2])) for one in shown] == [
        (now["count"], before["count"])
        for now, before in zip(timeline["timeline"], timeline["compared"]["timeline"], strict=True)
    ]
    people = ask("/active-timeline", interval="daily")["active_timeline"]
    shown = table(screen.card("Active people over time"))
    assert [[number(cell) for cell in one[1:6]] for one in shown] == [
        [
            bucket[name]
            for name in (
                "active_people",
                "writers",
                "readers_only",
                "active_7_days",
                "active_30_days",
            )
        ]
        for bucket in people
    ]
    senders = ask("/top-senders", limit=8)["top_senders"]
    assert [(number(one[1]), one[2]) for one in table(screen.card("Top people"))] == [
        (sender["message_count"], sender["user_id"]) for sender in senders
    ]
    rooms = [
        room
        for kind in ("group", "channel")
        for room in ask("/top-conversations", type=kind, limit=50)["conversations"]
    ]
    shown = table(screen.card("Top conversations"))
    assert [number(one[2]) for one in shown] == sorted(
        (room["message_count"] for room in rooms), reverse=True
    )[:8]
    weeks = {**last_days(community_server, zone, 84), "interval": "weekly"}
    lifecycle = answer(community_server, bearer, "/lifecycle", **weeks)["lifecycle"]
    shown = table(screen.card("Who stays, who comes back"))
    assert [number(one[1]) for one in shown] == [bucket["active_people"] for bucket in lifecycle][
        -len(shown) :
    ]
    sent = table(screen.card("What is sent"))
    assert [number(one[1]) for one in sent] == [
        messages[f"{name}_messages"] for name in ("text", "image", "file", "system", "other")
    ]
    replies = ask("/reply-times")["reply_times"]
    shown = table(screen.card("Replies and reads"))
    assert [number(one[1]) for one in shown][: len(replies)] == [one["replies"] for one in replies]


def test_compared_with_the_year_before_or_with_nothing(
    community_server: Server, screen: Screen
) -> None:
    """Fifteen weeks of data have no year before: it is said; with no comparison nothing is."""
    screen.open(community_server.url, admin_token(), "?days=7&compare=year")
    assert screen.card("Messages").locator(".change").inner_text() == "no earlier data"
    assert "year before" not in screen.card("Messages over time").inner_text()
    screen.page.get_by_label("Compare with").select_option("")
    screen.page.wait_for_function(
        """() => document.querySelector(".tile .change").textContent === "" """
    )
    screen.page.get_by_label("Compare with").select_option("previous")
    screen.page.get_by_text("period before:").first.wait_for()
    assert " from " in screen.card("Messages").locator(".change").inner_text()


def test_a_heat_map_is_read_by_arrow_keys_and_pointer(
    community_server: Server, screen: Screen
) -> None:
    """Left and right change the hour, up and down the day; the status says the value, which is
    that of the table; Escape hides it."""
    screen.open(community_server.url, admin_token())
    card = screen.card("When people write")
    cells = {(one[0], one[1]): one[2] for one in table(card)}
    card.get_by_role("button", name="Table").click()
    plot = card.locator(".plot")
    plot.focus()
    status = screen.page.locator("main > [role=status]")
    for key, day, hour in (
        ("ArrowRight", "Mon", "00:00"),
        ("ArrowDown", "Tue", "00:00"),
        ("ArrowRight", "Tue", "01:00"),
        ("ArrowUp", "Mon", "01:00"),
        ("End", "Sun", "23:00"),
    ):
        screen.page.keyboard.press(key)
        status.get_by_text(f"{day} {hour}, messages an hour {cells[day, hour]},").wait_for()
    screen.page.keyboard.press("Escape")
    card.locator(".tip").wait_for(state="detached")
    tuesday = card.locator(".marks").nth(1).locator("rect").nth(9)
    tuesday.hover()
    assert card.locator(".tip b").inner_text() == "Tue 09:00"


class TestPanel:
    """The panel of a person or a conversation."""

    def test_a_row_opens_the_person(self, community_server: Server, screen: Screen) -> None:
        """By a click; the panel has the name of the row and the numbers of the API, the link the
        id; Esc closes it, and the focus is on the row again."""
        screen.open(community_server.url, admin_token(), "?days=7")
        opener = screen.card("Top people").locator("ol button").first
        name = opener.locator(".rank-name").inner_text()
        opener.click()
        opened = panel(screen)
        assert opened.get_by_role("heading").first.inner_text() == name
        (user_id,) = parse_qs(urlsplit(screen.page.url).query)["user_id"]
        period = last_days(community_server, BERLIN, 7)
        found = answer(community_server, admin_token(), f"/user/{user_id}", **period)
        facts = opened.locator(".facts dd").all_inner_texts()
        assert [number(fact) for fact in facts[:3]] == [
            found["messages_sent"],
            found["messages_read"],
            found["active_conversations"],
        ]
        legend = opened.locator(".legend").inner_text()
        assert f"this period: {found['messages_sent']:,}" in legend
        screen.page.keyboard.press("Escape")
        wait_closed(screen)
        assert "user_id" not in screen.page.url
        assert name in focused(screen)

    def test_by_keyboard_alone(self, community_server: Server, screen: Screen) -> None:
        """A row is reached and opened by keys, what is behind the panel is not, and the close
        button gives the focus back."""
        screen.open(community_server.url, admin_token(), "?days=7")
        row(screen, "Top conversations", "Engineering").focus()
        screen.page.keyboard.press("Enter")
        opened = panel(screen)
        assert opened.get_by_role("heading").first.inner_text() == "Engineering"
        inside = """() => document.activeElement === document.body
          || document.activeElement.closest("dialog") !== null"""
        for _ in range(60):
            screen.page.keyboard.press("Tab")
            assert screen.page.evaluate(inside)
        # Keys that change the period do nothing while a panel is open.
        screen.page.keyboard.press("9")
        opened.get_by_role("button", name="Close").focus()
        screen.page.keyboard.press("Enter")
        wait_closed(screen)
        assert "Engineering" in focused(screen)
        assert "days=7" in screen.page.url

    def test_a_conversation(self, community_server: Server, screen: Screen) -> None:
        """Facts, timeline, writers, replies, matrix and week are those of the conversation; a
        writer opens in its place, and back leads to the conversation again."""
        room = str(conversation_id(community.ENGINEERING))
        screen.open(community_server.url, admin_token(), f"?conversation_id={room}")
        opened = panel(screen)
        period = last_days(community_server, BERLIN, 30)

        def ask(path: str, **query: Any) -> dict[str, Any]:
            return answer(community_server, admin_token(), path, **query)

        facts = opened.locator(".facts dd").all_inner_texts()
        found = ask(f"/conversation/{room}")
        assert [number(fact) for fact in facts[1:4]] == [
            found["participant_count"],
            found["active_participants"],
            found["message_count"],
        ]
        writers = ask("/top-senders", conversation_id=room, limit=8, **period)["top_senders"]
        card = screen.card("Who writes here")
        assert [number(text) for text in card.locator(".rank-amount").all_inner_texts()] == [
            one["message_count"] for one in writers
        ]
        pairs = ask(f"/conversation/{room}/response-matrix", **period)["responses"]
        assert [number(one[2]) for one in table(screen.card("Who answers whom"))] == [
            pair["replies"] for pair in pairs
        ]
        hours = ask("/message-heatmap", conversation_id=room, **period)["heatmap"]
        assert [number(one[3]) for one in table(screen.card("When people write here"))] == [
            hour["messages"] for hour in hours
        ]
        card.locator("ol button").first.click()
        screen.page.get_by_role("heading", name="Messages of this person").wait_for()
        assert "conversation_id" not in screen.page.url
        screen.page.go_back()
        screen.page.get_by_role("heading", name="Who writes here").wait_for()
        screen.page.go_forward()
        screen.page.get_by_role("heading", name="Messages of this person").wait_for()
        screen.page.go_back()
        screen.page.get_by_role("heading", name="Who writes here").wait_for()
        # A click beside the panel.
        screen.page.mouse.click(5, 400)
        wait_closed(screen)
        assert "conversation_id" not in screen.page.url

    def test_back_closes_and_forward_opens(self, community_server: Server, screen: Screen) -> None:
        """Opening a row is one step of the history."""
        screen.open(community_server.url, admin_token(), "?days=7")
        screen.card("Top people").locator("ol button").nth(1).click()
        panel(screen)
        screen.page.go_back()
        wait_closed(screen)
        screen.page.go_forward()
        panel(screen)

    @pytest.mark.parametrize(
        "query",
        ["?user_id=4711", "?user_id=nonsense", f"?conversation_id={conversation_id(4711)}"],
    )
    def test_what_does_not_exist(
        self, community_server: Server, screen: Screen, query: str
    ) -> None:
        """Nobody is there, or the id cannot be one: words, and the page behind stays whole."""
        screen.open(community_server.url, admin_token(), query)
        assert panel(screen).locator(".empty").inner_text() == NOT_FOUND
        screen.page.keyboard.press("Escape")
        wait_closed(screen)
        assert screen.card("Messages over time").locator("svg").first.is_visible()

    def test_an_id_beyond_doubles(self, community_server: Server, screen: Screen) -> None:
        """The person with the id 2^53 + 1 is that person, and not the one before."""
        user = community.BEYOND_DOUBLES
        screen.open(community_server.url, admin_token(), f"?user_id={user}&days=90")
        opened = panel(screen)
        card = screen.card("In this period")
        (cells,) = table(card)
        assert cells[0] == str(user)
        assert opened.locator(".empty").count() == 0

    def test_on_a_phone(self, community_server: Server, new_screen: Callable[..., Screen]) -> None:
        """The panel is as wide as the phone, and nothing scrolls sideways but tables."""
        screen = new_screen("narrow")
        room = conversation_id(community.ENGINEERING)
        screen.open(community_server.url, admin_token(), f"?conversation_id={room}")
        opened = panel(screen)
        assert opened.evaluate("(panel) => [panel.clientWidth, panel.scrollWidth]") == [320, 320]
        screen.picture("conversation-narrow")


class TestMember:
    """What a member sees."""

    @pytest.fixture
    def strangers(self, community_site: Pipeline) -> list[str]:
        """Ids of the conversations in which the member is not, and their titles."""
        with psycopg.connect(community_site.url) as connection:
            rows = connection.execute(
                "select id::text, title from conversations where id not in (select conversation_id"
                " from conversation_participants where user_id = %s and left_at is null)",
                (MEMBER,),
            ).fetchall()
        return [text for one in rows for text in one if text is not None]

    def test_nothing_of_others_is_on_the_page(
        self, community_server: Server, screen: Screen, strangers: list[str]
    ) -> None:
        """Neither the page nor any answer that it received has a conversation of others."""
        assert len(strangers) > 10
        bodies: list[str] = []
        screen.page.on(
            "response",
            lambda one: bodies.append(one.text()) if "/batch" in one.url else None,
        )
        screen.open(community_server.url, member_token(MEMBER), "?days=90&include_direct=true")
        for button in screen.page.get_by_role("button", name="Table").all():
            button.click()
        seen = screen.page.content() + "".join(bodies)
        assert str(conversation_id(community.ENGINEERING)) in seen
        assert [text for text in strangers if text in seen] == []

    def test_a_conversation_of_others_cannot_be_opened(
        self, community_server: Server, screen: Screen
    ) -> None:
        """The link of somebody else's conversation tells a member what a wrong one tells."""
        room = conversation_id(community.MARKUP)
        screen.open(community_server.url, member_token(MEMBER), f"?conversation_id={room}")
        assert panel(screen).locator(".empty").inner_text() == NOT_FOUND

    def test_what_only_administrators_have_is_absent(
        self, community_server: Server, screen: Screen
    ) -> None:
        """There is no empty card for events, and the rule of five people is said."""
        screen.open(community_server.url, member_token(MEMBER))
        assert screen.card("Events over time").count() == 0
        assert "5 people or more" in screen.card("When people write").inner_text()


# Neither read receipts nor events.
BARE = Messenger(
    name="bare", people=(), rooms=(), without=frozenset({"read_receipts", "events", "sink"})
)


@contextmanager
def serving(
    messenger: Messenger, postgres_url: str, template: str, folder: Path
) -> Iterator[Server]:
    """The API of another messenger: with its own people, or with the community if it has none."""
    name = f"test_{os.getpid()}_{messenger.name}"
    settings = Settings(data_dir=folder / "data", source_mapping=messenger.write_mapping(folder))
    try:
        url = create_database(postgres_url, name, template=template)
        if messenger.people:
            messenger.create(url)
        else:
            community.fill(url)
        is_empty = bool(messenger.people)
        Pipeline(url, settings, Clock(community.NOW), starts_empty=is_empty).cycle()
        mapping = settings.source_mapping
        with server(settings.data_dir, folder / "log", SOURCE_MAPPING=mapping) as running:
            yield running
    finally:
        drop_database(postgres_url, name)


@pytest.fixture(scope="module")
def serve(
    postgres_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Messenger], Server]]:
    """The API of a messenger, published once; no test changes it."""
    running: dict[str, Server] = {}
    with ExitStack() as stack:

        def get(messenger: Messenger) -> Server:
            if messenger.name not in running:
                folder = tmp_path_factory.mktemp(messenger.name)
                running[messenger.name] = stack.enter_context(
                    serving(messenger, postgres_url, template_database, folder)
                )
            return running[messenger.name]

        yield get


@pytest.mark.parametrize("bearer", [admin_token(), member_token()], ids=["administrator", "member"])
def test_a_messenger_without_read_receipts_and_events(
    serve: Callable[[Messenger], Server], screen: Screen, bearer: str
) -> None:
    """What cannot be known is absent, no card is broken, and the others say what they mean."""
    url = serve(BARE).url
    screen.open(url, bearer)
    assert screen.page.locator(".failed").count() == 0
    titles = screen.page.locator("section.card h2").all_inner_texts()
    assert "Active people" not in titles
    assert "Who stays, who comes back" not in titles
    assert "Events over time" not in titles
    assert "does not tell who read" in screen.card("Active people over time").inner_text()
    assert "read" not in screen.card("Replies and reads").locator("thead").inner_text()
    screen.page.goto(f"{url}/?user_id={community.ALICE}")
    facts = panel(screen).locator(".facts").inner_text()
    assert "wrote" in facts
    assert "\nread" not in facts


def test_what_a_member_has_not_read(serve: Callable[[Messenger], Server], screen: Screen) -> None:
    """Where the messenger keeps read marks, a member sees their unread messages, and how many have
    read the newest message; a row opens the conversation."""
    running, bearer = serve(MARKED), member_token(MARKED.people[0])
    screen.open(running.url, bearer, "?dashboard=my_conversations")
    unread = answer(running, bearer, f"/user/{MARKED.people[0]}/unread")["unread"]
    card = screen.card("What I have not read")
    assert [number(text) for text in card.locator(".rank-amount").all_inner_texts()] == [
        one["unread_count"] for one in unread if one["unread_count"] > 0
    ]
    (through,) = answer(running, bearer, "/read-through")["conversations"]
    (shown,) = table(screen.card("Who has read the newest messages"))
    assert [number(cell) for cell in shown[2:4]] == [through["member_count"], through["read_count"]]
    card.locator("ol button").first.click()
    assert panel(screen).get_by_role("heading").first.inner_text() == unread[0]["title"]


def test_ids_with_any_character(serve: Callable[[Messenger], Server], screen: Screen) -> None:
    """A person whose id is a path, a query or markup opens by a row and by a link."""
    running = serve(TEXTS)
    period = last_days(running, BERLIN, 30)
    screen.open(running.url, admin_token())
    screen.card("Top people").locator("ol button").first.click()
    for person in (TEXTS.people[-1], "a/b", "a%2Fb", "//", "+ &=?#;", "'; drop table users; --"):
        if person != TEXTS.people[-1]:
            screen.page.goto(f"{running.url}/?user_id={quote(str(person), safe='')}")
        opened = panel(screen)
        path = f"/user/{quote(str(person), safe='')}"
        found = answer(running, admin_token(), path, **period)
        assert number(opened.locator(".facts dd").first.inner_text()) == found["messages_sent"]
        (cells,) = table(screen.card("In this period"))
        assert cells[0] == person
