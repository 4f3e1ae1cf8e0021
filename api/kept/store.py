"""The store: who sees, makes, changes and removes which thing, in one transaction each.

The calls block, so they run in threads.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UnsetType

from api.auth import Principal, Role
from api.kept.things import Body, Kind, NewThing, Thing, body_of
from api.problems import Problem, not_found
from api.schemas import to_json
from olap.errors import StateError
from olap.kept import FILE, reading, run, writing

THINGS_MAX: Final = 100

_FOR_ADMINISTRATORS = "Only administrators share, and change what is shared."


class Store:
    """Things in the file of a directory."""

    def __init__(self, directory: Path) -> None:
        """Nothing is opened; `directory` is `STATE_DIR`."""
        self._directory = directory

    def visible(self, principal: Principal) -> list[Thing]:
        """Their own things, then the shared ones of others, by name.

        Raises:
            BusyError, NewerVersionError, StateError: the file cannot be read.
        """
        with reading(self._directory) as connection:
            if connection is None:
                return []
            rows = run(connection, "kept/visible", **_owner(principal)).fetchall()
        with self._requires_sense():
            return [_thing_of(row) for row in rows]

    def find(self, principal: Principal, id_: UUID) -> Thing:
        """One of these things.

        Raises:
            Problem: 404, there is none that they see.
            BusyError, NewerVersionError, StateError: the file cannot be read.
        """
        with reading(self._directory) as connection:
            if connection is None:
                raise not_found()
            return self._find(connection, principal, id_)

    def create(self, principal: Principal, id_: UUID, new: NewThing, now: datetime) -> Thing:
        """Keep a new thing.

        Raises:
            Problem: 400, 403, 409 or 412, it says why not.
            BusyError, DiskFullError, NewerVersionError, StateError: the file cannot be written.
        """
        if new.is_shared:
            _require_administrator(principal)
        body = body_of(new)
        with writing(self._directory) as connection:
            owner = _owner(principal)
            (count,) = run(connection, "kept/count", **owner).fetchone()
            if count >= THINGS_MAX:
                raise Problem(
                    HTTPStatus.CONFLICT,
                    f"You keep {THINGS_MAX} things, which is the most: delete one first.",
                )
            values = _values(new, body, now)
            made = run(connection, "kept/create", id=str(id_), kind=new.kind, **owner, **values)
            if not made.rowcount:
                raise Problem(HTTPStatus.PRECONDITION_FAILED, "There is a thing of this id.")
            return self._find(connection, principal, id_)

    def change(
        self,
        principal: Principal,
        id_: UUID,
        version: int,
        new: NewThing,
        now: datetime,
    ) -> Thing:
        """Replace a thing that has this version.

        Raises:
            Problem: 400, 403, 404 or 412, it says why not.
            BusyError, DiskFullError, NewerVersionError, StateError: the file cannot be written.
        """
        with writing(self._directory) as connection:
            old = self._for_change(connection, principal, id_, version)
            if new.is_shared:
                _require_administrator(principal)
            elif not old.is_own:
                raise Problem(
                    HTTPStatus.FORBIDDEN, "Only the owner of a thing can stop sharing it."
                )
            if new.kind is not old.kind:
                raise Problem(HTTPStatus.BAD_REQUEST, f"kind stays {old.kind}", parameter="kind")
            before = () if isinstance(old.cards, UnsetType) else old.cards
            values = _values(new, body_of(new, before), now)
            run(connection, "kept/change", id=str(id_), **values)
            return self._find(connection, principal, id_)

    def remove(self, principal: Principal, id_: UUID, version: int) -> None:
        """Remove a thing that has this version.

        Raises:
            Problem: 403, 404 or 412, it says why not.
            BusyError, DiskFullError, NewerVersionError, StateError: the file cannot be written.
        """
        with writing(self._directory) as connection:
            self._for_change(connection, principal, id_, version)
            run(connection, "kept/remove", id=str(id_))

    def _for_change(
        self,
        connection: sqlite3.Connection,
        principal: Principal,
        id_: UUID,
        version: int,
    ) -> Thing:
        """A thing that they may change, of this version."""
        found = self._find(connection, principal, id_)
        if not found.is_own:
            _require_administrator(principal)
        if found.version != version:
            raise Problem(
                HTTPStatus.PRECONDITION_FAILED,
                "It was changed meanwhile: get it again, and decide which version stays.",
            )
        return found

    def _find(self, connection: sqlite3.Connection, principal: Principal, id_: UUID) -> Thing:
        owner = _owner(principal)
        row = run(connection, "kept/find", id=str(id_), **owner).fetchone()
        if row is None:
            raise not_found()
        with self._requires_sense():
            return _thing_of(row)

    @contextmanager
    def _requires_sense(self) -> Iterator[None]:
        """Rows that are no things are damage."""
        try:
            yield
        except (msgspec.MsgspecError, ValueError) as error:
            raise StateError(
                f"{self._directory / FILE} has a row that is no thing: {error}",
                hint="Restore it from a backup, or remove the row.",
            ) from None


def _owner(principal: Principal) -> dict[str, str]:
    """Whose things they are, as parameters of a statement."""
    # Half of a surrogate pair, which JSON can spell, has no bytes that a file could keep.
    subject = principal.subject.encode(errors="backslashreplace").decode()
    return {"role": principal.role, "subject": subject}


def _values(new: NewThing, body: Body, now: datetime) -> dict[str, Any]:
    """What a version of a thing consists of, as parameters of a statement."""
    return {
        "name": new.name,
        "is_shared": new.is_shared,
        "changed_at": now.isoformat(),
        "body": to_json(body).decode(),
    }


def _thing_of(row: tuple[Any, ...]) -> Thing:
    """A row of `kept/visible` or `kept/find` as a thing."""
    id_, kind, is_own, name, is_shared, version, changed_at, body = row
    kept = msgspec.json.decode(body, type=Body)
    return Thing(
        id=UUID(id_),
        kind=Kind(kind),
        name=name,
        is_shared=bool(is_shared),
        is_own=bool(is_own),
        version=version,
        changed_at=datetime.fromisoformat(changed_at),
        state=kept.state,
        cards=kept.cards,
    )


def _require_administrator(principal: Principal) -> None:
    if principal.role is not Role.ADMIN:
        raise Problem(HTTPStatus.FORBIDDEN, _FOR_ADMINISTRATORS)
