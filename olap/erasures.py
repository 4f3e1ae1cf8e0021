"""Erasures: people whose id must not return, recognised by a digest.

After an erasure the messenger may still have rows with the person's id. The id must be recognised
whenever it is read again, without being kept. `lake/erasures.json` holds a salt and, for each
erased person, the salted SHA-256 of the id and a random pseudonym of the same type. Rows pass
through `mask` on their way from the source, before anything is stored.

An erasure is recorded here before anything is masked, so that it has one pseudonym however often it
runs. Until its commit it is only *begun*: a cycle that masked new rows while older rows still have
the id would split one person into two. So a begun erasure takes effect once its pseudonym is among
the users here, which its commit brings about.

A pseudonym is an id like any other: a negative integer, a uuid, or `erased-` and 22 random
characters, which no messenger gives.

Anybody with the salt can find a numeric id by trying all numbers. That is why the file is in the
private part of `DATA_DIR` (mode 0600) and in no generation.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pyarrow as pa

from olap.errors import LakeError
from olap.ids import Id, IdType
from olap.layout import Layout, write_durably
from olap.tables import PERSON_COLUMNS

_READ: Mapping[IdType, Callable[[str], Id]] = {
    IdType.INTEGER: int,
    IdType.UUID: UUID,
    IdType.STRING: str,
}


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    salt: str
    people: dict[str, int | str]
    begun: dict[str, int | str] = {}


class Erasures:
    """The people erased from one `DATA_DIR`; see `read_erasures`."""

    def __init__(self, path: Path, record: _Record, kind: IdType) -> None:
        self._path = path
        self._record = record
        self._kind = kind
        self._known: dict[Id, Id | None] = {}

    def __bool__(self) -> bool:
        return bool(self._record.people)

    def begin(self, user_id: Id) -> Id:
        """Record durably that a person is being erased; return their pseudonym, always the same."""
        digest = self._digest(user_id)
        known = self._record.people.get(digest, self._record.begun.get(digest))
        if known is not None:
            return self._id(known)
        pseudonym = _random(self._kind)
        self._write(self._record.people, {**self._record.begun, digest: pseudonym})
        return self._id(pseudonym)

    def finish(self, user_id: Id) -> None:
        """Record durably that nothing here has the person's id."""
        begun = dict(self._record.begun)
        pseudonym = begun.pop(self._digest(user_id), None)
        if pseudonym is not None:
            self._write({**self._record.people, self._digest(user_id): pseudonym}, begun)

    @property
    def begun(self) -> list[str]:
        """The pseudonyms of erasures that may not have been committed, as texts."""
        return [str(pseudonym) for pseudonym in self._record.begun.values()]

    def with_committed(self, pseudonyms: Iterable[Id]) -> Erasures:
        """These erasures and those of the begun ones that have one of these pseudonyms."""
        here = {str(pseudonym) for pseudonym in pseudonyms}
        committed = {d: p for d, p in self._record.begun.items() if str(p) in here}
        people = {**self._record.people, **committed}
        record = msgspec.structs.replace(self._record, people=people)
        return Erasures(self._path, record, self._kind)

    def pseudonym(self, user_id: Id) -> Id | None:
        """The pseudonym of this person; None if they were not erased."""
        if user_id not in self._known:
            known = self._record.people.get(self._digest(user_id))
            self._known[user_id] = None if known is None else self._id(known)
        return self._known[user_id]

    def mask(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with pseudonyms in place of erased ids, and without these people's names."""
        if not self:
            return batch
        for name in PERSON_COLUMNS:
            position = batch.schema.get_field_index(name)
            if position < 0:
                continue
            unique = _unique_ids(batch.column(position))
            erased = {u: p for u in unique if (p := self.pseudonym(u)) is not None}
            if erased:
                batch = _masked(batch, position, erased)
        return batch

    def mask_texts(self, ids: Sequence[str]) -> Sequence[str]:
        """Ids as PostgreSQL writes them, with pseudonyms in place of those that were erased."""
        if not self:
            return ids
        read = _READ[self._kind]
        pseudonyms = {text: self.pseudonym(read(text)) for text in set(ids)}
        return [text if pseudonyms[text] is None else str(pseudonyms[text]) for text in ids]

    def _id(self, stored: int | str) -> Id:
        return UUID(stored) if self._kind is IdType.UUID and isinstance(stored, str) else stored

    def _write(self, people: dict[str, int | str], begun: dict[str, int | str]) -> None:
        self._record = _Record(salt=self._record.salt, people=people, begun=begun)
        self._known.clear()
        write_durably(self._path, msgspec.json.encode(self._record), mode=0o600)

    def _digest(self, user_id: Id) -> str:
        return hashlib.sha256(f"{self._record.salt}|user|{user_id}".encode()).hexdigest()


def read_erasures(layout: Layout, kind: IdType) -> Erasures:
    """The erasures of a `DATA_DIR`; none without the file.

    Args:
        kind: the type of its user ids.

    Raises:
        LakeError: the file is damaged.
    """
    path = layout.lake / "erasures.json"
    if not path.exists():
        return Erasures(path, _Record(salt=secrets.token_hex(16), people={}), kind)
    try:
        return Erasures(path, msgspec.json.decode(path.read_bytes(), type=_Record), kind)
    except msgspec.DecodeError as error:
        raise LakeError(
            f"the list of erased people {path} is damaged: {error}",
            hint="Restore it from a backup; without it erased people are read again.",
        ) from error


def _random(kind: IdType) -> int | str:
    """A new pseudonym, as the file has it: not derivable from the id, and no id of a messenger."""
    match kind:
        case IdType.INTEGER:
            return -(2**61) - secrets.randbelow(2**61)
        case IdType.UUID:
            return str(uuid4())
        case IdType.STRING:
            return f"erased-{secrets.token_urlsafe(16)}"


def _unique_ids(column: pa.Array[Any]) -> list[Id]:
    """The ids in a column; Arrow has no `unique` for its extension type of uuids."""
    if not isinstance(column, pa.ExtensionArray):
        return [id_ for id_ in column.unique().to_pylist() if id_ is not None]
    return [UUID(bytes=raw) for raw in column.storage.unique().to_pylist() if raw is not None]


def _masked(batch: pa.RecordBatch, position: int, erased: dict[Id, Id]) -> pa.RecordBatch:
    ids: list[Any] = batch.column(position).to_pylist()
    masked = pa.array([erased.get(u, u) for u in ids], batch.schema.field(position).type)
    batch = batch.set_column(position, batch.schema.field(position), masked)
    name = batch.schema.get_field_index("username")
    if name >= 0:
        names = zip(ids, batch.column(name).to_pylist(), strict=True)
        kept = pa.array([None if u in erased else n for u, n in names], pa.string())
        batch = batch.set_column(name, "username", kept)
    return batch
