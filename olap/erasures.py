"""Erasures: people whose id must not come back, known by a digest alone.

After an erasure the messenger may still hold rows with the person's id, so it must be recognised
whenever it is read again, without being kept. `lake/erasures.json` holds a salt and, for each
erased person, the salted SHA-256 of the id and a random pseudonym of the same type. Rows pass
through `mask` on their way from the source, before anything is stored.

An erasure is recorded here before anything is masked, so that it has one pseudonym however often
it is run. Until its commit it is only *begun*: a cycle that masked the rows it reads while older
rows still bear the id would make two people of one. So a begun erasure counts once its pseudonym
is among the users here, which the commit itself brings about.

A digest of a number can be found by trying all numbers, for whoever has the salt; that is why the
file lies in the private part of `DATA_DIR` (mode 0600) and is in no generation.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from olap.errors import LakeError
from olap.layout import Layout, write_durably
from olap.tables import PERSON_COLUMNS


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    salt: str
    people: dict[str, int]
    begun: dict[str, int] = {}


class Erasures:
    """The people erased from one `DATA_DIR`; see `read_erasures`."""

    def __init__(self, path: Path, record: _Record) -> None:
        self._path = path
        self._record = record
        self._known: dict[int, int | None] = {}

    def __bool__(self) -> bool:
        return bool(self._record.people)

    def begin(self, user_id: int) -> int:
        """Remember, durably, that a person is being erased; the pseudonym, the same every time."""
        digest = self._digest(user_id)
        known = self._record.people.get(digest, self._record.begun.get(digest))
        if known is not None:
            return known
        # Far below every id that a messenger gives, and not to be guessed from it.
        pseudonym = -(2**61) - secrets.randbelow(2**61)
        self._write(self._record.people, {**self._record.begun, digest: pseudonym})
        return pseudonym

    def finish(self, user_id: int) -> None:
        """Remember, durably, that nothing here bears the person's id any more."""
        begun = dict(self._record.begun)
        pseudonym = begun.pop(self._digest(user_id), None)
        if pseudonym is not None:
            self._write({**self._record.people, self._digest(user_id): pseudonym}, begun)

    @property
    def begun(self) -> list[int]:
        """The pseudonyms of those whose erasure may not have been committed."""
        return list(self._record.begun.values())

    def with_committed(self, pseudonyms: Iterable[int]) -> Erasures:
        """These erasures and, of those begun, the ones of these pseudonyms."""
        here = set(pseudonyms)
        committed = {d: p for d, p in self._record.begun.items() if p in here}
        people = {**self._record.people, **committed}
        return Erasures(self._path, msgspec.structs.replace(self._record, people=people))

    def pseudonym(self, user_id: int) -> int | None:
        """What stands for this person; None for everybody who was not erased."""
        if user_id not in self._known:
            self._known[user_id] = self._record.people.get(self._digest(user_id))
        return self._known[user_id]

    def mask(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with pseudonyms in the place of erased ids, and without their names."""
        if not self:
            return batch
        for name in PERSON_COLUMNS:
            position = batch.schema.get_field_index(name)
            if position < 0:
                continue
            ids = batch.column(position)
            unique = (u for u in pc.unique(ids).to_pylist() if u is not None)
            erased = {u: p for u in unique if (p := self.pseudonym(u)) is not None}
            if erased:
                batch = _masked(batch, position, erased)
        return batch

    def _write(self, people: dict[str, int], begun: dict[str, int]) -> None:
        self._record = _Record(salt=self._record.salt, people=people, begun=begun)
        self._known.clear()
        write_durably(self._path, msgspec.json.encode(self._record), mode=0o600)

    def _digest(self, user_id: int) -> str:
        return hashlib.sha256(f"{self._record.salt}|user|{user_id}".encode()).hexdigest()


def read_erasures(layout: Layout) -> Erasures:
    """The erasures of a `DATA_DIR`; none when there is no such file.

    Raises:
        LakeError: the file is damaged.
    """
    path = layout.lake / "erasures.json"
    if not path.exists():
        return Erasures(path, _Record(salt=secrets.token_hex(16), people={}))
    try:
        return Erasures(path, msgspec.json.decode(path.read_bytes(), type=_Record))
    except msgspec.DecodeError as error:
        raise LakeError(
            f"the list of erased people {path} is damaged: {error}",
            hint="Restore it from a backup; without it, erased people would come back.",
        ) from error


def _masked(batch: pa.RecordBatch, position: int, erased: dict[int, int]) -> pa.RecordBatch:
    ids: list[Any] = batch.column(position).to_pylist()
    masked = pa.array([erased.get(u, u) for u in ids], batch.schema.field(position).type)
    batch = batch.set_column(position, batch.schema.field(position), masked)
    name = batch.schema.get_field_index("username")
    if name >= 0:
        names = zip(ids, batch.column(name).to_pylist(), strict=True)
        kept = pa.array([None if u in erased else n for u, n in names], pa.string())
        batch = batch.set_column(name, "username", kept)
    return batch
