"""Sessions on an engine: what they raise, what they read, and what is left of them."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from olap.engine.session import Engine, open_engine
from olap.errors import EngineError, EngineSessionEndedError, EngineUnavailableError

_SLOW = (
    "select count(*) as n from range(100000000) as a join range(1000) as b on a.id % 7 = b.id % 3"
)


def test_where_nothing_listens_the_engine_is_not_available() -> None:
    """A refused connection is the error that may be asked again, with what to do next."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"sc://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(EngineUnavailableError, match="refused") as raised:
        open_engine(address)
    assert "Check that it runs" in raised.value.hint


def test_an_engine_that_never_answers_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts connections and is silent costs no more than the timeout."""
    monkeypatch.setattr("olap.engine.session._CONNECT_SECONDS", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(EngineUnavailableError):
            open_engine(f"sc://127.0.0.1:{silent.getsockname()[1]}")


def test_a_query_that_is_too_slow_is_given_up_and_the_session_lives_on() -> None:
    """A query beyond the timeout is the error that may be asked again; the next one is answered."""
    engine = open_engine("sail", timeout_seconds=2)
    try:
        with pytest.raises(EngineUnavailableError, match="did not answer within 2 seconds"):
            engine.query(_SLOW, {})
        assert engine.query("select 1 as one", {}).to_pylist() == [{"one": 1}]
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("sql", "said"),
    [("selct 1", "selct"), ("select nothing", "nothing"), ("select raise_error('no')", "no")],
)
def test_a_query_that_the_engine_refuses_is_no_absent_engine(
    sail: Engine, sql: str, said: str
) -> None:
    """Wrong SQL is an `EngineError` with what the engine said, and no `EngineUnavailableError`."""
    with pytest.raises(EngineError, match=said) as raised:
        sail.query(sql, {})
    assert not isinstance(raised.value, EngineUnavailableError)


@pytest.mark.parametrize("address", ["", "spark:15002", "http://spark:15002", "sc://spark/a/b"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """An address that is none is an error that shows one."""
    with pytest.raises(EngineError, match="no address of an engine") as raised:
        open_engine(address)
    assert "sc://host:15002" in raised.value.hint


def test_the_token_of_an_address_is_in_no_error() -> None:
    """An error names the address without its token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(EngineUnavailableError) as raised:
        open_engine(f"sc://127.0.0.1:{port}/;use_ssl=true;token=s3cr3t;x=y")
    assert "s3cr3t" not in raised.value.message
    assert "token=***" in raised.value.message


@pytest.mark.parametrize("package", ["pysail", "pyspark"])
def test_a_package_that_is_not_installed_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    """Without the extra `engine` the error says how to install it."""
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EngineError, match=package) as raised:
        open_engine("sail" if package == "pysail" else "sc://127.0.0.1:1")
    assert "`engine`" in raised.value.hint


def test_a_session_computes_in_utc_and_takes_nulls(sail: Engine) -> None:
    """Times are instants of UTC, and an argument may be null."""
    found = sail.query(
        "select cast(:at as timestamp) as at, cast(:no as timestamp) as no, :words as words",
        {"at": "2026-03-29 01:30:00.000001", "no": None, "words": "it's"},
    )
    assert found.schema.field("at").type == pa.timestamp("us", "UTC")
    at = found.column("at").cast(pa.string()).to_pylist()
    rest = found.select(["no", "words"]).to_pylist()
    assert (at, rest) == (["2026-03-29 01:30:00.000001Z"], [{"no": None, "words": "it's"}])


def test_exactly_the_named_files_are_read(sail: Engine, tmp_path: Path) -> None:
    """Of files in one directory those that are named are read; a column that one lacks is null."""
    for name, number in (("one", 1), ("two", 2), ("three", 3)):
        pq.write_table(pa.table({"number": [number]}), tmp_path / f"{name}.parquet")
    schema = pa.table(
        {"number": pa.array([], pa.int64()), "words": pa.array([], pa.string())}
    ).schema
    paths = [str(tmp_path / f"{name}.parquet") for name in ("one", "three")]
    sail.create_file_view("read_exactly", paths, schema)
    rows = sail.query("select number, words from read_exactly order by number", {}).to_pylist()
    assert rows == [{"number": 1, "words": None}, {"number": 3, "words": None}]
    sail.create_file_view("read_exactly", [], schema)
    empty = sail.query("select * from read_exactly", {})
    assert (empty.num_rows, empty.column_names) == (0, ["number", "words"])


@pytest.mark.parametrize("name", ["a b", "a*", "a?", "a[1]", "a{1,2}", "a%20b", "a#b", "é"])
def test_a_path_that_an_engine_would_read_otherwise_is_refused(sail: Engine, name: str) -> None:
    """A path with a character of patterns or URLs is an error that names ENGINE_DATA_DIR."""
    with pytest.raises(EngineError) as raised:
        sail.create_file_view("odd", [f"/data/{name}/1.parquet"], pa.schema([("n", pa.int64())]))
    assert "ENGINE_DATA_DIR" in raised.value.hint


def test_written_files_are_a_new_directory_of_parquet(sail: Engine, tmp_path: Path) -> None:
    """A query is written into a directory that did not exist; one that exists is never added to."""
    directory = tmp_path / "rows"
    sail.write_parquet("select id from range(3) where id < :below", {"below": 2}, str(directory))
    written = sorted(directory.glob("*.parquet"))
    assert pq.read_table(written).sort_by("id").to_pylist() == [{"id": 0}, {"id": 1}]
    with pytest.raises(EngineError):
        sail.write_parquet("select 1 as id", {}, str(directory))


def test_close_ends_threads_server_and_session() -> None:
    """After `close` no thread is left, nothing listens, and a query is an error."""

    def threads() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    first = open_engine("sail")
    with_engine = threads()
    first.query("select 1", {})
    first.close()
    _until(lambda: threads() < with_engine)
    before, python_before = threads(), threading.active_count()
    for _ in range(3):
        engine = open_engine("sail")
        engine.query("select count(*) from range(1000)", {})
        engine.close()
        engine.close()
        with pytest.raises(EngineUnavailableError) as raised:
            engine.query("select 1", {})
        found = re.search(r"127\.0\.0\.1:(\d+)", raised.value.message)
        assert found is not None
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(found[1]))) != 0
    _until(lambda: threads() <= before)
    assert threads() <= before
    assert threading.active_count() == python_before


def _until(is_true: object, seconds: float = 20) -> None:
    assert callable(is_true)
    deadline = time.monotonic() + seconds
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_a_program_without_a_file_can_ask() -> None:
    """The client does not take `python -c` for a run of its own tests, which ends the process."""
    program = (
        "from olap.engine.session import open_engine\n"
        "engine = open_engine('sail')\n"
        "print(engine.query('select 1 as one', {}).to_pylist())\n"
        "engine.close()"
    )
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert asked.stdout.decode() == "[{'one': 1}]\n", asked.stderr.decode()


def test_a_session_that_sail_has_ended_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine ends a session that asks nothing; that is no refusal of the next question."""
    monkeypatch.setenv("SAIL_SPARK__SESSION_TIMEOUT_SECS", "1")
    engine = open_engine("sail")
    try:
        engine.query("select 1 as one", {})
        with pytest.raises(EngineSessionEndedError):
            for pause in (4, 8, 16, 32, 64):
                time.sleep(pause)
                engine.query("select 1 as one", {})
    finally:
        engine.close()
