"""pgoutput: what PostgreSQL's logical decoding says of transactions, as keys by table.

Protocol version 1, values as text. The publication has the columns of the keys only, so a row is
its key. Transactions come whole and in the order of their commits; what was rolled back does not
come at all. Relations are described before their first row and whenever they have changed.

Anything unknown is an error: a batch that cannot be understood must be a scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from struct import Struct, error

from etl.feed.changes import Key
from olap.errors import FeedError

_BEGIN = Struct(">cQqI")
_OID = Struct(">I")
_COUNT = Struct(">h")
_LENGTH = Struct(">i")
_COLUMN_TAIL = Struct(">Ii")
_IS_KEY = 1
# What says nothing about rows: the end of a transaction, its origin, and a type's name.
_IGNORED = frozenset(b"COY")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRelation:
    """A relation as the stream describes it.

    Attributes:
        columns: the published columns, in their order in the table.
        key: those that identify a row.
        identity: `d` = primary key, `i` = an index, `f` = all columns, `n` = none.
    """

    oid: int
    schema: str
    name: str
    identity: str
    columns: tuple[str, ...]
    key: tuple[str, ...]


@dataclass(slots=True)
class RelationChanges:
    """What a transaction changed in one relation.

    Attributes:
        keys: of all rows; both where an update changed the key.
        net: inserts minus deletes of each key that was inserted or deleted; an update that changes
            a key deletes the old one and inserts the new one.
    """

    keys: set[Key] = field(default_factory=set)
    net: dict[Key, int] = field(default_factory=dict)

    def add(self, key: Key, rows: int) -> None:
        """Count rows with a key that were inserted (1) or deleted (-1)."""
        self.net[key] = self.net.get(key, 0) + rows


@dataclass(slots=True)
class Transaction:
    """A committed transaction.

    Attributes:
        xid: the low 32 bits.
        commit_lsn: where its commit record begins.
        relations: what it changed, by the relation's oid.
        truncated: oids of the relations that it truncated.
        messages: how many messages described it, its begin included.
    """

    xid: int
    commit_lsn: int
    relations: dict[int, RelationChanges] = field(default_factory=dict)
    truncated: set[int] = field(default_factory=set)
    messages: int = 1


class Decoder:
    """Decodes one stream.

    Attributes:
        relations: the relations described so far, by oid.
        redefined: oids of those whose published columns or key changed within the stream.
    """

    def __init__(self) -> None:
        self.relations: dict[int, PublishedRelation] = {}
        self.redefined: set[int] = set()
        self._keys: dict[int, list[int] | None] = {}
        self._open: Transaction | None = None

    def transactions(self, messages: Iterable[bytes]) -> Iterator[Transaction]:
        """The transactions of a stream, each as soon as it is complete.

        Raises:
            FeedError: a message is malformed, unknown or out of place.
        """
        for message in messages:
            try:
                done = self._read(message)
            except (error, IndexError, KeyError, ValueError) as cause:
                raise FeedError(
                    f"the slot's stream has a message that is not understood: {message[:40]!r}",
                    hint=_HINT,
                ) from cause
            if done is not None:
                yield done
        if self._open is not None:
            raise FeedError("the slot's stream ends within a transaction", hint=_HINT)

    def _read(self, message: bytes) -> Transaction | None:
        """Take in a message; returns the transaction that it completes.

        Raises:
            struct.error, IndexError, KeyError, ValueError: it is malformed.
        """
        kind = message[:1]
        if kind == b"B":
            if self._open is not None or len(message) != _BEGIN.size:
                raise ValueError
            _, commit_lsn, _, xid = _BEGIN.unpack(message)
            self._open = Transaction(xid, commit_lsn)
            return None
        if kind == b"R":
            self._define(message)
            return None
        transaction = self._open
        if transaction is None:
            if kind == b"Y":
                return None
            raise ValueError
        transaction.messages += 1
        if kind == b"I" or kind == b"D" or kind == b"U":
            self._change(transaction, kind, message)
        elif kind == b"C":
            self._open = None
            return transaction
        elif kind == b"T":
            (number,) = _OID.unpack_from(message, 1)
            oids = Struct(f">{number}I").unpack_from(message, 6)
            if not self.relations.keys() >= set(oids):
                raise ValueError
            transaction.truncated.update(oids)
        elif not kind or kind[0] not in _IGNORED:
            raise ValueError
        return None

    def _define(self, message: bytes) -> None:
        (oid,) = _OID.unpack_from(message, 1)
        schema, position = _string(message, 5)
        name, position = _string(message, position)
        identity = chr(message[position])
        (number,) = _COUNT.unpack_from(message, position + 1)
        position += 3
        columns, key = [], []
        for index in range(number):
            is_key = message[position] & _IS_KEY
            column, position = _string(message, position + 1)
            _COLUMN_TAIL.unpack_from(message, position)
            position += _COLUMN_TAIL.size
            columns.append(column)
            if is_key:
                key.append(index)
        if position != len(message):
            raise ValueError
        relation = PublishedRelation(
            oid=oid,
            schema=schema,
            name=name,
            identity=identity,
            columns=tuple(columns),
            key=tuple(columns[index] for index in key),
        )
        known = self.relations.get(oid)
        if known is not None and (known.columns, known.key) != (relation.columns, relation.key):
            self.redefined.add(oid)
        self.relations[oid] = relation
        self._keys[oid] = None if len(key) == number else key

    def _change(self, transaction: Transaction, kind: bytes, message: bytes) -> None:
        (oid,) = _OID.unpack_from(message, 1)
        positions = self._keys[oid]
        changes = transaction.relations.get(oid)
        if changes is None:
            changes = transaction.relations[oid] = RelationChanges()
        position, end = 5, len(message)
        if position == end:
            raise ValueError
        keys: list[Key] = []
        while position < end:
            if message[position : position + 1] not in (b"N", b"K", b"O"):
                raise ValueError
            values, position = _values(message, position + 1)
            found = values if positions is None else [values[index] for index in positions]
            if not found or None in found:
                raise ValueError
            keys.append(tuple(found))  # type: ignore[arg-type]
        changes.keys.update(keys)
        if kind != b"I" and (kind == b"D" or keys[0] != keys[-1]):
            changes.add(keys[0], -1)
        if kind != b"D" and (kind == b"I" or keys[0] != keys[-1]):
            changes.add(keys[-1], 1)


def _values(message: bytes, position: int) -> tuple[list[str | None], int]:
    """The values of a row from a position on, and the position after it."""
    (number,) = _COUNT.unpack_from(message, position)
    position += 2
    values: list[str | None] = []
    for _ in range(number):
        if message[position] == 0x74:  # t: as text
            (length,) = _LENGTH.unpack_from(message, position + 1)
            start = position + 5
            position = start + length
            value = message[start:position]
            if length < 0 or len(value) != length:
                raise ValueError
            values.append(value.decode())
        elif message[position] in b"nu":  # null, or out of line and not changed
            values.append(None)
            position += 1
        else:
            raise ValueError
    return values, position


def _string(message: bytes, position: int) -> tuple[str, int]:
    """A text that ends with a zero byte, and the position after it."""
    end = message.index(0, position)
    return message[position:end].decode(), end + 1


_HINT = "The batch is a scan. Please report the PostgreSQL version with this message."
