"""The shipped mappings: each messenger's tables and changes, followed by cycles and proved.

`tests/mappings/<name>` has for each mapping the tables with rows (`schema.sql`), what people do
between two cycles (`change.sql`), changes of facts by rows of other tables alone (`touch.sql`), and
what the analytics must then say, asked of the source by SQL that shares nothing with the mapping
(`expected.sql`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from etl.check import plans
from etl.forms import statement, statement_of_places
from etl.sandbox.postgres import PostgresServer, create_database, postgres_server
from etl.source import ALL_ROWS, Window
from olap import sqlfiles
from olap.manifest import Mode
from olap.mapping import SourceMapping, read_mapping, shipped_mappings
from olap.tables import FACTS, TABLES, Fact, Table
from tests import contents
from tests.fix_feeds import install_feed
from tests.fix_pipeline import Pipeline

FOLDER = Path(__file__).parent / "mappings"
OWN = "messenger"  # all other tests are about it

Row = tuple[Any, ...]


def at(day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """A time in February 2026."""
    return datetime(2026, 2, day, hour, minute, second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Messenger:
    """What is expected of a mapping.

    Attributes:
        rows: some messages after `change.sql`, by id: conversation, sender, type, characters, sent,
            edited, deleted; None = there is no such message.
        read: how many rows a cycle reads of each fact after `touch.sql`.
        missed: the ids of rows that it misses without the mapping's `touched`.
    """

    rows: Mapping[Any, Row | None]
    read: Mapping[str, int]
    missed: Mapping[str, set[Any]] = field(default_factory=dict)


ADA, BOB = "@ada:here", "@bob:here"
LAST_SECOND = datetime(9999, 12, 31, 23, 59, 59)

MESSENGERS = {
    "synapse": Messenger(
        rows={
            "$message-1": ("!private:here", BOB, "text", 12, at(2, 2, 51), None, None),
            "$message-2": ("!direct:here", ADA, "text", 5, at(2, 2, 52), at(3, 12, 5), None),
            "$message-4": ("!private:here", ADA, "text", 4, at(2, 2, 54), None, None),
            "$message-6": ("!public:here", ADA, "text", None, at(2, 2, 56), None, at(3, 23, 46)),
            "$message-7": ("!private:here", BOB, "other", None, at(2, 2, 57), None, at(3, 23, 47)),
            "$message-8": ("!direct:here", ADA, "text", 8, at(2, 2, 58), None, None),
            "$message-10": ("!private:here", ADA, "text", 5, at(2, 3), at(3, 22), None),
            "$message-40": ("!private:here", ADA, "encrypted", None, at(2, 3, 30), None, None),
            "$message-50": ("!direct:here", ADA, "image", 7, at(2, 3, 40), None, None),
            "$edit-2-7": ("!direct:here", ADA, "text", None, at(3, 12, 7), None, at(3, 23, 42)),
            "$edit-2-5": None,
            "$outlier": ("!public:here", ADA, "text", 5, at(2, 2, 43), None, None),
            "$rejected": None,
            "$state": None,
            "$message-20": None,
        },
        read={"messages": 5, "reactions": 1, "events": 2},
        missed={
            "messages": {"$message-10", "$message-6", "$message-3"},
            "reactions": {"$late"},
        },
    ),
    "mattermost": Messenger(
        rows={
            "post77": ("channel18", "user28", "text", 7, at(2, 3, 57), at(7, 21, 33, 20), None),
            "post78": ("channel19", "user29", "text", 78, at(2, 3, 58), None, at(7, 21, 33, 20)),
            "post80": ("channel1", "user31", "system", 80, at(2, 4), None, None),
            "post81": ("channel2", "user32", "image", 81, at(2, 4, 1), None, None),
            "post82": ("channel3", "user33", "file", 82, at(2, 4, 2), None, None),
            "post83": None,
            "post85": ("channel9", "user36", "text", 85, at(2, 4, 5), None, None),
            "post18": ("channel19", "user19", "image", 18, at(2, 2, 58), None, at(7, 21, 33, 20)),
            "old77": None,
        },
        read={"messages": 3, "reactions": 1},
        missed={"messages": {"post81", "post82"}, "reactions": {"post85"}},
    ),
    "zulip": Messenger(
        rows={
            101: ("12", 2, "text", 6, at(1, 1, 41), at(25), None),
            200: ("dm:1-1", 1, "system", 40, at(1, 3, 20), None, at(26)),
            210: ("dm:11-21", 11, "text", 50, at(1, 3, 30), None, None),
            300: ("dm:1-1", 1, "system", 60, at(1, 5), None, None),
            301: ("9", 2, "text", 61, at(1, 5, 1), None, None),
            2011: ("dm:3-8", 3, "text", 12, at(21), None, None),
        },
        read={"messages": 0},
    ),
    "discourse_chat": Messenger(
        rows={
            102: (3, 7, "text", 6, at(1, 1, 42), at(25), None),
            103: (4, 8, "text", 33, at(1, 1, 43), at(25, 12), None),
            104: (5, 9, "image", 34, at(1, 1, 44), None, None),
            110: (11, 15, "text", 40, at(1, 1, 50), None, at(26)),
            120: None,
            130: (7, 35, "text", 60, at(1, 2, 10), None, None),
            200: (1, -1, "system", 60, at(1, 3, 20), None, None),
            21: (2, 22, "image", 21, at(1, 0, 21), None, None),
            11: (12, 12, "file", 11, at(1, 0, 11), None, None),
        },
        read={"messages": 3, "reactions": 1},
        missed={"messages": {103, 104}, "reactions": {130}},
    ),
    "chatwoot": Messenger(
        rows={
            10: (11, "Contact:12", "text", None, at(1, 0, 10), None, at(25)),
            14: (15, "Contact:16", "text", None, at(1, 0, 14), None, at(25)),
            20: None,
            30: (31, None, "system", 30, at(1, 0, 30), None, None),
            31: (32, "User:2", "system", 31, at(1, 0, 31), None, None),
            41: (42, "User:2", "text", 41, at(1, 0, 41), None, None),
            42: (43, "Contact:44", "image", 42, at(1, 0, 42), None, None),
            45: (46, "AgentBot:1", "text", 45, at(1, 0, 45), None, None),
            301: (102, "User:2", "image", 1, at(1, 5, 1), None, None),
        },
        read={"messages": 3, "events": 0},
        missed={"messages": {301, 302}},
    ),
    "example": Messenger(
        rows={
            "message1": ("room2", "user2", "image", 1, LAST_SECOND, None, None),
            "message2": ("room3", "user3", "file", 2, datetime(1970, 1, 1), None, None),
            "message3": ("room4", None, "system", 3, at(2, 2, 43), None, None),
            "message5": ("room6", "user6", "image", 5, at(2, 2, 45), None, at(25)),
            "message7": ("room8", None, "system", 6, at(2, 2, 47), at(13, 16, 26, 40), None),
            "message50": None,
            "message60": ("room9", "user11", "text", 10, at(2, 3, 40), None, None),
        },
        read={"messages": 1, "reactions": 1},
        missed={"reactions": {"message60"}},
    ),
}
NAMES = tuple(MESSENGERS)
TOUCHED = tuple(name for name, messenger in MESSENGERS.items() if messenger.missed)


@dataclass(frozen=True, slots=True)
class Source:
    """A database with a messenger's tables, and a pipeline that reads it.

    A repair may remove all rows of a table, because a few rows are a large part of these.
    """

    name: str
    pipeline: Pipeline

    def run(self, file: str) -> None:
        """Run a file of `tests/mappings`."""
        with psycopg.connect(self.pipeline.url, autocommit=True) as connection:
            connection.execute((FOLDER / self.name / file).read_bytes())

    def expected(self) -> dict[str, int]:
        """What `expected.sql` says."""
        with psycopg.connect(self.pipeline.url) as connection:
            rows = connection.execute((FOLDER / self.name / "expected.sql").read_bytes())
            return {what: int(number) for what, number in rows if number}

    def beside(self, name: str, **settings: Any) -> Source:
        """Another pipeline on the same database."""
        pipeline = self.pipeline.beside(name)
        return Source(self.name, replace(pipeline, settings=replace(pipeline.settings, **settings)))

    def published(self) -> dict[str, int]:
        """What the generation says, in the same words."""
        with duckdb.connect(str(self.pipeline.published), read_only=True) as connection:
            rows = connection.execute((FOLDER / "summary.sql").read_text()).fetchall()
            return {what: int(number) for what, number in rows}

    def lake(self, table: str) -> Counter[Row]:
        """The rows of a fact in the lake, with their ids."""
        fact = next(fact for fact in FACTS if fact.name == table)
        manifest = self.pipeline.manifest()
        files = [
            str(self.pipeline.layout.lake / file.path)
            for file in manifest.files
            if file.table == table
        ]
        query = f"select {', '.join(fact.columns)} from read_parquet($files)"
        with duckdb.connect() as connection:
            return Counter(connection.execute(query, {"files": files}).fetchall())

    def message(self, message_id: Any) -> Row | None:
        """A message in the lake, without its id; None if there is none."""
        return next((row[1:] for row in self.lake("messages") if row[0] == message_id), None)


def create_tables(connection: psycopg.Connection[Any], name: str) -> None:
    """Create a messenger's tables with rows."""
    shipped = read_mapping(name).folder / "schema.sql"
    for schema in (shipped, FOLDER / name / "schema.sql"):
        if schema.exists():
            connection.execute(schema.read_bytes())
    connection.execute("vacuum analyze")


