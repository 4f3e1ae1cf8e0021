"""The generations on disk: their numbers, and which of them is published."""

from __future__ import annotations

import re
from collections.abc import Iterator

from olap.errors import AnalyticsError
from olap.layout import Layout
from olap.manifest import Manifest, read_manifest

_NAME = re.compile(r"\d{6,}")


def current(layout: Layout) -> Manifest | None:
    """The manifest of the generation that the symlink names; None before the first.

    Raises:
        LakeError: the manifest is missing or damaged.
    """
    number = layout.published
    return None if number is None else read_manifest(layout.generation_manifest(number))


def generation_numbers(layout: Layout) -> list[int]:
    """The numbers of the generations on disk, oldest first."""
    names = (path.name for path in layout.generations.glob("[0-9]*"))
    return sorted(int(name) for name in names if _NAME.fullmatch(name))


def manifests(layout: Layout) -> Iterator[Manifest]:
    """The manifests of the generations on disk, newest first, without those that cannot be read:
    a generation may be removed meanwhile.
    """
    for number in reversed(generation_numbers(layout)):
        try:
            yield read_manifest(layout.generation_manifest(number))
        except AnalyticsError:
            continue
