"""The check of a mapping: each defect is named once, with the file and what to write."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from etl import __main__ as command_line
from etl.check import CheckedTable, SourceCheck, check_source, plans, trial
from etl.check.plans import Column
from etl.report.source import check_text
from olap import sqlfiles
from olap.commands import call
from olap.mapping import shipped_mappings
from olap.secret import Secret
from olap.settings import Settings
from tests.fix_postgres import databases
from tests.world import World, at

MAPPINGS = Path(__file__).parent / "mappings"
ROLE = "checking_role"

Edits = Mapping[str, tuple[str, str]]
Broken = Callable[[Edits], str]


def check(url: str, mapping: str = "messenger", **settings: Any) -> SourceCheck:
    """The check of a mapping on a database."""
    return check_source(Settings(source_mapping=mapping, **settings), Secret(url))


def findings(found: SourceCheck) -> list[tuple[str, str, str]]:
    """Level, file within the mapping, and message of each finding."""
    return [
        (finding.level.value, finding.file.rpartition("messenger/")[2], finding.message)
        for finding in found.findings
    ]


def table(found: SourceCheck, name: str) -> CheckedTable:
    """What became of one table."""
    return next(one for one in found.tables if one.name == name)


@pytest.fixture
def broken(tmp_path: Path) -> Broken:
    """Makes copies of the messenger's mapping: in each file a text is replaced by another."""

    def make(edits: Edits) -> str:
        folder = tmp_path / "messenger"
        shutil.copytree(sqlfiles.SQL_DIR / "source" / "messenger", folder, dirs_exist_ok=True)
        for file, (old, new) in edits.items():
            path = folder / file
            path.parent.mkdir(exist_ok=True)
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            assert old in text, old
            path.write_text(text.replace(old, new), encoding="utf-8")
        return str(folder)

    return make


@pytest.fixture
def filled(database: str) -> str:
    """The URL of a messenger with a row or two in every table."""
    return fill(database)


@pytest.fixture(scope="module")
def messenger(postgres_url: str, template_database: str) -> Iterator[str]:
    """The same for tests that only read it, as a check does."""
    with databases(postgres_url, template_database) as make:
        yield fill(make())


def fill(url: str) -> str:
    """Write a row or two into every table but the reactions."""
    with World(url) as world:
        for number in (1, 2):
            world.user(number)
            world.conversation(number)
            world.participant(user=number)
            world.message(number)
        world.receipt()
        world.write(
            "analytics_events",
            {"id": "00000000-0000-0000-0000-000000000007", "event_type": "login", "user_id": 1,
             "created_at": at()},
        )  # fmt: skip
    return url


@pytest.fixture
def owner(filled: str) -> Iterator[psycopg.Connection]:
    """A connection of the owner of the messenger's tables, and a role that may read them."""
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute(f"create role {ROLE} login password 'x'".encode())
        connection.execute(f"grant select on all tables in schema public to {ROLE}".encode())
        try:
            yield connection
        finally:
            connection.execute(f"drop owned by {ROLE}".encode())
            connection.execute(f"drop role {ROLE}".encode())


def as_role(url: str) -> str:
    """The URL for the role of `owner`."""
    return make_conninfo(url, user=ROLE, password="x")


def always(connection: psycopg.Connection, setting: str) -> None:
    """Every later session in this database has this setting."""
    connection.execute(f'alter database "{connection.info.dbname}" set {setting}'.encode())


def test_our_own_mapping_has_no_finding(messenger: str) -> None:
    """On the tables of the sandbox everything is as it should be, and every table is read."""
    found = check(messenger)
    assert findings(found) == []
    assert [one.name for one in found.tables if one.absence] == ["read_marks"]
    assert table(found, "messages").sample_rows == 2
    assert found.load_seconds is not None


