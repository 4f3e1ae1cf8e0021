"""Dashboards of people: opened, made of templates, edited by keyboard and pointer, and shared."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from api.app import PREFIX
from api.kept.things import Body, Card
from olap.kept import run, writing
from tests.api.servers import Server, server
from tests.fix_pipeline import Pipeline
from tests.page.fix_browser import Screen
from tests.page.fix_community import Site, admin_token, member_token

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Locator

pytestmark = [pytest.mark.page, pytest.mark.slow]

MORNINGS: dict[str, Any] = {
    "kind": "dashboard",
    "name": "Mornings",
    "state": {"days": "7"},
    "cards": [
        {"card": "messages", "width": 1},
        {"card": "messages_over_time", "width": 3, "parameters": {"interval": "weekly"}},
        {"card": "top_people", "width": 2},
        {"card": "what_is_sent", "width": 2},
    ],
}
TITLES = ["Messages", "Messages over time", "Top people", "What is sent"]


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The STATE_DIR of the server."""
    return tmp_path_factory.mktemp("kept") / "state"


@pytest.fixture(scope="module")
def running(community_site: Pipeline, state_dir: Path) -> Iterator[Server]:
    """The API on the community; each test keeps what it wants."""
    with server(
        community_site.layout.root, state_dir.parent / "log", STATE_DIR=str(state_dir)
    ) as one:
        yield one


@pytest.fixture
def url(running: Server, state_dir: Path) -> str:
    """The URL of the server, where nothing is kept yet."""
    shutil.rmtree(state_dir, ignore_errors=True)
    return running.url


def keep(url: str, thing: dict[str, Any] = MORNINGS, token: str | None = None, **more: Any) -> str:
    """Keep a thing; its id."""
    id_ = str(uuid4())
    put(url, id_, thing | more, token, {"If-None-Match": "*"})
    return id_


def put(
    url: str, id_: str, thing: dict[str, Any], token: str | None, headers: dict[str, str]
) -> None:
    """Keep or change a thing as the API does."""
    answer = httpx.put(
        f"{url}{PREFIX}/kept/{id_}",
        json=thing,
        headers={"Authorization": f"Bearer {token or admin_token()}"} | headers,
    )
    assert answer.status_code in (200, 201), answer.text


def kept(url: str, token: str | None = None) -> list[dict[str, Any]]:
    """What somebody sees of what is kept."""
    bearer = {"Authorization": f"Bearer {token or admin_token()}"}
    things: list[dict[str, Any]] = httpx.get(f"{url}{PREFIX}/kept", headers=bearer).json()["things"]
    return things


def titles(screen: Screen) -> list[str]:
    """The titles of the tiles and cards of the page, in order."""
    return screen.page.locator(".pieces h2").all_inner_texts()


def rows(screen: Screen) -> list[str]:
    """The titles of the cards in the editor, in order."""
    return screen.page.locator(".rows .row-title").all_inner_texts()


def menu(screen: Screen) -> Locator:
    """The menu of dashboards, open."""
    screen.page.get_by_role("navigation", name="Dashboards").get_by_role("button").first.click()
    found = screen.page.get_by_role("dialog", name="Dashboards and views")
    found.get_by_role("link", name="Overview").wait_for()
    return found


def said(screen: Screen) -> str:
    """What role=status says."""
    return screen.page.locator("main > [role=status]").inner_text()


def press(screen: Screen, name: str) -> None:
    """Press a button of the page."""
    screen.page.get_by_role("button", name=name, exact=True).click()


def edit(screen: Screen, url: str, id_: str) -> None:
    """Open a dashboard and edit it."""
    screen.open(url, admin_token(), f"?dashboard={id_}")
    press(screen, "Edit")


