"""Guards: is this the database of the last cycle, and which tables must be read whole?

A watermark is valid only on the cluster that it comes from. Another cluster, another timeline (a
failover or a point-in-time recovery may have lost transactions) and an older replica each stop the
cycle. A table that was swapped, rewritten or got a partition holds rows with old xmins; a
recreated column holds values that no new row version announces; a watermark more than 2^31 xids
old cannot be compared on the circle of 32-bit xids. Each of these means one full read of the
table.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from etl.relations import Relation
from etl.source import Snapshot
from olap.commands import call
from olap.errors import SourceChangedError
from olap.manifest import Manifest, SourceIdentity, TableState

# age() counts from an xid a little after the snapshot's xmax; a million is more than a little.
WATERMARK_AGE_MAX = 2**31 - 2**20


def require_same_source(before: Manifest | None, snapshot: Snapshot) -> None:
    """Stop unless the snapshot is a later one of the database of the last cycle.

    Raises:
        SourceChangedError: it is not.
    """
    if before is None:
        return
    last_xmax = int(before.last_batch.snapshot.split(":")[1])
    require_later_snapshot(
        before.source,
        last_xmax,
        snapshot,
        way_out=f"If this is intended, run `{call('etl --full')}` once: it reads every table "
        f"whole; `{call('etl --full --yes')}` also removes what is gone. If not, correct "
        "DATABASE_URL, or give this database its own DATA_DIR.",
    )


def require_later_snapshot(
    known: SourceIdentity, last_xmax: int, snapshot: Snapshot, *, way_out: str
) -> None:
    """Stop unless the snapshot is of the source `known` and not older than `last_xmax`.

    Raises:
        SourceChangedError: it is not.
    """
    found = snapshot.identity
    if (known.system_identifier, known.database) != (found.system_identifier, found.database):
        raise SourceChangedError(
            f"DATABASE_URL names another database: {found.database} of cluster "
            f"{found.system_identifier}, not {known.database} of cluster {known.system_identifier}",
            hint=way_out,
        )
    if known.timeline != found.timeline:
        raise SourceChangedError(
            f"the source is on timeline {found.timeline}, it was on {known.timeline}: "
            "a failover or a recovery may have undone rows that were read",
            hint=way_out,
        )
    if snapshot.xmax < last_xmax:
        raise SourceChangedError(
            f"the source is older than at the last cycle (next xid {snapshot.xmax}, then "
            f"{last_xmax}): a replica that lags behind, or a restored copy",
            hint="Point DATABASE_URL at the primary, or wait for the replica. " + way_out,
        )


def require_same_tables(before: Manifest | None, relations: Mapping[str, Relation]) -> None:
    """Stop where a name means another table than in the last cycle.

    A table that was swapped under its name is read whole; but where the schema or the name is
    another one, the role or its search_path changed, and the table may be anybody's.

    Raises:
        SourceChangedError: it does.
    """
    for name, state in (before.tables if before else {}).items():
        relation = relations.get(name)
        if relation is None or not relation.is_available:
            continue
        known, found = _full_names(state.relation), _full_names(relation.relation)
        if known and known != found:
            raise SourceChangedError(
                f"{name} would be read from {', '.join(sorted(found))}; until now they were read "
                f"from {', '.join(sorted(known))}",
                hint="Write the schema in the mapping (`reads` and the SELECT), or correct the "
                f"role's search_path. If the tables moved, run `{call('etl --full')}` once.",
            )


def _full_names(relation: str) -> frozenset[str]:
    """The schemas and names in `TableState.relation`; format 2 had none."""
    return frozenset(msgspec.json.decode(relation)) if relation.startswith("{") else frozenset()


def watermark_to_read_from(
    state: TableState | None, relation: Relation, snapshot: Snapshot
) -> tuple[int | None, str | None]:
    """The watermark to read a table from; or None and the reason for a full read."""
    if state is None:
        return None, "first load"
    if state.relation != relation.relation:
        return None, "table swapped, rewritten or partitioned"
    if state.columns != relation.columns:
        return None, "columns changed"
    if snapshot.xmax - state.watermark >= WATERMARK_AGE_MAX:
        return None, "watermark too old"
    return state.watermark, None
