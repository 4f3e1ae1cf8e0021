"""Reads the drawings of the charts: elements, and where their marks are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

_SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True, slots=True)
class Box:
    """The rectangle around a mark, in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Mark:
    """An element of a drawing, without its namespace."""

    tag: str
    attributes: dict[str, str]
    text: str

    @property
    def classes(self) -> set[str]:
        """The names of its class."""
        return set(self.attributes.get("class", "").split())

    @property
    def box(self) -> Box:
        """The rectangle around a `rect` or a `path`."""
        if self.tag == "path":
            return path_box(self.attributes["d"])
        x, y, width, height = (float(self.attributes[name]) for name in _RECT)
        return Box(x, y, x + width, y + height)


_RECT = ("x", "y", "width", "height")


def marks(svg: str, *classes: str) -> list[Mark]:
    """The elements with all of these classes, in the order of the file."""
    found = [
        Mark(element.tag.removeprefix(_SVG), dict(element.attrib), element.text or "")
        for element in ElementTree.fromstring(svg).iter()
    ]
    return [mark for mark in found if mark.classes.issuperset(classes)]


def path_box(path: str) -> Box:
    """The rectangle around a path's points."""
    points = [point for part in points_of(path) for point in part]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return Box(min(xs), min(ys), max(xs), max(ys))


def points_of(path: str) -> list[list[tuple[float, float]]]:
    """The points of each part of a path, control points left out."""
    parts: list[list[tuple[float, float]]] = []
    x = y = 0.0
    for command, *numbers in _commands(path):
        match command, numbers:
            case "M", [x, y]:
                parts.append([])
            case "L", [x, y]:
                pass
            case "H", [x]:
                pass
            case "V", [y]:
                pass
            case "h", [dx]:
                x += dx
            case "v", [dy]:
                y += dy
            case "q", [_, _, dx, dy]:
                x, y = x + dx, y + dy
            case "z", []:
                continue
            case _:
                raise ValueError(f"{path}: {command}{numbers}")
        parts[-1].append((x, y))
    return parts


def _commands(path: str) -> Iterator[tuple[str, *tuple[float, ...]]]:
    for command, numbers in re.findall(r"([A-Za-z])([^A-Za-z]*)", path):
        yield command, *map(float, re.findall(r"-?[\d.]+", numbers))