def test_a_dashboard_opens_by_its_url(url: str, screen: Screen) -> None:
    """The page shows its cards in order, with its name and whose it is; a card that has an interval
    of its own offers no other. The menu and the browser lead to the overview and back."""
    id_ = keep(url, is_shared=True)
    screen.open(url, admin_token(), f"?days=7&dashboard={id_}")
    assert titles(screen) == TITLES
    head = screen.page.get_by_role("region", name="Mornings")
    assert "yours, shared" in head.inner_text()
    assert screen.card("Messages over time").get_by_role("button", name="daily").count() == 0
    menu(screen).get_by_role("link", name="Overview").click()
    screen.card("Engagement").wait_for()
    assert screen.page.url == f"{url}/?days=7"
    screen.page.go_back()
    head.wait_for()
    screen.settled()
    assert titles(screen) == TITLES
    screen.picture("dashboard")


def test_what_does_not_exist_is_said(url: str, screen: Screen) -> None:
    """A dashboard that was deleted, or is not for the viewer, leads to the overview."""
    id_ = keep(url, token=member_token())
    screen.allow(url)
    screen.page.goto(f"{url}/?dashboard={id_}#token={admin_token()}")
    notice = screen.page.get_by_role("alert").filter(has_text="There is no such dashboard")
    notice.wait_for()
    assert titles(screen) == []
    press(screen, "Show the overview")
    screen.card("Engagement").wait_for()


def test_a_template_is_used_as_mine(url: str, screen: Screen) -> None:
    """A copy of a template is edited, and is kept when it is saved, and not before."""
    screen.open(url, admin_token())
    menu(screen).get_by_role("link", name="When we talk").click()
    screen.page.get_by_text("template", exact=True).wait_for()
    assert "days=30" not in screen.page.url and "include_bots=false" in screen.page.url
    press(screen, "Use as mine")
    screen.page.get_by_label("Name", exact=True).fill("When my team talks")
    assert kept(url) == []
    press(screen, "Save dashboard")
    screen.page.get_by_role("heading", name="When my team talks").wait_for()
    (thing,) = kept(url)
    assert (thing["name"], thing["version"], thing["is_shared"]) == ("When my team talks", 1, False)
    assert thing["state"] == {"include_bots": "false"}
    assert thing["cards"][0] == {"card": "messages", "width": 1, "parameters": {}}
    screen.page.reload()
    screen.page.get_by_role("heading", name="When my team talks").wait_for()


def focused(screen: Screen) -> str | None:
    """The name of what has the focus."""
    found: str | None = screen.page.evaluate(
        "() => document.activeElement.ariaLabel ?? document.activeElement.textContent"
    )
    return found


def test_cards_are_arranged_by_keyboard(url: str, screen: Screen) -> None:
    """Move, size, choose, remove and add with keys alone: the focus stays with the card, the page
    shows the result at once, and what happened is said."""
    id_ = keep(url)
    edit(screen, url, id_)
    keys = screen.page.keyboard
    screen.page.get_by_role("button", name="Move What is sent up").focus()
    keys.press("Enter")
    assert said(screen) == "What is sent is number 3 of 4."
    keys.press("Enter")
    keys.press("Enter")
    assert rows(screen) == ["What is sent", "Messages", "Messages over time", "Top people"]
    assert focused(screen) == "Move What is sent up"
    assert said(screen) == "What is sent is number 1 of 4."
    keys.press("Enter")
    assert said(screen) == "What is sent is the first already."
    screen.page.get_by_role("button", name="Move What is sent down").focus()
    keys.press("Enter")
    keys.press("Enter")
    assert focused(screen) == "Move What is sent down"
    assert rows(screen) == ["Messages", "Messages over time", "What is sent", "Top people"]
    screen.page.get_by_role("button", name="Move What is sent up").press("Enter")
    screen.page.get_by_role("button", name="Move What is sent up").press("Enter")
    assert titles(screen) == rows(screen)
    widths = screen.page.get_by_role("group", name="Width of What is sent")
    widths.get_by_role("button", name="full").press("Enter")
    assert "width-3" in str(screen.card("What is sent").get_attribute("class"))
    screen.page.get_by_label("Interval of Messages over time").select_option("as the page")
    screen.page.get_by_role("button", name="Remove Top people").press("Enter")
    assert focused(screen) == "Remove Messages over time"
    assert said(screen) == "Top people is removed."
    screen.page.locator("summary").press("Enter")
    screen.page.get_by_role("button", name="+ Engagement").press("Enter")
    assert said(screen) == "Engagement is added, as number 4."
    screen.card("Engagement").locator(".value").wait_for()
    press(screen, "Save dashboard")
    screen.page.get_by_role("button", name="Edit", exact=True).wait_for()
    assert said(screen) == "“Mornings” is saved."
    assert screen.page.evaluate("() => document.activeElement.id") == "main"
    (thing,) = kept(url)
    assert thing["version"] == 2
    assert thing["cards"] == [
        {"card": "what_is_sent", "width": 3, "parameters": {}},
        {"card": "messages", "width": 1, "parameters": {}},
        {"card": "messages_over_time", "width": 3, "parameters": {}},
        {"card": "engagement", "width": 1, "parameters": {}},
    ]


