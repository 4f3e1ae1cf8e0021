"""The dashboards that come with this version: files of the form in which people export their own.

The page shows them beside the things of people, and "use as mine" makes a thing of a copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from api.auth import Role
from api.kept.things import Template, body_of, read_thing

_DIRECTORY: Final = Path(__file__).with_name("templates")
_ANYBODY: Final = frozenset({Role.ADMIN, Role.MEMBER})
# In the order of the page, with the roles whose questions they are.
_ROLES: Final[Mapping[str, frozenset[Role]]] = {
    "overview": _ANYBODY,
    "community_health": _ANYBODY,
    "when_we_talk": _ANYBODY,
    "my_conversations": frozenset({Role.MEMBER}),
    "operations": frozenset({Role.ADMIN}),
}


@cache
def templates(role: Role) -> tuple[Template, ...]:
    """The templates for a role, in the order of the page."""
    return tuple(_read(name) for name, roles in _ROLES.items() if role in roles)


def _read(name: str) -> Template:
    new = read_thing((_DIRECTORY / f"{name}.json").read_bytes())
    body = body_of(new)
    return Template(id=name, kind=new.kind, name=new.name, state=body.state, cards=body.cards)
