"""Ids as clients write them: validated, and brought to one form by the type the source declares.

Ids are opaque: they are never ordered or counted. But two spellings of one id (`7` and `+7`, a uuid
in capitals) must not become two subjects, two viewers or two cache keys, so each type has one form
and any other spelling is refused.
"""

from __future__ import annotations

import re
from typing import TypeAlias
from uuid import UUID

from olap.tables import IdType

Id: TypeAlias = int | UUID | str

# An id of -7 is possible: erased people have negative ids.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_INTEGERS = range(-(2**63), 2**63)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_STRING_LENGTH_MAX = 255


def parse_id(kind: IdType, text: str) -> Id:
    """The id that `text` spells.

    Raises:
        ValueError: it does not spell an id of this type; the message shows the form.
    """
    match kind:
        case IdType.INTEGER:
            if not _INTEGER.fullmatch(text) or int(text) not in _INTEGERS:
                raise ValueError("must be a whole number such as 7")
            return int(text)
        case IdType.UUID:
            if not _UUID.fullmatch(text):
                raise ValueError("must be a uuid such as f47ac10b-58cc-4372-a567-0e02b2c3d479")
            return UUID(text)
        case IdType.STRING:
            if not 0 < len(text) <= _STRING_LENGTH_MAX or not text.isprintable():
                raise ValueError(f"must have 1 to {_STRING_LENGTH_MAX} printable characters")
            return text
