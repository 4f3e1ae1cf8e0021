"""Ids of each type have exactly one spelling."""

from __future__ import annotations

from uuid import UUID

import pytest

from olap.ids import Id, IdType, parse_id

TEXT = "f47ac10b-58cc-4372-a567-0e02b2c3d479"


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (IdType.INTEGER, "7", 7),
        (IdType.INTEGER, "-12", -12),
        (IdType.INTEGER, "0", 0),
        (IdType.INTEGER, str(2**63 - 1), 2**63 - 1),
        (IdType.INTEGER, str(-(2**63)), -(2**63)),
        (IdType.UUID, TEXT, UUID(TEXT)),
        (IdType.UUID, TEXT.upper(), UUID(TEXT)),
        (IdType.STRING, "Ann-Mari Øst", "Ann-Mari Øst"),
        (IdType.STRING, "zero\u200dwidth\u00a0blank", "zero\u200dwidth\u00a0blank"),
    ],
)
def test_an_id_is_read(kind: IdType, text: str, expected: Id) -> None:
    """Each type accepts its spellings, integers up to the range of PostgreSQL's bigint."""
    assert parse_id(kind, text) == expected


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(
            (IdType.INTEGER, text)
            for text in ("", "+7", "07", "-0", "7.0", " 7", "7\n", "\u0667", "x")
        ),
        (IdType.INTEGER, str(2**63)),
        (IdType.INTEGER, "9" * 5000),
        *((IdType.UUID, text) for text in ("", TEXT[:-1], TEXT.replace("-", ""), "{" + TEXT + "}")),
        *(
            (IdType.STRING, text)
            for text in ("", "a" * 256, "a\x00b", "a\nb", "a\u2028b", "\ud800")
        ),
    ],
)
def test_another_spelling_is_refused(kind: IdType, text: str) -> None:
    """A text that is not an id, or is another spelling of one, is refused with a message."""
    with pytest.raises(ValueError, match="must "):
        parse_id(kind, text)
