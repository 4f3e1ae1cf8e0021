"""Installing a feed at the source, and taking it away: SQL for the owner of the messenger.

A cycle never changes the source. What a feed needs there (`sql/feed/install`) is printed, to be
read and run by the owner of the messenger's tables, or applied with their connection. Both are the
same text: one transaction that checks first, finds the keys of the tables in the catalog, and
changes nothing where everything is there already. `sql/feed/uninstall` takes all of it away.

Which tables can be followed depends on their keys, so the server decides while the text runs
(`sql/feed/install/source_tables.sql`). Where the database can be asked beforehand, comments say
what it will decide, and the tables have the names that they have for the ETL's role, because the
`search_path` of the owner may be another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from etl.role import ROLE
from etl.source_errors import hint_of
from olap import sqlfiles
from olap.errors import SourceError
from olap.manifest import Mode
from olap.mapping import SourceMapping
from olap.secret import Secret

DEFAULT_WAL_LIMIT = "10GB"

_INSTALL = {
    Mode.SLOT: (
        "feed/install/slot_checks",
        "feed/install/schema",
        "feed/install/publication",
        "feed/install/slot_functions",
        "feed/install/slot_grants",
    ),
    Mode.LOG: (
        "feed/install/log_checks",
        "feed/install/schema",
        "feed/install/log_table",
        "feed/install/log_triggers",
    ),
}
_UNINSTALL = {
    Mode.SLOT: (
        "feed/uninstall/slot",
        "feed/uninstall/schema",
        "feed/uninstall/role_and_slot",
    ),
    Mode.LOG: ("feed/uninstall/log", "feed/uninstall/schema"),
}
_MIGRATIONS = {
    Mode.SLOT: (
        "While it is installed, PostgreSQL refuses a migration that changes the type of a column "
        "of a key, and",
        "every UPDATE and DELETE of a table whose primary key became another one: uninstall, "
        "migrate, install.",
    ),
    Mode.LOG: (
        "A partition that is added later, and a column of a key that is renamed, need the "
        "installation again;",
        "until then their tables are scanned. Nothing is refused to the messenger.",
    ),
}
_SET_LIMIT = sql.SQL("alter system set max_slot_wal_keep_size = {}")
_RESET_LIMIT = "alter system reset max_slot_wal_keep_size"
_RELOAD = "select pg_reload_conf()"

_HINT = "Nothing was changed. Correct this, and run it again."
_HINTS = {
    "42501": "Nothing was changed. Run it with the owner of the messenger's tables in "
    "DATABASE_URL, or give the owner what it prints without --apply.",
    "55P03": "Nothing was changed. A table is in use (a migration?): run it again.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTable:
    """How a feed can follow a source table.

    Attributes:
        name: with its schema, as SQL writes it; as the mapping has it where it does not exist.
        columns: its key, which is what the feed tells of a row.
        hindrance: why it cannot be followed, so that it stays scanned; None if it can.
    """

    name: str
    columns: tuple[str, ...]
    hindrance: str | None

    def __str__(self) -> str:
        if self.hindrance is not None:
            return f"{self.name} {self.hindrance}"
        return f"{self.name} ({', '.join(self.columns)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a database says before a feed is installed or taken away.

    Attributes:
        role: the one of the connection.
        tables: those that the mapping reads, each once.
        has_wal_limit: whether `max_slot_wal_keep_size` limits what slots keep.
        is_limit_ours: whether the installation of the slot has set that limit.
    """

    role: str
    tables: tuple[SourceTable, ...]
    has_wal_limit: bool
    is_limit_ours: bool

    @property
    def followed(self) -> tuple[SourceTable, ...]:
        return tuple(table for table in self.tables if table.hindrance is None)

    @property
    def scanned(self) -> tuple[SourceTable, ...]:
        return tuple(table for table in self.tables if table.hindrance is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """SQL for the owner of the messenger.

    Attributes:
        etl_role: the role that may read the feed; empty where it is taken away.
        transaction: the statements, from `begin` to `commit`.
        afterwards: statements that PostgreSQL refuses in a transaction.
        comments: lines that say what it does.
    """

    transaction: str
    etl_role: str = ""
    afterwards: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it, for psql."""
        comments = "\n".join(f"-- {line}" for line in self.comments)
        statements = "\n".join(f"{statement};" for statement in self.afterwards)
        return "\n\n".join(part for part in (comments, self.transaction, statements) if part)


def read_site(url: Secret, mode: Mode, mapping: SourceMapping) -> Site:
    """Ask the database what an installation would find; changes nothing.

    Raises:
        SourceError: PostgreSQL cannot be reached, or refuses to answer.
    """
    with _connected(url) as connection, connection.transaction():
        connection.execute("set transaction read only")
        connection.execute(_settings(_names(mapping), ROLE, ""))
        rows = connection.execute(_text("feed/install/source_tables")).fetchall()
        server = connection.execute(_text("feed/server")).fetchone()
    assert server is not None
    found = [
        SourceTable(
            name=row["full_name"] or row["source_name"],
            columns=tuple(row[f"{mode}_columns"] or ()),
            hindrance=row[f"without_{mode}"],
        )
        for row in rows
    ]
    return Site(
        role=server["role_name"],
        tables=tuple(dict.fromkeys(found)),
        has_wal_limit=server["has_wal_limit"],
        is_limit_ours=server["is_limit_ours"],
    )


def install_script(
    mode: Mode,
    mapping: SourceMapping,
    site: Site | None,
    *,
    etl_role: str | None = None,
    wal_limit: str = DEFAULT_WAL_LIMIT,
) -> Script:
    """The SQL that installs a feed.

    Args:
        site: what the database says; None = it was not asked.
        etl_role: the role that reads the feed; None = the one of the connection.
        wal_limit: what `max_slot_wal_keep_size` becomes if there is no limit.
    """
    etl_role = etl_role or (ROLE if site is None else site.role)
    names = _names(mapping) if site is None else [table.name for table in site.tables]
    sets_limit = mode is Mode.SLOT and site is not None and not site.has_wal_limit
    tables = _text("feed/install/source_tables")
    return Script(
        etl_role=etl_role,
        transaction=_transaction(
            _settings(names, etl_role, wal_limit if sets_limit else ""),
            f"create temporary table source_tables on commit drop as\n{tables};",
            *map(_text, _INSTALL[mode]),
        ),
        afterwards=(_SET_LIMIT.format(wal_limit).as_string(None), _RELOAD) if sets_limit else (),
        comments=(
            f"Installs a {mode} for the role {etl_role}; run it as the owner of the messenger's "
            "tables.",
            *_MIGRATIONS[mode],
            *_comments(site),
        ),
    )


def uninstall_script(mode: Mode, site: Site | None) -> Script:
    """The SQL that takes away what `install_script` has installed.

    Args:
        site: what the database says; None = it was not asked.
    """
    resets_limit = mode is Mode.SLOT and site is not None and site.is_limit_ours
    return Script(
        transaction=_transaction(*map(_text, _UNINSTALL[mode])),
        afterwards=(_RESET_LIMIT, _RELOAD) if resets_limit else (),
        comments=(
            f"Takes away the {mode} and all that was installed for it; run it as who installed it.",
        ),
    )


def apply(url: Secret, script: Script) -> None:
    """Run a script.

    Raises:
        SourceError: the server refuses it; nothing was changed.
    """
    with _connected(url) as connection:
        for statements in (script.transaction, *script.afterwards):
            connection.execute(statements)


def _names(mapping: SourceMapping) -> list[str]:
    """The source tables that a mapping reads, as SQL writes them."""
    return list(dict.fromkeys(name for t in mapping.tables.values() for name in t.reads))


def _comments(site: Site | None) -> Iterator[str]:
    if site is None:
        yield "The database was not asked: which tables can be followed is found when this runs."
        return
    yield from (f"followed by its key: {table}" for table in site.followed)
    yield from (f"stays scanned: {table}" for table in site.scanned)


def _settings(names: Sequence[str], etl_role: str, wal_limit: str) -> str:
    array = sql.SQL("array[{}]::text").format(sql.SQL(", ").join(map(sql.Literal, names)))
    text = _text("feed/install/settings")
    for parameter, value in {
        "$source_tables": array,
        "$etl_role": sql.Literal(etl_role),
        "$wal_limit": sql.Literal(wal_limit),
    }.items():
        text = text.replace(parameter, value.as_string(None))
    return text


def _transaction(*parts: str) -> str:
    return "\n\n".join([_text("feed/begin"), *parts, "commit;"])


def _text(name: str) -> str:
    return sqlfiles.text(name).strip()


@contextmanager
def _connected(url: Secret) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A connection whose errors are ours."""
    try:
        with psycopg.connect(url.reveal(), autocommit=True, row_factory=dict_row) as connection:
            yield connection
    except psycopg.Error as error:
        state = error.sqlstate or ""
        detail = url.redact(error.diag.message_primary or " ".join(str(error).split()))
        hint = _HINTS.get(state, _HINT) if state else hint_of(state, detail)
        raise SourceError(detail, hint=error.diag.message_hint or hint) from None