@pytest.fixture
def open_messenger(
    empty_database: str, new_pipeline: Callable[[str], Pipeline]
) -> Callable[[str], Source]:
    """Creates the tables of a messenger."""

    def create(name: str) -> Source:
        pipeline = new_pipeline(empty_database)
        settings = replace(pipeline.settings, source_mapping=name, repair_max_percent=100)
        source = Source(name, replace(pipeline, settings=settings))
        with psycopg.connect(empty_database, autocommit=True) as connection:
            create_tables(connection, name)
        return source

    return create


def test_every_shipped_mapping_is_tested_here() -> None:
    """A mapping without expectations of its own would be shipped untried."""
    assert {*NAMES, OWN} == set(shipped_mappings())


@pytest.mark.parametrize("name", NAMES)
def test_a_mapping_says_what_it_cannot_know(name: str) -> None:
    """Every messenger but our own has something that it cannot tell exactly, in sentences."""
    inexact = read_mapping(name).inexact
    assert inexact
    assert all(said[0].isupper() and said.endswith(".") for said in inexact)


@pytest.mark.parametrize("name", NAMES)
def test_cycles_follow_a_messenger(name: str, open_messenger: Callable[[str], Source]) -> None:
    """After a load, and after a cycle that follows changes, everything is as the source says.

    The state after the cycle is also that of a load from scratch, and that of a rebuild from the
    lake; a proof of every row finds no difference, and an idle cycle reads no row of a fact.
    """
    source = open_messenger(name)
    source.pipeline.cycle()
    assert source.published() == source.expected()
    source.run("change.sql")
    source.pipeline.cycle()
    assert source.published() == source.expected()
    expected = MESSENGERS[name].rows
    assert {id_: source.message(id_) for id_ in expected} == expected
    idle = source.pipeline.cycle()
    assert [idle.extract.tables[fact.name].rows for fact in FACTS] == [0] * len(FACTS)
    assert idle.rows_changed == 0
    verification = source.pipeline.verify()
    assert verification.reconciled.differences == ()
    assert verification.reconciled.is_settled
    followed = contents.of_core(source.pipeline.published)
    fresh = source.beside("fresh").pipeline
    fresh.cycle()
    assert contents.differences(followed, contents.of_core(fresh.published)) == {}
    source.pipeline.rebuild()
    assert contents.differences(followed, contents.of_core(source.pipeline.published)) == {}
    assert contents.offences(source.pipeline.published) == []


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_other_tables_change_are_read(
    name: str, open_messenger: Callable[[str], Source]
) -> None:
    """An edit, an upload or a deletion in a table of its own makes a cycle read its row alone."""
    source = open_messenger(name)
    source.pipeline.cycle()
    if (FOLDER / name / "touch.sql").exists():
        source.run("touch.sql")
    report = source.pipeline.cycle()
    read = {fact: report.extract.tables[fact].rows for fact in MESSENGERS[name].read}
    assert read == MESSENGERS[name].read
    assert source.published() == source.expected()
    assert source.pipeline.verify().reconciled.differences == ()