def row(screen: Screen, title: str) -> Locator:
    """The row of a card in the editor."""
    name = screen.page.locator(".row-title").get_by_text(title, exact=True)
    return screen.page.locator(".rows li").filter(has=name)


def drag(screen: Screen, title: str, to: str, *, below: bool) -> None:
    """Hold the grip of a card over the upper or lower half of another one."""
    grip = row(screen, title).locator(".grip").bounding_box()
    target = row(screen, to).bounding_box()
    assert grip is not None and target is not None
    mouse = screen.page.mouse
    mouse.move(grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2)
    mouse.down()
    part = 0.8 if below else 0.2
    mouse.move(target["x"] + 60, target["y"] + target["height"] * part, steps=5)


def test_cards_are_arranged_by_pointer(url: str, screen: Screen) -> None:
    """A card is put down where the line shows; Escape leaves it where it was."""
    edit(screen, url, keep(url))
    drag(screen, "What is sent", "Messages over time", below=False)
    screen.page.locator(".rows .is-below").filter(has_text="Messages over time").wait_for()
    screen.page.mouse.up()
    assert rows(screen) == ["Messages", "What is sent", "Messages over time", "Top people"]
    drag(screen, "Messages", "Top people", below=True)
    screen.page.locator(".rows .is-above").filter(has_text="Top people").wait_for()
    screen.picture("dashboard-drag", whole=False)
    screen.page.mouse.up()
    expected = ["What is sent", "Messages over time", "Top people", "Messages"]
    assert rows(screen) == titles(screen) == expected
    drag(screen, "Top people", "What is sent", below=False)
    screen.page.keyboard.press("Escape")
    screen.page.mouse.up()
    assert rows(screen) == expected


def test_cards_are_arranged_by_touch(url: str, new_screen: Callable[..., Screen]) -> None:
    """A finger on the grip takes the card, and does not scroll the page."""
    screen = new_screen("phone", has_touch=True)
    edit(screen, url, keep(url))
    fingers = screen.page.context.new_cdp_session(screen.page)

    def touch(kind: str, title: str, part: float) -> None:
        box = row(screen, title).locator(".grip").bounding_box()
        assert box is not None
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] * part}
        points = [] if kind == "touchEnd" else [at]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    row(screen, "Messages").scroll_into_view_if_needed()
    before = screen.page.evaluate("() => scrollY")
    touch("touchStart", "Messages", 0.5)
    touch("touchMove", "Messages over time", 0.5)
    touch("touchMove", "Top people", 0.1)
    screen.page.locator(".rows .is-below").filter(has_text="Top people").wait_for()
    touch("touchEnd", "Top people", 0.1)
    screen.page.wait_for_function("() => document.querySelector('.is-held') === null")
    assert rows(screen) == ["Messages over time", "Messages", "Top people", "What is sent"]
    assert screen.page.evaluate("() => scrollY") == before