UNKEYED: dict[str, tuple[Edits, str, str]] = {
    "no place": (
        {"users.sql": ("    ctid as place,\n", "")},
        "",
        "users.sql returns no `ctid as place`",
    ),
    "no key": (
        {"mapping.toml": ('[tables.users]\nreads = ["users"]\nkey = ["id"]', "[tables.users]\n"
         'reads = ["users"]')},
        "",
        "after an update or a deletion, because mapping.toml declares no `key`",
    ),
    "no primary key": ({}, "alter table users drop constraint users_pkey", "users has no primary"),
    "another primary key": (
        {},
        "alter table users drop constraint users_pkey, add column no bigserial primary key",
        "after an update or a deletion, of which users tells no alone",
    ),
    "another replica identity": (
        {},
        "alter table users drop constraint users_pkey, add column no bigserial primary key,"
        " add constraint by_id unique (id), replica identity using index by_id",
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", UNKEYED)
def test_what_keys_do_not_suffice_for_is_named(database: str, broken: Broken, what: str) -> None:
    """A table that is scanned although a feed tells keys is no finding, but it is said why."""
    edits, change, reason = UNKEYED[what]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(change.encode())
    found = check(database, broken(edits))
    assert table(found, "users").unkeyed.startswith(reason)
    assert bool(table(found, "users").unkeyed) == bool(reason)
    assert table(found, "messages").unkeyed == ""
    assert (f"- users: {reason}" in check_text(found)) == bool(reason)


@pytest.mark.parametrize("is_declared", [False, True])
def test_rows_that_a_condition_leaves_out_are_declared(
    messenger: str, broken: Broken, is_declared: bool
) -> None:
    """A feed counts rows by insertions and deletions, unless the mapping says that it cannot."""
    filtered = "[tables.events]\nfiltered = true" if is_declared else "[tables.events]"
    edits = {
        "events.sql": ("from analytics_events", "from analytics_events\nwhere user_id > 1"),
        "mapping.toml": ("[tables.events]", filtered),
    }
    message = "1 rows of analytics_events are 0 rows here, and [tables.events] does not say so"
    expected = [] if is_declared else [("warning", "mapping.toml", message)]
    assert findings(check(messenger, broken(edits))) == expected


def test_empty_tables_have_no_finding(database: str) -> None:
    """Tables without a row, which nobody has analyzed, are checked without a false alarm."""
    assert findings(check(database)) == []


# A view has neither.
ROW_OF_A_VIEW = ("xmin as row_version,\n    ctid as place", "row_version,\n    null::tid as place")


def test_a_view_is_named_and_tried_nevertheless(filled: str, broken: Broken) -> None:
    """A view has no row versions that can be trusted; what else is wrong is named too."""
    with psycopg.connect(filled) as connection:
        connection.execute("alter table users rename to people")
        connection.execute(
            "create view users as select xmin as row_version, nullif(id, 2) as id, username,"
            " is_bot, created_at, deleted_at from people"
        )
    found = check(filled, broken({"users.sql": ROW_OF_A_VIEW}))
    assert findings(found) == [
        ("error", "mapping.toml", "the source's users is not a table (relkind v): no usable xmin"),
        ("error", "users.sql", "user_id is null in 1 of the 2 rows that were read (50.0 %)"),
    ]


def test_tiny_tables_need_no_index(filled: str) -> None:
    """PostgreSQL looks nothing up in a table of two rows, once it knows that it has no more."""
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute("analyze")
    assert findings(check(filled)) == []


@pytest.mark.parametrize("name", sorted({*shipped_mappings()} - {"messenger"}))
def test_a_shipped_mapping_has_no_error_on_its_own_tables(name: str, empty_database: str) -> None:
    """Warnings say what such a messenger cannot tell in time; nothing in a mapping is wrong."""
    schema = sqlfiles.SQL_DIR / "source" / name / "schema.sql"
    with psycopg.connect(empty_database) as connection:
        for path in (schema, MAPPINGS / name / "schema.sql"):
            if path.exists():
                connection.execute(path.read_bytes())
    found = check(empty_database, name)
    assert [finding for finding in found.findings if finding.level == "error"] == []
    # An EXISTS that is hashed reads the other table once, however many rows changed.
    assert [f.message for f in found.findings if "no index fits" in f.message] == []
    assert all(one.sample_rows for one in found.tables if not one.absence)


UTC = "timestamp without time zone, not timestamp with time zone"
USERS = "xmin, ctid, id, username, is_bot, created_at, deleted_at from users"
USERS_TWICE = ("from users", f"from users union all select {USERS}")
EDITED = (
    "(select max(e.created_at) from analytics_events as e"
    " where e.conversation_id = messages.id) as edited_at"
)
TOUCHED = "select xmin as row_version, conversation_id as message_id from analytics_events"
EVENTS_TOO = ('reads = ["messages"]', 'reads = ["messages", "analytics_events"]')


@pytest.mark.parametrize(
    ("edits", "expected", "hint"),
    [
        pytest.param(
            {"users.sql": ("    is_bot,\n", "")},
            [("error", "users.sql", "does not return is_bot")],
            "Write the source's column, `as is_bot`; or, if there is none, `null::boolean`.",
            id="a column is not returned",
        ),
        pytest.param(
            {"users.sql": ("username,", "username as user_name,")},
            [("error", "users.sql", "does not return username")],
            "It returns user_name, which no table here has: write `as username`.",
            id="a column is returned by another name",
        ),
        pytest.param(
            {"messages.sql": ("xmin as row_version,\n", "")},
            [("error", "messages.sql", "does not return row_version")],
            "Write `xmin as row_version`, with the alias of the table whose rows change; or set "
            "`whole = true` for [tables.messages]: it is then read whole in every cycle.",
            id="the row version is not returned",
        ),
        pytest.param(
            {"messages.sql": ("content)", "contents)")},
            [("error", "messages.sql", "the source has no column contents, read in line 10")],
            "Did you mean content?",
            id="a column is not in the source",
        ),
        pytest.param(
            {"messages.sql": ("from messages", "form messages")},
            [
                (
                    "error",
                    "messages.sql",
                    'cannot be planned in line 14: syntax error at or near "messages"',
                )
            ],
            None,
            id="a SELECT is no SQL",
        ),
        pytest.param(
            {"events.sql": ("created_at\n", "created_at::timestamp as created_at\n")},
            [("error", "events.sql", f"created_at is {UTC}")],
            "Write `created_at at time zone 'UTC'`, if it is UTC.",
            id="a time has no zone",
        ),
        pytest.param(
            {"users.sql": ("is_bot,", "1 as is_bot,")},
            [("error", "users.sql", "is_bot is integer, not boolean")],
            "Write `is_bot::boolean`.",
            id="a column has another type",
        ),
        pytest.param(
            {"mapping.toml": ('user = "integer"', 'user = "string"')},
            [
                (
                    "error",
                    "mapping.toml",
                    "[ids] declares user = string, and every SELECT returns it as bigint",
                )
            ],
            'Write `user = "integer"`.',
            id="ids have another type than is declared",
        ),
        pytest.param(
            {"conversations.sql": ("id as", "id::text as")},
            [
                (
                    "error",
                    "conversations.sql",
                    "conversation_id is text; [ids] declares conversation = uuid",
                )
            ],
            "Write `conversation_id::uuid`, or correct [ids] in mapping.toml.",
            id="ids have another type in one table",
        ),
        pytest.param(
            {"participants.sql": ("user_id,", "nullif(user_id, 2) as user_id,")},
            [
                (
                    "error",
                    "participants.sql",
                    "user_id is null in 1 of the 2 rows that were read (50.0 %)",
                )
            ],
            "Return the source's id as user_id, and no row without one: it is in the key.",
            id="an id is null",
        ),
        pytest.param(
            {"read_receipts.sql": ("receipt.read_at", "null::timestamptz as read_at")},
            [
                (
                    "error",
                    "read_receipts.sql",
                    "read_at is null in 1 of the 1 rows that were read (100.0 %)",
                )
            ],
            "A fact belongs to a day by its time: return one, or leave the row out.",
            id="a fact has no time",
        ),
        pytest.param(
            {"users.sql": USERS_TWICE},
            [
                (
                    "error",
                    "users.sql",
                    "several rows have the same key (user_id), 2 keys in all: 1; 2",
                )
            ],
            "One row per key: correct a join that multiplies rows, or choose one row with a "
            "scalar subquery.",
            id="a key is not unique",
        ),
        pytest.param(
            {"events.sql": ("created_at\n", "to_timestamp(7) as created_at\n")},
            [
                (
                    "error",
                    "events.sql",
                    "created_at is before the year 2000 in 1 of 1 rows, such as "
                    "1970-01-01 00:00:07",
                )
            ],
            "Seconds taken for milliseconds look like this; so does a 0 that means never: write "
            "`nullif(…, 0)`.",
            id="times are too early",
        ),
        pytest.param(
            {"mapping.toml": ('receipts", "messages"', 'receipts"')},
            [
                (
                    "error",
                    "mapping.toml",
                    "`reads` of [tables.read_receipts] does not list public.messages, which the "
                    "SELECT reads",
                )
            ],
            None,
            id="a table is read and not listed",
        ),
        pytest.param(
            {"mapping.toml": ('["users"]', '["users", "conversations"]')},
            [
                (
                    "warning",
                    "mapping.toml",
                    "`reads` of [tables.users] lists conversations, which no SELECT reads",
                )
            ],
            "Remove it; keep it if a function that the SELECT calls reads it.",
            id="a table is listed and not read",
        ),
        pytest.param(
            {"messages.sql": ("message_type,", "left(content, 20) as message_type,")},
            [
                (
                    "error",
                    "messages.sql",
                    "message_type returns public.messages.content, the text of messages: it would "
                    "leave the server",
                )
            ],
            "Return its char_length, or a value that the SELECT chooses with CASE.",
            id="the text of messages is a type",
        ),
        pytest.param(
            {
                "conversations.sql": (
                    "title,",
                    "(select max(content) from messages"
                    " where conversation_id = conversations.id) as title,",
                ),
                "mapping.toml": (
                    '["conversations"]\nkey = ["id"]',
                    '["conversations", "messages"]\nwhole = true',
                ),
            },
            [
                (
                    "error",
                    "conversations.sql",
                    "returns row_version, place although [tables.conversations] is `whole = true`",
                ),
                (
                    "error",
                    "conversations.sql",
                    "title returns public.messages.content, the text of messages: it would leave "
                    "the server",
                ),
            ],
            None,
            id="the text of messages is a title, and a whole table has a version",
        ),
        pytest.param(
            {"events.sql": ("event_type,", "repeat(event_type, 100) as event_type,")},
            [
                (
                    "error",
                    "events.sql",
                    "event_type has up to 500 characters: a text would leave the server",
                )
            ],
            "Return a name of at most 128 characters.",
            id="a type is long",
        ),
        pytest.param(
            {
                "messages.sql": (
                    "message_type,",
                    "case when content ~ 'x' then 'a' else 'b' end as message_type,",
                )
            },
            [],
            None,
            id="a type that CASE chooses is no text",
        ),
        pytest.param(
            {"users.sql": ("select", "select distinct on (id)")},
            [
                (
                    "warning",
                    "users.sql",
                    "the condition on row_version does not reach users: a cycle computes the whole "
                    "SELECT",
                )
            ],
            None,
            id="the version's condition is not pushed down",
        ),
        pytest.param(
            {"events.sql": ("ctid as place", "'(0,1)'::tid as place")},
            [
                (
                    "warning",
                    "events.sql",
                    "a range of analytics_events is not read alone: a backfill reads everything "
                    "for each range",
                )
            ],
            None,
            id="the place's condition is not pushed down",
        ),
        pytest.param(
            {
                "messages.sql": ("updated_at as edited_at", EDITED),
                "touched/messages.sql": ("", TOUCHED),
                "mapping.toml": EVENTS_TOO,
            },
            [
                (
                    "warning",
                    "messages.sql",
                    "a row that changed reads all of analytics_events: no index fits the condition "
                    "on it",
                )
            ],
            "Create an index on the columns of analytics_events that the SELECT compares.",
            id="an index is missing",
        ),
        pytest.param(
            {
                "messages.sql": (
                    "updated_at as edited_at",
                    "(select e.created_at from analytics_events as e"
                    " where e.id = messages.id) as edited_at",
                ),
                "mapping.toml": EVENTS_TOO,
            },
            [
                (
                    "warning",
                    "messages.sql",
                    "no cycle notices when only a row of analytics_events changes",
                )
            ],
            "Write touched/messages.sql: row_version and message_id of the rows of "
            "analytics_events. Until then the daily proof finds such a change.",
            id="no touched rows",
        ),
        pytest.param(
            {
                "users.sql": (
                    "username,",
                    "(select event_type from analytics_events as e"
                    " where e.id = md5(users.id::text)::uuid) as username,",
                ),
                "mapping.toml": ('["users"]', '["users", "analytics_events"]'),
            },
            [
                (
                    "warning",
                    "users.sql",
                    "no cycle notices when only a row of analytics_events changes",
                )
            ],
            "Set `whole = true` for [tables.users] and return no row_version. Until then the "
            "daily proof finds such a change.",
            id="a dimension of two tables",
        ),
        pytest.param(
            {"users.sql": ("id as user_id", "1 / (id - 1) as user_id")},
            [("error", "users.sql", "cannot be read: division by zero")],
            None,
            id="a row cannot be read",
        ),
        pytest.param(
            {"mapping.toml": ('["analytics_events"]', '["Analytics"]')},
            [
                (
                    "error",
                    "mapping.toml",
                    "the source has no Analytics, from which events are read",
                )
            ],
            None,
            id="a table does not exist",
        ),
    ],
)  # fmt: skip
def test_a_defect_is_named_once_with_its_file(
    messenger: str,
    broken: Broken,
    edits: Edits,
    expected: list[tuple[str, str, str]],
    hint: str | None,
) -> None:
    """One defect in a mapping makes exactly one finding, which says what to write."""
    found = check(messenger, broken(edits))
    assert findings(found) == expected
    assert hint is None or [finding.hint for finding in found.findings] == [hint]


def test_all_defects_of_all_tables_are_named_in_one_run(messenger: str, broken: Broken) -> None:
    """A defect hides neither another one of its table nor those of other tables."""
    mapping = broken(
        {
            "users.sql": ("username,\n    is_bot,", "usrname as username,"),
            "messages.sql": (
                "message_type,\n    char_length(content) as content_length,\n    created_at,",
                "content as message_type,\n    char_length(content) as content_length,\n"
                "    created_at::timestamp as created_at,",
            ),
            "participants.sql": ("user_id,", "null::bigint as user_id,"),
        }
    )
    found = findings(check(messenger, mapping))
    assert [(file, message.split(",")[0]) for _, file, message in found] == [
        ("users.sql", "the source has no column usrname"),
        ("users.sql", "does not return is_bot"),
        ("participants.sql", "user_id is null in 2 of the 2 rows that were read (100.0 %)"),
        ("messages.sql", f"created_at is {UTC}".split(",")[0]),
        ("messages.sql", "message_type returns public.messages.content"),
    ]


def test_the_broken_mapping_is_understood(empty_database: str) -> None:
    """Of a mapping with a defect of each kind, all are named, and nothing else."""
    with psycopg.connect(empty_database) as connection:
        connection.execute((MAPPINGS / "discourse_chat" / "schema.sql").read_bytes())
        # Plans are of tables without statistics.
        tables = connection.execute("select relname from pg_stat_user_tables").fetchall()
        for name in tables:
            off = sql.SQL("alter table {} set (autovacuum_enabled = off)")
            connection.execute(off.format(sql.Identifier(*name)))
    found = check(empty_database, str(MAPPINGS / "broken"))
    assert [(f.level.value, f.file, f.message.split(":")[0]) for f in found.findings] == [
        ("error", "broken/users.sql", "user_id is integer; [ids] declares user = string"),
        (
            "error",
            "broken/mapping.toml",
            "`reads` of [tables.conversations] does not list public.direct_message_channels, "
            "which the SELECT reads",
        ),
        (
            "error",
            "broken/participants.sql",
            "user_id is null in 320 of the 320 rows that were read (100.0 %)",
        ),
        ("error", "broken/messages.sql", f"created_at is {UTC}"),
        (
            "error",
            "broken/messages.sql",
            "message_type returns public.chat_messages.message, the text of messages",
        ),
        (
            "error",
            "broken/events.sql",
            "several rows have the same key (event_id), 500 keys in all",
        ),
        (
            "warning",
            "broken/conversations.sql",
            "the condition on row_version does not reach chat_channels",
        ),
        (
            "warning",
            "broken/messages.sql",
            "a row that changed reads all of upload_references",
        ),
        (
            "warning",
            "broken/messages.sql",
            "no cycle notices when only a row of upload_references changes",
        ),
        (
            "warning",
            "broken/events.sql",
            "a row that changed reads all of user_chat_channel_memberships",
        ),
        (
            "warning",
            "broken/events.sql",
            "no cycle notices when only a row of user_chat_channel_memberships changes",
        ),
    ]


def test_a_time_in_the_future_is_named_once(filled: str) -> None:
    """One of two messages makes a warning, and its receipts, which carry its time, none."""
    with psycopg.connect(filled) as connection:
        connection.execute(
            "update messages set created_at = '9000-01-01' from message_read_receipts"
            " where message_id = id"
        )
    expected = "created_at is in the future in 1 of 2 rows, such as 9000-01-01 00:00:00"
    assert findings(check(filled)) == [("warning", "messages.sql", expected)]


def test_touched_rows_need_an_index(filled: str) -> None:
    """Receipts of changed messages cannot be looked up without an index on the message's id."""
    with psycopg.connect(filled) as connection:
        connection.execute(
            "alter table message_read_receipts drop constraint message_read_receipts_pkey"
        )
    expected = "touched rows are looked up without an index on message_id"
    assert findings(check(filled)) == [("warning", "read_receipts.sql", expected)]


def test_a_name_that_may_mean_two_tables_is_named(filled: str) -> None:
    """A table of the same name in another schema of the search_path is pointed out."""
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute("create schema other")
        connection.execute("create table other.users (like users)")
        always(connection, "search_path = public, other")
    expected = "users means public.users by the role's search_path, which leads to other.users too"
    assert findings(check(filled)) == [("warning", "mapping.toml", expected)]


def test_a_table_that_the_role_may_not_read_is_named(
    filled: str, owner: psycopg.Connection
) -> None:
    """The grant to write is shown, once for all tables that need it; the others are checked."""
    owner.execute(f"revoke select on messages from {ROLE}".encode())
    owner.execute(f"grant select (id) on messages to {ROLE}".encode())
    found = check(as_role(filled))
    expected = (
        "the role may not read messages, from which messages, read_receipts, reactions are read"
    )
    assert findings(found) == [("error", "mapping.toml", expected)]
    assert "grant select on public.messages to …;" in found.findings[0].hint
    assert table(found, "messages").absence == "messages: permission denied"
    assert table(found, "users").sample_rows == 2


@pytest.mark.parametrize("setting", ["refused", "trusted"])
def test_row_level_security_is_named(filled: str, owner: psycopg.Connection, setting: str) -> None:
    """It is an error, or a warning where it is trusted, once; the table is checked nevertheless."""
    owner.execute("alter table messages enable row level security")
    found = check(as_role(filled), source_row_security=setting)
    ((level, file, message),) = findings(found)
    assert (level, file) == ("error" if setting == "refused" else "warning", "")
    assert message.startswith("row-level security of messages applies to the role")
    assert table(found, "messages").sample_rows == 0  # no policy, no row
    assert table(found, "read_receipts").sample_rows == 1


def test_functions_that_identify_the_cluster_must_be_allowed(
    filled: str, owner: psycopg.Connection
) -> None:
    """Where they are revoked, the grant is shown, and no table is tried in vain."""
    owner.execute("revoke execute on function pg_control_system() from public")
    found = check(as_role(filled))
    expected = (
        f"the role {ROLE} may not call pg_control_system(), which identify the cluster; without "
        "them no table can be tried"
    )
    assert findings(found) == [("error", "", expected)]
    assert not any(one.sample_rows for one in found.tables)


def test_a_time_limit_of_the_role_is_named(filled: str) -> None:
    """A limit that the transaction of a cycle does not lift may end a first load."""
    with psycopg.connect(filled, autocommit=True) as connection:
        always(connection, "statement_timeout = '90s'")
    expected = "statement_timeout ends what takes longer than 90 s, a first load too"
    assert findings(check(filled)) == [("warning", "", expected)]


def test_a_transaction_that_holds_the_watermark_back_is_named(
    filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long transaction is named with its process id, and how to end it."""
    monkeypatch.setattr(trial, "HOLDER_SECONDS", 0)
    with psycopg.connect(filled, application_name="migration") as holder:
        holder.execute("select pg_current_xact_id()")
        found = check(filled)
        pid = holder.info.backend_pid
    ((level, file, message),) = findings(found)
    assert (level, file) == ("warning", "")
    assert f"pid {pid} of" in message and ", migration, idle in transaction since" in message
    assert f"pg_terminate_backend({pid})" in found.findings[0].hint


def test_an_optional_table_may_be_missing(filled: str) -> None:
    """It is not available, with the reason, and that is no finding."""
    with psycopg.connect(filled) as connection:
        connection.execute("drop table message_reactions")
    found = check(filled)
    assert findings(found) == []
    assert table(found, "reactions").absence == "message_reactions does not exist"


def test_a_large_table_is_read_in_parts(filled: str) -> None:
    """Of a table with a million rows, as the server estimates, eight ranges of blocks are read."""
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute(
            "insert into messages (id, conversation_id, created_at)"
            " select gen_random_uuid(), gen_random_uuid(), now() from generate_series(1, 30000)"
        )
        connection.execute("vacuum analyze")
        connection.execute(
            "update pg_class set reltuples = 1000000 where oid = 'messages'::regclass"
        )
        (blocks,) = connection.execute("select pg_relation_size('messages') / 8192").fetchone() or (
            0,
        )
        (before,) = _rows_read(connection)
        checked = table(check(filled), "messages")
        (after,) = _rows_read(connection)
    width = blocks * 100_000 // 1_000_000 // 8
    assert checked.rows == 1_000_000
    assert 0 < checked.sample_rows <= (8 * width + 8) * 30_002 / blocks * 1.5
    # The rows of each range are read once for the sample and once for the time of a scan.
    assert after - before < 30_000


def _rows_read(connection: psycopg.Connection) -> tuple[int]:
    connection.execute("select pg_stat_force_next_flush()")
    row = connection.execute(
        "select seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_user_tables"
        " where relname = 'messages'"
    ).fetchone()
    assert row is not None
    return (row[0],)


def test_values_are_shown_short_and_texts_not_at_all(filled: str, broken: Broken) -> None:
    """Of two rows no value has more than 25 characters, and a text that was found is hidden."""
    with World(filled) as world:
        world.user(3, username="x" * 100)
    mapping = broken({"messages.sql": ("message_type,", "content as message_type,")})
    found = check(filled, mapping)
    values = [value for one in found.tables for row in one.sample for value in row.values()]
    assert values and all(len(value) <= 25 for value in values)
    assert [row["message_type"] for row in table(found, "messages").sample] == ["(not shown)"] * 2
    assert "hello" not in values


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run `python -m etl source ...` in this process; exit code and output."""

    def run(*arguments: str, **variables: str) -> tuple[int, str]:
        home = {"DATA_DIR": str(tmp_path / "data"), "SANDBOX_DIR": str(tmp_path / "sandbox")}
        monkeypatch.setattr("os.environ", home | variables)
        code = command_line.main(["source", *arguments])
        return code, capsys.readouterr().out

    return run


def test_the_command_prints_tables_of_eighty_columns(
    messenger: str, broken: Broken, run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    """Without errors the exit code is 0; with one it is 1; and no file is written."""
    code, output = run("check", DATABASE_URL=messenger)
    assert code == 0
    assert output.endswith(f"No errors, no warnings. Next: `{call('etl')}`.\n")
    assert all(len(line) <= 80 for line in output.splitlines() if "  " in line.strip())
    mapping = broken({"users.sql": ("    is_bot,\n", "")})
    code, output = run("check", DATABASE_URL=messenger, SOURCE_MAPPING=mapping)
    assert code == 1
    assert "error: messenger/users.sql: does not return is_bot\n" in output
    assert output.endswith("1 error, no warnings. Correct the errors and run the check again.\n")
    assert not (tmp_path / "data").exists()


def test_the_command_prints_one_json_object(
    messenger: str, run: Callable[..., tuple[int, str]]
) -> None:
    """With --json a program can read what was found."""
    code, output = run("check", "--json", DATABASE_URL=messenger)
    found = json.loads(output)
    assert code == 0
    assert (found["mapping"], found["findings"]) == ("messenger", [])
    assert found["tables"][0]["sample"][0]["user_id"] == "1"


def test_the_printed_role_can_read_what_the_mapping_reads(
    empty_database: str, run: Callable[..., tuple[int, str]]
) -> None:
    """The SQL of `source role` suffices for the check, in another schema and mixed case too."""
    with psycopg.connect(empty_database, autocommit=True) as owner:
        if owner.execute("select from pg_roles where rolname = 'analytics_etl'").fetchone():
            pytest.skip("this server has a role analytics_etl of its own")
        for path in (sqlfiles.SQL_DIR / "source/example", MAPPINGS / "example"):
            owner.execute((path / "schema.sql").read_bytes())
        code, statements = run("role", SOURCE_MAPPING="example")
        assert code == 0
        try:
            owner.execute(statements.encode())
            owner.execute("alter role analytics_etl password 'x'")
            url = make_conninfo(empty_database, user="analytics_etl", password="x")
            found = check(url, "example")
        finally:
            owner.execute("drop owned by analytics_etl")
            owner.execute("drop role analytics_etl")
    assert found.errors == 0
    assert table(found, "messages").sample_rows == 2_000


PLAN = {
    "Node Type": "Nested Loop",
    "Plans": [
        {"Node Type": "Seq Scan", "Schema": "app", "Relation Name": "Post", "Alias": "m"},
        {"Node Type": "Seq Scan", "Schema": "app", "Relation Name": "Raw", "Alias": "r"},
    ],
}
BODY, JSON = Column("app.Post", "Body"), Column("app.Raw", "json")


@pytest.mark.parametrize(
    ("expression", "passed", "measured"),
    [
        ('m."Body"', {BODY}, set()),
        ('"left"(m."Body", 20)', {BODY}, set()),
        ('char_length(m."Body")', set(), {BODY}),
        ('octet_length(COALESCE(m."Body", (r.json)::text))', set(), {BODY, JSON}),
        ("CASE WHEN (m.\"Body\" ~~ 'x'::text) THEN 'a'::text ELSE 'b'::text END", set(), set()),
        ('CASE WHEN (m."Body" IS NULL) THEN \'-\'::text ELSE m."Body" END', {BODY}, set()),
        ("((r.json)::jsonb ->> 'type'::text)", set(), set()),
        ("((regexp_replace(r.json, 'a'::text, 'b'::text))::jsonb ->> 'x'::text)", set(), set()),
        ("char_length(((r.json)::jsonb ->> 'body'::text))", set(), set()),
    ],
)  # fmt: skip
def test_what_an_expression_returns_of_a_column(
    expression: str, passed: set[Column], measured: set[Column]
) -> None:
    """Lengths, conditions and what is extracted from JSON return no text of a column."""
    assert plans.passed_on(expression, PLAN) == passed
    assert plans.measured(expression, PLAN) == measured