@pytest.mark.parametrize(
    ("name", "mode", "changes"),
    [
        *((name, mode, "change.sql") for name in NAMES for mode in (Mode.SLOT, Mode.LOG)),
        *((name, Mode.LOG, "touch.sql") for name in TOUCHED),
    ],
)
def test_feeds_follow_a_messenger(
    name: str, mode: Mode, changes: str, open_messenger: Callable[[str], Source]
) -> None:
    """What people do, and what rows of other tables change, is the same when a feed tells it: as
    the source says, and as a load from scratch has it."""
    source = open_messenger(name).beside("followed", etl_mode=mode.value)
    install_feed(source.pipeline, mode)
    source.pipeline.cycle()
    source.run(changes)
    report = source.pipeline.cycle()
    assert report.extract.mode is mode, report.extract.mode_reason
    assert source.published() == source.expected()
    assert source.pipeline.verify().reconciled.differences == ()
    fresh = source.beside("fresh", etl_mode="scan").pipeline
    fresh.cycle()
    followed, loaded = (contents.of_core(p.published) for p in (source.pipeline, fresh))
    assert contents.differences(followed, loaded) == {}


@pytest.mark.parametrize("name", TOUCHED)
def test_without_touched_these_rows_are_missed(
    name: str, open_messenger: Callable[[str], Source], tmp_path: Path
) -> None:
    """Negative control: without `touched` a cycle misses these rows, and a proof finds them."""
    crippled = tmp_path / name
    shutil.copytree(read_mapping(name).folder, crippled)
    shutil.rmtree(crippled / "touched", ignore_errors=True)
    declared = crippled / "mapping.toml"
    declared.write_text(declared.read_text().replace('follows = "messages"\n', ""))
    source = open_messenger(name).beside("crippled", source_mapping=str(crippled))
    source.pipeline.cycle()
    source.run("touch.sql")
    source.pipeline.cycle()
    fresh = source.beside("fresh")
    fresh.pipeline.cycle()
    missed = {
        fact.name: {row[0] for row in source.lake(fact.name) - fresh.lake(fact.name)}
        for fact in FACTS
        if fact.name in read_mapping(name).tables
    }
    assert {fact: ids for fact, ids in missed.items() if ids} == MESSENGERS[name].missed
    found = source.pipeline.verify().reconciled.differences
    assert {difference.table for difference in found} == MESSENGERS[name].missed.keys()
    for fact, ids in MESSENGERS[name].missed.items():
        assert sum(d.missing_rows for d in found if d.table == fact) == len(ids)


