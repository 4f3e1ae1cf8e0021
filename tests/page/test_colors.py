"""Colors of the charts, computed from the style sheets: legible on both themes, told apart."""

from __future__ import annotations

import re
from itertools import combinations, pairwise

import pytest

from tests.page.modules import DASHBOARD

TOKENS = (DASHBOARD / "css/tokens.css").read_text(encoding="utf-8")
CHART = (DASHBOARD / "css/chart.css").read_text(encoding="utf-8")
THEMES = ("light", "dark")
SERIES = [f"series-{number}" for number in range(1, 7)]
STEPS = [f"heat-{step}" for step in range(7)]

# WCAG 2.2: text, and what one must see to understand a picture.
AA_TEXT = 4.5
AA_GRAPHIC = 3.0
# Steps of L* (0 is black, 100 is white) that are seen side by side, also in gray.
SEEN = 5


def color(token: str, theme: str) -> str:
    """What a custom property is in a theme."""
    both = re.search(rf"--{token}: light-dark\((#\w+), (#\w+)\);", TOKENS)
    if both is not None:
        return both[1 + THEMES.index(theme)]
    one = re.search(rf"--{token}: (#\w+);", TOKENS)
    assert one is not None, token
    return one[1]


def on_heat(step: str) -> str:
    """The token of the text in a cell of this step, by the class of the step."""
    rule = rf"\.{step} {{\n  --heat: var\(--{step}\);\n  --on-heat: var\(--([\w-]+)\);"
    found = re.search(rule, CHART)
    assert found is not None, step
    return found[1]


def luminance(hex_color: str) -> float:
    """The relative luminance of WCAG, 0 to 1."""
    channels = [int(hex_color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def lightness(hex_color: str) -> float:
    """L* of CIELAB, 0 to 100."""
    y = luminance(hex_color)
    return 116 * y ** (1 / 3) - 16 if y > 216 / 24389 else y * 24389 / 27


def contrast(a: str, b: str) -> float:
    """The contrast of WCAG, 1 to 21."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_is_21() -> None:
    """The measure is WCAG's."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert lightness("#777777") == pytest.approx(50, abs=0.5)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("step", STEPS)
def test_a_number_in_a_colored_cell_is_legible(theme: str, step: str) -> None:
    """AA for text in each of the steps, on both themes."""
    assert contrast(color(step, theme), color(on_heat(step), theme)) >= AA_TEXT


@pytest.mark.parametrize("theme", THEMES)
def test_labels_are_legible(theme: str) -> None:
    """AA for the text of scales, on cards."""
    assert contrast(color("dim", theme), color("surface", theme)) >= AA_TEXT


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("token", [*SERIES, "series-lost", "series-ghost"])
def test_a_series_stands_out_from_its_card(theme: str, token: str) -> None:
    """AA for graphical objects: bars and lines, and the earlier period."""
    assert contrast(color(token, theme), color("surface", theme)) >= AA_GRAPHIC


@pytest.mark.parametrize("theme", THEMES)
def test_series_differ_in_lightness(theme: str) -> None:
    """They differ in lightness, so they can be told apart without hues and in gray print."""
    together = [*combinations(SERIES, 2), *((one, "series-lost") for one in SERIES[:3])]
    near = [
        (a, b)
        for a, b in together
        if abs(lightness(color(a, theme)) - lightness(color(b, theme))) < SEEN
    ]
    assert near == []


@pytest.mark.parametrize("theme", THEMES)
def test_each_step_of_heat_is_farther_from_the_card(theme: str) -> None:
    """More is darker on light and lighter on dark, by steps that are seen."""
    steps = [lightness(color(step, theme)) for step in STEPS]
    ordered = steps[::-1] if theme == "light" else steps
    assert all(later - earlier >= SEEN for earlier, later in pairwise(ordered))