@pytest.mark.parametrize("way_out", ["Replace it by mine", "Take theirs", "Save mine as a copy"])
def test_a_change_of_somebody_else_is_not_overwritten(
    url: str, screen: Screen, way_out: str
) -> None:
    """Who saves an older version is told, keeps what they made, and decides."""
    id_ = keep(url, is_shared=True)
    edit(screen, url, id_)
    screen.page.get_by_label("Name", exact=True).fill("Mine")
    put(url, id_, MORNINGS | {"name": "Theirs", "is_shared": True}, None, {"If-Match": '"1"'})
    screen.expect(412)
    press(screen, "Save dashboard")
    conflict = screen.page.get_by_role("alert").filter(has_text="“Theirs” with 4 cards now")
    conflict.wait_for()
    assert [thing["name"] for thing in kept(url)] == ["Theirs"]
    press(screen, way_out)
    if way_out == "Take theirs":
        conflict.wait_for(state="detached")
        assert screen.page.get_by_label("Name", exact=True).input_value() == "Theirs"
        press(screen, "Save dashboard")
    screen.page.get_by_role("button", name="Edit", exact=True).wait_for()
    names = {thing["name"]: thing["version"] for thing in kept(url)}
    assert (
        names
        == {
            "Replace it by mine": {"Mine": 3},
            "Take theirs": {"Theirs": 3},
            "Save mine as a copy": {"Theirs": 2, "Mine": 1},
        }[way_out]
    )


def test_what_was_changed_meanwhile_is_not_deleted(url: str, screen: Screen) -> None:
    """Who deletes an older version is told, sees what it is now, and may delete that."""
    id_ = keep(url)
    screen.open(url, admin_token(), f"?dashboard={id_}")
    put(url, id_, MORNINGS | {"name": "Changed"}, None, {"If-Match": '"1"'})
    screen.expect(412)
    for name in ("Mornings", "Changed"):
        press(screen, f"Delete “{name}”")
        question = screen.page.get_by_role("dialog", name=f"Delete “{name}”?")
        question.get_by_role("button", name="Delete", exact=True).click()
        if name == "Mornings":
            fault = screen.page.locator("main [role=alert]")
            fault.filter(has_text="It was changed meanwhile.").wait_for()
            assert len(kept(url)) == 1
    screen.card("Engagement").wait_for()
    assert kept(url) == []


def test_what_was_deleted_meanwhile_can_be_saved_as_a_copy(url: str, screen: Screen) -> None:
    """Nothing of what somebody edits is lost if the thing itself is gone."""
    id_ = keep(url, is_shared=True)
    edit(screen, url, id_)
    screen.page.get_by_label("Name", exact=True).fill("Mine")
    bearer = {"Authorization": f"Bearer {admin_token()}", "If-Match": '"1"'}
    assert httpx.delete(f"{url}{PREFIX}/kept/{id_}", headers=bearer).status_code == 204
    screen.expect(404)
    press(screen, "Save dashboard")
    press(screen, "Save mine as a copy")
    screen.page.get_by_role("button", name="Edit", exact=True).wait_for()
    assert [(thing["name"], thing["version"]) for thing in kept(url)] == [("Mine", 1)]


def test_unsaved_changes_survive(site: Site, screen: Screen) -> None:
    """A new generation changes the numbers below the editor, and neither the name that is being
    written nor the focus; another view leads back to it; nothing goes without a question."""
    edit(screen, site.url, keep(site.url))
    name = screen.page.get_by_label("Name", exact=True)
    name.fill("Half a na")
    screen.page.get_by_role("button", name="Remove Top people").click()
    name.focus()
    site.publish(messages=3)
    value = screen.card("Messages").locator(".value")
    before = value.inner_text()
    screen.page.wait_for_function(
        "(before) => document.querySelector('.value').textContent !== before", arg=before
    )
    screen.page.keyboard.type("me")
    assert name.input_value() == "Half a name"
    assert rows(screen) == ["Messages", "Messages over time", "What is sent"]
    menu(screen).get_by_role("link", name="Overview").click()
    screen.card("Engagement").wait_for()
    press(screen, "Go on")
    assert name.input_value() == "Half a name"
    assert rows(screen) == ["Messages", "Messages over time", "What is sent"]
    questions: list[str] = []

    def answer(dialog: Dialog) -> None:
        questions.append(dialog.type)
        dialog.accept()

    screen.page.on("dialog", answer)
    screen.page.reload()
    assert questions == ["beforeunload"]