MARKS_AS_RECEIPTS = """
    select
        receipt.xmin as row_version,
        receipt.ctid as place,
        receipt.event_id as message_id,
        receipt.user_id,
        receipt.room_id as conversation_id,
        timestamptz 'epoch'
        + substring(receipt.data from '[0-9]+')::bigint * interval '1 millisecond' as read_at,
        timestamptz 'epoch'
        + message.origin_server_ts * interval '1 millisecond' as message_created_at
    from receipts_linearized as receipt
    left join events as message on receipt.event_id = message.event_id
    where receipt.thread_id is null and receipt.data ~ '[0-9]'
"""


def reads_by_day(source: Source) -> dict[date, int]:
    """The receipts of a generation by UTC day."""
    with duckdb.connect(str(source.pipeline.published), read_only=True) as connection:
        rows = connection.execute(
            "select read_at::date, count(*) from main.read_receipts group by 1"
        )
        return dict(rows.fetchall())


def test_marks_taken_for_receipts_rewrite_the_past(
    open_messenger: Callable[[str], Source], tmp_path: Path
) -> None:
    """A mark that moves on takes the reads of past days with it, although nobody un-read a message.

    Synapse keeps one mark per room and person. Taken for a receipt, it is the read of one message;
    when the person reads on, that row is gone. A few vanish silently; when everybody reads on, they
    are more than `REPAIR_MAX_PERCENT`, and a source that is right needs an operator's word.
    """
    wrong = tmp_path / "synapse"
    shutil.copytree(read_mapping("synapse").folder, wrong)
    (wrong / "read_receipts.sql").write_text(MARKS_AS_RECEIPTS)
    with (wrong / "mapping.toml").open("a") as declared:
        declared.write('[tables.read_receipts]\nreads = ["receipts_linearized", "events"]\n')
    source = open_messenger("synapse").beside(
        "wrong", source_mapping=str(wrong), repair_max_percent=5
    )
    read_on = (
        "update receipts_linearized set event_id = '$message-' || stream_id + 500,"
        " data = '{\"ts\":1770100000000}' where stream_id between 101 and %s"
    )
    first, second = date(2026, 2, 2), date(2026, 2, 3)
    with psycopg.connect(source.pipeline.url, autocommit=True) as connection:
        connection.execute(
            "insert into receipts_linearized select n, '!public:here', 'm.read', '@' || n, "
            "'$message-' || n, '{\"ts\":1770002000000}' from generate_series(101, 197) as n"
        )
        source.pipeline.cycle()
        assert reads_by_day(source) == {first: 100}
        connection.execute(read_on, [103])
        source.pipeline.cycle()
        assert reads_by_day(source) == {first: 97, second: 3}
        connection.execute(read_on, [197])
        report = source.pipeline.cycle()
    assert report.reconciled.refused == {"read_receipts": 94}
    assert reads_by_day(source) == {first: 97, second: 97}


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a statement, as PostgreSQL explains it."""

    nodes: tuple[Mapping[str, Any], ...]

    def scanned(self, kind: str, condition: str = "") -> set[str]:
        """The tables under scans of a kind whose filter has this condition."""
        return {
            node["Relation Name"]
            for node in self.nodes
            if node["Node Type"] == kind and condition in node.get("Filter", "")
        }

    def looked_up(self) -> set[str]:
        """The tables of which rows are looked up in an index."""
        return {node["Relation Name"] for node in self.nodes if "Index Cond" in node}


def explained(
    connection: psycopg.Connection[Any],
    form: str,
    table: Table,
    mapping: SourceMapping,
    settings: tuple[str, ...],
) -> Plan:
    """The plan of a form over the mapping's SELECT, as a cycle or a backfill executes it."""

    with connection.transaction():
        psycopg.RawCursor(connection).execute(sqlfiles.text("source/set_window").encode(), settings)
        return _explained(connection, statement(form, table, mapping))


