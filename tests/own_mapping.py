"""Writes mappings of our own messenger's tables in which user ids are of another type.

Where user 7 is `person-7`, conversation 7 is `dm:person-7:room`, and its table `marks` holds read
marks, which our messenger has not.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from uuid import UUID

from olap import sqlfiles
from olap.ids import Id, IdType
from tests.world import World

_USER = {
    IdType.INTEGER: "{}",
    IdType.UUID: "lpad(to_hex({}), 32, '0')::uuid",
    IdType.STRING: "'person-' || {}",
}
_ROOM = "'dm:person-' || ltrim(right({}::text, 8), '0') || ':room'"
# Keys that are not returned unchanged.
_COMPUTED_KEY = re.compile(
    r'^key = .*"user_id".*\n|(?<=reads = \["users"\]\n)key = .*\n'
    r'|(?<=reads = \["conversations"\]\n)key = .*\n',
    re.MULTILINE,
)
_MARKS = """\
-- read_marks: up to where a member has read.
-- grain: one row per conversation and user
select
    xmin as row_version,
    ctid as place,
    conversation_id,
    user_id,
    read_through_at,
    marked_at
from marks
"""
_DECLARED_MARKS = """
[tables.read_marks]
reads = ["marks"]
key = ["conversation_id", "user_id"]
"""


def user_id(kind: IdType, number: int) -> Id:
    """The id that a mapping gives to the user of this number."""
    ids: dict[IdType, Id] = {
        IdType.INTEGER: number,
        IdType.UUID: UUID(int=number),
        IdType.STRING: f"person-{number}",
    }
    return ids[kind]


def write_mapping(folder: Path, kind: IdType) -> str:
    """Write the mapping into a new folder; its name for SOURCE_MAPPING."""
    shutil.copytree(sqlfiles.SQL_DIR / "source" / "messenger", folder)
    (folder / "read_marks.sql").write_text(_MARKS)
    declared = folder / "mapping.toml"
    text = declared.read_text() + _DECLARED_MARKS
    text = text.replace('user = "integer"', f'user = "{kind}"')
    if kind is IdType.STRING:
        text = text.replace('conversation = "uuid"', 'conversation = "string"')
    if kind is not IdType.INTEGER:
        text = re.sub(_COMPUTED_KEY, "", text)
    declared.write_text(text)
    for path in folder.glob("*.sql"):
        select = path.read_text()
        for column in ("user_id", "sender_id"):
            select = _computed(select, column, _USER[kind])
        if kind is IdType.STRING:
            select = _computed(select, "conversation_id", _ROOM)
        path.write_text(select)
    return str(folder)


def create_marks(world: World) -> None:
    """Create the table of read marks in the messenger's database."""
    world.execute(
        "create table marks (conversation_id uuid, user_id bigint, read_through_at timestamptz,"
        " marked_at timestamptz, primary key (conversation_id, user_id))"
    )


def _computed(select: str, column: str, expression: str) -> str:
    """The SELECT with an expression in place of a column, or of the `id` that is named so."""
    found = rf"^    (?:(\w+\.)?{column}|(id) as {column})(,?)$"

    def replaced(line: re.Match[str]) -> str:
        plain = line[2] or f"{line[1] or ''}{column}"
        return f"    {expression.format(plain)} as {column}{line[3]}"

    return re.sub(found, replaced, select, flags=re.MULTILINE)