def test_members_use_what_is_shared(url: str, screen: Screen) -> None:
    """A member sees the cards that they may see, changes nothing of it, and makes a copy, which
    they cannot share and which keeps the cards that they do not see."""
    cards = [{"card": "events", "width": 3}, *MORNINGS["cards"]]
    id_ = keep(url, MORNINGS | {"cards": cards}, is_shared=True)
    screen.open(url, member_token(), f"?dashboard={id_}")
    assert titles(screen) == TITLES
    assert screen.page.get_by_text("shared with you", exact=True).is_visible()
    for name in ("Edit", "Delete “Mornings”"):
        assert screen.page.get_by_role("button", name=name, exact=True).count() == 0
    press(screen, "Use as mine")
    assert rows(screen)[0].startswith("Events over time Not for you")
    assert screen.page.get_by_label("Shared with everybody").count() == 0
    press(screen, "Save dashboard")
    screen.page.get_by_role("button", name="Edit", exact=True).wait_for()
    own, shared = kept(url, member_token())
    assert (own["is_own"], own["is_shared"], shared["id"]) == (True, False, id_)
    assert [card["card"] for card in own["cards"]] == [card["card"] for card in cards]


def test_an_administrator_shares(url: str, screen: Screen) -> None:
    """The box in the editor shares, and everybody sees it then."""
    edit(screen, url, keep(url))
    screen.page.get_by_label("Shared with everybody").check()
    press(screen, "Save dashboard")
    screen.page.get_by_text("yours, shared").wait_for()
    assert [thing["name"] for thing in kept(url, member_token())] == ["Mornings"]


def test_a_file_is_exported_and_imported(url: str, screen: Screen, tmp_path: Path) -> None:
    """An export has the form of a template and nobody's name; an import makes a thing of one's own,
    and says what is wrong with other files."""
    screen.open(url, admin_token(), f"?days=7&dashboard={keep(url, is_shared=True)}")
    with screen.page.expect_download() as waiting:
        press(screen, "Export")
    file = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(file)
    cards = [{"parameters": {}} | card for card in MORNINGS["cards"]]
    assert (file.name, json.loads(file.read_text())) == (
        "Mornings.json",
        MORNINGS | {"cards": cards},
    )
    (tmp_path / "other.json").write_text("{}")
    unknown = MORNINGS | {"cards": [{"card": "funnel", "width": 1}]}
    (tmp_path / "unknown.json").write_text(json.dumps(unknown))
    field = menu(screen).locator("input[type=file]")
    fault = screen.page.locator(".dashboards [role=alert]")
    field.set_input_files(tmp_path / "other.json")
    fault.filter(has_text="other.json is no dashboard or view").wait_for()
    screen.expect(400)
    field.set_input_files(tmp_path / "unknown.json")
    fault.filter(has_text="cards[0].card is no card of this version").wait_for()
    field.set_input_files(file)
    screen.page.get_by_text("yours", exact=True).wait_for()
    screen.settled()
    assert titles(screen) == TITLES
    assert sorted(thing["is_shared"] for thing in kept(url)) == [False, True]