def explained_places(connection: psycopg.Connection[Any], text: str, *without: str) -> Plan:
    """The plan of a statement that reads by keys, as a cycle executes it on a large table.

    Args:
        without: kinds of scans that are avoided too.
    """
    with connection.transaction():
        settings = ('{"(0,1)"}', '{"(0,1)"}', "[]", "{[,)}")
        psycopg.RawCursor(connection).execute(sqlfiles.text("source/set_places").encode(), settings)
        connection.execute(sqlfiles.text("source/check/avoid_scans").encode())
        for kind in without:
            connection.execute(f"set local enable_{kind} = off".encode())
        return _explained(connection, text)


def _explained(connection: psycopg.Connection[Any], text: str) -> Plan:
    row = connection.execute(f"explain (verbose, format json) {text}".encode()).fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]
    # What is computed once, for all rows, is looked up row by row in a larger table.
    return Plan(tuple(plans.nodes(plan, without=plans.hashed(plan))))


def heaps(connection: psycopg.Connection[Any], place: str) -> list[str]:
    """The names of the tables that hold the rows of a table: itself, or its partitions."""
    rows = connection.execute(
        "select relname from pg_partition_tree(%(place)s) inner join pg_class on relid = oid"
        " where isleaf union select relname from pg_class"
        " where oid = %(place)s::regclass and relkind = 'r'",
        {"place": place},
    )
    return [name for (name,) in rows]


