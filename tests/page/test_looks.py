"""How the page looks: pictures of all views, axe-core, narrow screens, contrast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest

from tests.api.servers import Server
from tests.page import community
from tests.page.fix_browser import Screen
from tests.page.fix_community import admin_token, member_token

pytestmark = [pytest.mark.page, pytest.mark.slow]

CONVERSATION = f"?conversation_id={community.conversation_id(community.ENGINEERING)}"
PERSON = f"?user_id={community.ALICE}"
# The least contrast of text, WCAG 2.2, 1.4.3.
CONTRAST_MIN = 4.5
_CONTRASTS = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const levels = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)].map((level) => level / 255);
  };
  const light = (color) => {
    const [red, green, blue] = levels(color).map(
      (level) => level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const cell = document.querySelector("td[class*=heat-]");
  return ["heat-0", "heat-1", "heat-2", "heat-3", "heat-4", "heat-5", "heat-6"].map((step) => {
    cell.className = step;
    const { color, backgroundColor } = getComputedStyle(cell);
    const [lower, higher] = [light(color), light(backgroundColor)].sort((a, b) => a - b);
    return [backgroundColor, (higher + 0.05) / (lower + 0.05)];
  });
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_every_view_is_pictured_and_without_a_violation(
    community_server: Server,
    new_screen: Callable[..., Screen],
    size: Literal["desktop", "phone"],
    theme: Literal["light", "dark"],
) -> None:
    """The overview, a definition, a person, a conversation, a member's page and the sign-in:
    axe-core finds nothing in any, and a picture of each is in build/page."""
    found: list[str] = []

    def look(screen: Screen, view: str) -> None:
        screen.picture(f"{size}-{theme}-{view}", whole=view in ("overview", "member"))
        found.extend(f"{view}: {one}" for one in screen.violations())

    screen = new_screen(size, theme)
    screen.open(community_server.url, admin_token())
    look(screen, "overview")
    screen.card("Messages over time").get_by_role("button", name="is defined").click()
    screen.page.get_by_role("dialog").get_by_text("metrics.").first.wait_for()
    look(screen, "definition")
    screen.open(community_server.url, admin_token(), PERSON)
    screen.page.get_by_role("dialog").wait_for()
    look(screen, "person")
    screen.open(community_server.url, admin_token(), CONVERSATION)
    screen.page.get_by_role("dialog").wait_for()
    look(screen, "conversation")
    member = new_screen(size, theme)
    member.open(community_server.url, member_token())
    look(member, "member")
    stranger = new_screen(size, theme)
    stranger.open(community_server.url)
    look(stranger, "sign-in")
    assert found == []


def test_the_check_by_axe_detects_violations(community_server: Server, screen: Screen) -> None:
    """A button without a name, and gray on gray, are each found."""
    screen.open(community_server.url)
    screen.page.evaluate(
        """() => {
          const button = document.createElement("button");
          const gray = document.createElement("p");
          gray.textContent = "gray";
          gray.style.cssText = "color: #888; background: #999";
          document.querySelector("main").append(button, gray);
        }"""
    )
    rules = {one.partition(":")[0] for one in screen.violations()}
    assert rules == {"button-name", "color-contrast"}


def test_nothing_is_wider_than_a_narrow_screen(
    community_server: Server, new_screen: Callable[..., Screen]
) -> None:
    """At 320 pixels no view scrolls sideways, whatever the names of people are."""
    for view, token, query in (
        ("overview", admin_token(), ""),
        ("90-days", admin_token(), "?days=90"),
        ("person", admin_token(), PERSON),
        ("conversation", admin_token(), CONVERSATION),
        ("member", member_token(), ""),
        ("sign-in", None, ""),
    ):
        screen = new_screen("narrow")
        screen.open(community_server.url, token, query)
        screen.picture(f"narrow-{view}")
        assert screen.beyond_the_edge() == [], view


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_numbers_in_colored_cells_are_legible(
    community_server: Server, new_screen: Callable[..., Screen], theme: Literal["light", "dark"]
) -> None:
    """The contrast of a number with its cell is at least 4.5, in each of the cells' colors."""
    screen = new_screen(theme=theme)
    screen.open(community_server.url, admin_token(), "?days=90")
    cells: list[tuple[str, float]] = screen.page.evaluate(_CONTRASTS)
    assert len({color for color, _ in cells}) == len(cells)
    assert [cell for cell in cells if cell[1] < CONTRAST_MIN] == []