def test_a_card_of_a_newer_version_is_shown_and_kept(
    url: str, state_dir: Path, screen: Screen
) -> None:
    """What this version does not know has a place on the page and in the editor, and stays there
    when the rest is changed."""
    id_ = keep(url)
    cards = [Card(card="funnel", width=2), Card(card="messages", width=1)]
    with writing(state_dir) as connection:
        run(
            connection, "kept/change", id=id_, name="Newer", is_shared=False,
            changed_at="2026-11-01T00:00:00+00:00",
            body=msgspec.json.encode(Body(cards=cards)).decode(),
        )  # fmt: skip
    screen.open(url, admin_token(), f"?dashboard={id_}")
    assert screen.page.get_by_text("This version does not know the card").is_visible()
    press(screen, "Edit")
    screen.page.get_by_role("button", name="Move Messages up").click()
    press(screen, "Save dashboard")
    screen.page.get_by_role("button", name="Edit", exact=True).wait_for()
    assert [card["card"] for card in kept(url)[0]["cards"]] == ["messages", "funnel"]


def test_a_view_is_saved_opened_and_deleted(url: str, screen: Screen) -> None:
    """A view is what the address says; it is named in the menu, and deleted after a question."""
    screen.open(url, admin_token(), "?days=7&include_bots=false")
    found = menu(screen)
    found.get_by_label("Name of the view").fill("Our week")
    found.get_by_role("button", name="Save view").click()
    entry = found.get_by_role("link", name="Our week")
    entry.wait_for()
    assert kept(url)[0]["state"] == {"days": "7", "include_bots": "false"}
    found.get_by_role("link", name="Overview").click()
    screen.page.get_by_role("radio", name="30 days").check()
    menu(screen).get_by_role("link", name="Our week").click()
    screen.page.wait_for_url(f"{url}/?days=7&include_bots=false")
    menu(screen).get_by_role("button", name="Delete “Our week”").click()
    question = screen.page.get_by_role("dialog", name="Delete “Our week”?")
    question.get_by_role("button", name="Keep it").click()
    assert entry.is_visible()
    screen.page.get_by_role("button", name="Delete “Our week”").click()
    question.get_by_role("button", name="Delete", exact=True).click()
    entry.wait_for(state="detached")
    assert kept(url) == []


def test_a_refusal_is_said_and_loses_nothing(url: str, screen: Screen) -> None:
    """What cannot be saved says why: what is missing before it is asked, and what the server says;
    the changes stay."""
    edit(screen, url, keep(url))
    name = screen.page.get_by_label("Name", exact=True)
    name.fill(" ")
    press(screen, "Save dashboard")
    screen.page.get_by_role("alert").filter(has_text="Give it a name.").wait_for()
    name.fill("Full")
    screen.expect(503)
    fault = "It cannot be saved, because the disk of the server is full."
    screen.page.route(
        "**/kept/*",
        lambda route: route.fulfill(
            status=503, content_type="application/problem+json", json={"detail": fault}
        ),
    )
    press(screen, "Save dashboard")
    screen.page.get_by_role("alert").filter(has_text=fault).wait_for()
    assert name.input_value() == "Full"
    screen.page.unroute("**/kept/*")
    press(screen, "Save dashboard")
    screen.page.get_by_role("button", name="Edit", exact=True).wait_for()
    assert kept(url)[0]["name"] == "Full"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "narrow"])
def test_everybody_can_use_the_menu_and_the_editor(
    url: str, new_screen: Callable[..., Screen], size: str, theme: str
) -> None:
    """On a desk and at 320 px, light and dark: nothing is wider than the screen, and axe-core finds
    nothing."""
    screen = new_screen(size, theme=theme)
    keep(url, {"kind": "view", "name": "This week", "state": {"days": "7"}})
    edit(screen, url, keep(url, is_shared=True))
    screen.page.locator("summary").click()
    assert screen.beyond_the_edge() == []
    screen.picture(f"dashboard-editor-{size}-{theme}", whole=False)
    assert screen.violations() == []
    opened = menu(screen)
    box = opened.bounding_box()
    size_of_page = screen.page.viewport_size
    assert box is not None and size_of_page is not None
    assert box["x"] >= 0 and box["x"] + box["width"] <= size_of_page["width"]
    screen.picture(f"dashboard-menu-{size}-{theme}", whole=False)
    assert screen.violations() == []