@pytest.fixture(scope="module", params=[16, 18])
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A server of each version."""
    with (
        tempfile.TemporaryDirectory(prefix="test-pg-") as directory,
        postgres_server(Path(directory), version=request.param) as found,
    ):
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_conditions_reach_the_tables(name: str, server: PostgresServer) -> None:
    """PostgreSQL reads a range of blocks as such, and filters a window while it scans.

    Each table that has the rows' places is read by a Tid Range Scan in each arm and partition; in a
    window it is scanned with a condition on xmin, and no other table is joined by a scan of it.
    """
    mapping = read_mapping(name)
    create_database(server.url(), name)
    with psycopg.connect(server.url(name), autocommit=True) as connection:
        create_tables(connection, name)
        row = connection.execute(
            "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
        ).fetchone()
        assert row is not None
        watermark = Window(watermark=row[0]).settings
        for table in TABLES:
            if table.name not in mapping.tables or mapping.tables[table.name].is_whole:
                continue
            places = mapping.tables[table.name].places
            names = {heap for place in places for heap in heaps(connection, place)}
            form = "fact_rows" if isinstance(table, Fact) else "dimension_rows"
            window = explained(connection, form, table, mapping, (*watermark, "", ""))
            assert names <= window.scanned("Seq Scan", "age("), table.name
            assert not any("Hash Join" in n["Node Type"] for n in window.nodes), table.name
            if isinstance(table, Fact):
                settings = (*ALL_ROWS.settings, "(0,0)", "(3,0)")
                blocks = explained(connection, "fact_range", table, mapping, settings)
                assert blocks.scanned("Tid Range Scan") == names, table.name
                assert not blocks.scanned("Seq Scan") & names, table.name


@pytest.mark.parametrize("name", (*NAMES, OWN))
def test_rows_are_looked_up_by_keys_and_places(name: str, empty_database: str) -> None:
    """A feed's keys are looked up in an index, and rows at places by TID scans, in each arm.

    However large they are, no other table is scanned: neither one that is joined, nor one whose
    rows touch others.
    """
    mapping = read_mapping(name)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        create_tables(connection, name)
        for table in TABLES:
            mapped = mapping.tables.get(table.name)
            if mapped is None or mapped.is_whole:
                continue
            assert mapped.has_place and mapped.touched_has_place
            own = {heap for place in mapped.places for heap in heaps(connection, place)}
            form = "fact_places" if isinstance(table, Fact) else "dimension_places"
            text = statement(form, table, mapping)
            # A TID scan of a few places costs more than an index scan of a very small table.
            assert own <= explained_places(connection, text, "indexscan").scanned("Tid Scan")
            assert explained_places(connection, text).scanned("Seq Scan") == set(), table.name
            if isinstance(table, Fact) and mapped.touched is not None:
                text = statement("touched_ids", table, mapping)
                ids = explained_places(connection, text, "indexscan", "bitmapscan")
                assert ids.scanned("Seq Scan") <= ids.scanned("Tid Scan") != set(), table.name
            for place in mapped.places:
                if key := unique_columns(connection, place):
                    text = statement_of_places(place, key).replace("$1", "'[]'")
                    looked_up = explained_places(connection, text).looked_up()
                    assert set(heaps(connection, place)) == looked_up, place


@pytest.mark.parametrize("name", (*NAMES, OWN))
def test_keys_and_filters_are_declared_as_they_are(name: str, empty_database: str) -> None:
    """`key` has the columns that are returned unchanged, and `filtered` what does not count rows.

    After the changes too, which delete, hide and restore rows.
    """
    mapping = read_mapping(name)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        create_tables(connection, name)
        change = FOLDER / name / "change.sql"
        if change.exists():
            connection.execute(change.read_bytes())
        for table in TABLES:
            mapped = mapping.tables.get(table.name)
            if mapped is None or mapped.is_whole:
                continue
            columns = ", ".join(f"{column}::text" for column in table.key)
            here = f"select place, {columns} from ({mapped.select}\n) as mapped"
            own = ", ".join(f'"{column}"::text' for column in mapped.key)
            there = " union all ".join(
                f"select ctid as place{own and f', {own}'} from {place}" for place in mapped.places
            )
            (counted,) = connection.execute(
                f"select (select count(*) from ({here}) as here),"
                f" (select count(*) from ({there}) as there)".encode()
            ).fetchall()
            assert mapped.is_filtered or counted[0] == counted[1], table.name
            if mapped.key:
                computed = connection.execute(f"({here}) except ({there})".encode()).fetchall()
                assert computed == [], table.name


def unique_columns(connection: psycopg.Connection[Any], source_table: str) -> dict[str, str]:
    """The columns of a table's primary key or unique index with their types."""
    rows = connection.execute(
        "select quote_ident(attname), format_type(atttypid, atttypmod) from pg_attribute"
        " inner join (select indkey, indrelid from pg_index where indrelid = %s::regclass"
        " and indisunique order by indisprimary desc limit 1) as key on attrelid = indrelid"
        " where attnum = any(indkey)",
        [source_table],
    )
    return dict(rows.fetchall())


@pytest.mark.parametrize("name", (*NAMES, OWN))
def test_reads_lists_what_the_selects_read(name: str, empty_database: str) -> None:
    """`reads` of each table is what PostgreSQL says its SELECT and its `touched` depend on; what
    follows the messages does not list what they are read from besides."""
    mapping = read_mapping(name)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        create_tables(connection, name)
        for table, mapped in mapping.tables.items():
            found: set[int] = set()
            touched = None if mapped.follows else mapped.touched
            for text in filter(None, (mapped.select, touched)):
                connection.execute(f"create view public.probe as {text}".encode())
                rows = connection.execute(
                    "select distinct refobjid from pg_depend"
                    " where classid = 'pg_rewrite'::regclass and refclassid = 'pg_class'::regclass"
                    " and objid = (select oid from pg_rewrite where ev_class = 'probe'::regclass)"
                    " and refobjid <> 'probe'::regclass"
                )
                found |= {oid for (oid,) in rows}
                connection.execute("drop view public.probe")
            listed = connection.execute(
                "select name::regclass::oid from unnest(%s::text[]) as name", [list(mapped.reads)]
            )
            assert {oid for (oid,) in listed} == found, table


# Statements that put a text of people where each messenger keeps them.
SECRETS = {
    "synapse": 'update event_json set json = replace(json, \'"body": "\', \'"body": "a secret \')',
    "mattermost": "update posts set message = 'a secret'",
    "zulip": "update zerver_message set content = 'a secret'",
    "discourse_chat": "update chat_messages set message = 'a secret'",
    "chatwoot": "update messages set content = 'a secret'",
    "example": "update app.\"Message\" set body = 'a secret'",
    OWN: "insert into messages (id, conversation_id, content)"
    " values (gen_random_uuid(), gen_random_uuid(), 'a secret')",
}


@pytest.mark.parametrize("name", (*NAMES, OWN))
def test_the_text_of_messages_stays_at_home(name: str, empty_database: str) -> None:
    """No column that a mapping returns contains what people wrote."""
    mapping = read_mapping(name)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        create_tables(connection, name)
        written = connection.execute(SECRETS[name].encode())
        assert written.rowcount
        for table, mapped in mapping.tables.items():
            rows = connection.execute(mapped.select.encode())
            assert [row for row in rows if "a secret" in str(row)] == [], table
