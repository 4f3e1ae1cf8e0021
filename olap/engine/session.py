"""Sessions on an engine that speaks Spark Connect: Sail in this process, or a cluster.

`open_engine` is the one place that knows the client (`pyspark-client`) and Sail's server
(`pysail`); both are optional and imported when an engine is opened. A session has temporary views
of its own, the time zone UTC, times as TIMESTAMP with a zone, and ANSI arithmetic, so that an
overflow is an error as it is in DuckDB.

Every call has a deadline, which the client of gRPC keeps: an engine that hangs costs the caller no
more than the timeout, and a query that is given up is cancelled on the engine. No thread belongs to
a session; `close` ends the session, its connection, and Sail's server where this process has one.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from olap.commands import how_to_install
from olap.errors import EngineError, EngineSessionEndedError, EngineUnavailableError

if TYPE_CHECKING:
    import pyarrow as pa

IN_PROCESS = "sail"
TIMEOUT_SECONDS = 600.0
# The first call finds out whether there is an engine.
_CONNECT_SECONDS = 20.0
_CLOSE_SECONDS = 5.0
# What no engine takes for a pattern, a URL or a partition: engines differ in how others are quoted.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./:=@+,~-]+")
_CONFIGURATION = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.ansi.enabled": "true",
}
# Where the engine is, not what it was asked.
_ABSENT = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "UNAUTHENTICATED", "PERMISSION_DENIED"})

# What a session is told that has ended: Sail ends one after five minutes without a question, Spark
# after an hour. An engine that was started again may begin another one, which lacks our views.
_ENDED = re.compile(
    r"INVALID_HANDLE|NO_ACTIVE_SESSION|session \S+ is not running"
    r"|TABLE_OR_VIEW_NOT_FOUND\].*\b(core|lake)_"
)


class Engine(Protocol):
    """A session on an engine; its methods can be called from any thread.

    Every method raises `EngineUnavailableError` where the engine is absent or too slow, and
    `EngineError` where it refuses what it is asked.
    """

    def query(self, sql: str, arguments: Mapping[str, object]) -> pa.Table:
        """The rows of a query, in its order.

        Args:
            arguments: the values of its markers `:name`.
        """
        ...

    def create_view(self, name: str, sql: str) -> None:
        """Create a temporary view of this session, or replace it."""
        ...

    def create_table(self, name: str, rows: pa.Table) -> None:
        """The same of rows that this process has: some thousands."""
        ...

    def create_file_view(self, name: str, paths: Sequence[str], schema: pa.Schema) -> None:
        """Create a temporary view of the rows of these files, exactly these.

        Args:
            paths: absolute, as the engine sees them; without any, the view is empty.
            schema: a column that a file lacks is null.
        """
        ...

    def write_parquet(self, sql: str, arguments: Mapping[str, object], directory: str) -> None:
        """Write the rows of a query as Parquet files into a directory that it makes."""
        ...

    def close(self) -> None:
        """End the session, and the server that was started for it."""
        ...


def open_engine(address: str, *, timeout_seconds: float | None = TIMEOUT_SECONDS) -> Engine:
    """Open a session.

    Args:
        address: `sail` for Sail in this process, else the address of a Spark Connect server, such
            as `sc://host:15002` or `sc://host:443/;token=…;use_ssl=true`.
        timeout_seconds: how long each call may take; None = without a limit.

    Raises:
        EngineError: the address is none, or the client is not installed.
        EngineUnavailableError: nothing answers there.
    """
    if address == IN_PROCESS:
        return _in_process(timeout_seconds)
    if not address.startswith("sc://"):
        raise EngineError(
            f"{address!r} is no address of an engine",
            hint=f"Give `{IN_PROCESS}`, or the address of a Spark Connect server, such as "
            "`sc://host:15002`.",
        )
    return SparkSession(address, timeout_seconds)


def _in_process(timeout_seconds: float | None) -> Engine:
    # Sail writes its log to standard error, as this says for programs in Rust.
    os.putenv("RUST_LOG", "error")
    try:
        from pysail.spark import SparkConnectServer
    except ImportError as error:
        raise _not_installed("pysail") from error
    server = SparkConnectServer()
    server.start(background=True)
    try:
        _, port = server.listening_address
        return SparkSession(f"sc://127.0.0.1:{port}", timeout_seconds, stop=server.stop)
    except BaseException:
        server.stop()
        raise


@contextmanager
def _importable() -> Iterator[None]:
    """Let the client be imported where the main module has no file, as with `python -c`.

    It takes that for a run of its own doctests, which look for Spark's, and ends the process.
    """
    main = sys.modules["__main__"]
    if hasattr(main, "__file__"):
        yield
        return
    main.__file__ = "<string>"
    try:
        yield
    finally:
        del main.__file__


def _not_installed(package: str) -> EngineError:
    return EngineError(
        f"an engine needs the package {package}, which is not installed",
        hint=how_to_install("engine"),
    )


class SparkSession:
    """An `Engine` by Spark Connect; see `open_engine`."""

    def __init__(
        self,
        address: str,
        timeout_seconds: float | None,
        *,
        stop: Callable[[], None] | None = None,
    ) -> None:
        """Open a session.

        Args:
            stop: ends the server, after the session.
        """
        self._address = re.sub(r"(token=)[^;]*", r"\1***", address)
        self._timeout_seconds = timeout_seconds
        self._stop = stop
        self._closing = threading.Lock()
        self._deadlines = _deadlines()
        self._session = self._open(address)
        try:
            with self._failing(_CONNECT_SECONDS):
                for name, value in _CONFIGURATION.items():
                    self._session.conf.set(name, value)
        except BaseException:
            self._end_session()
            raise

    def query(self, sql: str, arguments: Mapping[str, object]) -> pa.Table:
        """See `Engine`."""
        with self._failing(self._timeout_seconds):
            found: pa.Table = self._session.sql(sql, args=dict(arguments)).toArrow()
            return found

    def create_view(self, name: str, sql: str) -> None:
        """See `Engine`."""
        with self._failing(self._timeout_seconds):
            self._session.sql(sql).createOrReplaceTempView(name)

    def create_table(self, name: str, rows: pa.Table) -> None:
        """See `Engine`."""
        with self._failing(self._timeout_seconds):
            self._session.createDataFrame(rows).createOrReplaceTempView(name)

    def create_file_view(self, name: str, paths: Sequence[str], schema: pa.Schema) -> None:
        """See `Engine`."""
        if not paths:
            columns = (f"cast(null as {_type(f.type)}) as {f.name}" for f in schema)
            self.create_view(name, f"select {', '.join(columns)} where false")
            return
        for path in paths:
            _require_plain(path)
        declared = ", ".join(f"{field.name} {_type(field.type)}" for field in schema)
        with self._failing(self._timeout_seconds):
            read = self._session.read.schema(declared).parquet(*paths)
            read.createOrReplaceTempView(name)

    def write_parquet(self, sql: str, arguments: Mapping[str, object], directory: str) -> None:
        """See `Engine`."""
        _require_plain(directory)
        with self._failing(self._timeout_seconds):
            rows = self._session.sql(sql, args=dict(arguments))
            rows.write.mode("error").parquet(directory)

    def close(self) -> None:
        """See `Engine`; it may be called again."""
        with self._closing:
            self._end_session()
            if self._stop is not None:
                self._stop()
                self._stop = None

    def _open(self, address: str) -> Any:
        """A session of the client, which has not called the engine yet."""
        try:
            with warnings.catch_warnings(), _importable():
                # It is about pandas, which is not used.
                warnings.simplefilter("ignore", FutureWarning)
                from pyspark.errors import PySparkException
                from pyspark.sql.connect.client import DefaultChannelBuilder
                from pyspark.sql.connect.session import SparkSession as ClientSession
        except ImportError as error:
            raise _not_installed("pyspark-client") from error
        # They log every error that the client raises.
        for logger in ("pyspark.sql.connect.logging", "SQLQueryContextLogger"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        try:
            channel = DefaultChannelBuilder(address)
        except (PySparkException, ValueError) as error:
            raise EngineError(
                f"{self._address!r} is no address of an engine: {_first_line(str(error))}",
                hint="Give the address of a Spark Connect server, such as `sc://host:15002`.",
            ) from error
        # A load balancer must not take a long query for silence.
        channel.setChannelOption("grpc.keepalive_time_ms", 60_000)
        channel.add_interceptor(self._deadlines)
        session = ClientSession(channel)
        # Reattaching would leave threads behind, and the caller decides whether to ask again.
        session.client.disable_reattachable_execute()
        session.client.set_retry_policies([])
        return session

    def _end_session(self) -> None:
        self._deadlines.of_thread.end = time.monotonic() + _CLOSE_SECONDS
        try:
            self._session.stop()
        finally:
            self._deadlines.of_thread.end = None

    @contextmanager
    def _failing(self, seconds: float | None) -> Iterator[None]:
        """Give the calls of a block a deadline, and translate their errors."""
        from pyspark.errors import PySparkException

        self._deadlines.of_thread.end = None if seconds is None else time.monotonic() + seconds
        try:
            yield
        except PySparkException as error:
            raise self._translated(error, seconds) from error
        except ValueError as error:  # of a closed channel
            raise self._unavailable("the session is closed") from error
        finally:
            self._deadlines.of_thread.end = None

    def _translated(self, error: Any, seconds: float | None) -> EngineError:
        status = getattr(error, "getGrpcStatusCode", lambda: None)()
        name = getattr(status, "name", "")
        said = _first_line(str(error))
        if name == "DEADLINE_EXCEEDED":
            return self._unavailable(f"it did not answer within {seconds:g} seconds")
        if _ENDED.search(said):
            return EngineSessionEndedError(
                f"the engine {self._address} has ended the session: {said}",
                hint="Ask again, in another session.",
            )
        if name in _ABSENT:
            details = re.search(r'details = "([^"]*)"', str(error))
            return self._unavailable(details[1] if details else said)
        return EngineError(
            f"the engine {self._address} refuses a query: {said}",
            hint="It may lack a function or see another DATA_DIR (ENGINE_DATA_DIR); its own log "
            "says more. The published file answers the same question.",
        )

    def _unavailable(self, reason: str) -> EngineUnavailableError:
        return EngineUnavailableError(
            f"the engine {self._address} is not available: {reason}",
            hint="Check that it runs and that this machine reaches it, or ask the published file.",
        )


def _deadlines() -> Any:
    """An interceptor that gives each call of a thread the deadline that the thread has set.

    Its class is made here, because it needs gRPC, which is optional.
    """
    try:
        import grpc
    except ImportError as error:
        raise _not_installed("grpcio") from error

    class Details(grpc.ClientCallDetails):  # type: ignore[misc, unused-ignore]
        def __init__(self, given: Any, timeout: float) -> None:
            self.method = given.method
            self.metadata = given.metadata
            self.credentials = given.credentials
            self.wait_for_ready = given.wait_for_ready
            self.compression = given.compression
            self.timeout = timeout

    class Deadlines(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            self.of_thread = threading.local()

        def _call(self, continuation: Any, details: Any, request: Any) -> Any:
            end = getattr(self.of_thread, "end", None)
            if end is not None:
                details = Details(details, max(0.001, end - time.monotonic()))
            return continuation(details, request)

        intercept_unary_unary = _call
        intercept_unary_stream = _call

    return Deadlines()


def _type(of_column: pa.DataType) -> str:
    """The type of a column in Spark's SQL."""
    import pyarrow.types as is_

    if is_.is_decimal(of_column):
        return f"decimal({of_column.precision},{of_column.scale})"
    found: dict[Callable[[Any], bool], str] = {
        is_.is_boolean: "boolean",
        is_.is_int16: "smallint",
        is_.is_int32: "int",
        is_.is_int64: "bigint",
        is_.is_float64: "double",
        is_.is_date: "date",
        is_.is_timestamp: "timestamp",
        is_.is_string: "string",
        is_.is_binary: "binary",
        is_.is_fixed_size_binary: "binary",
    }
    return next(name for is_type, name in found.items() if is_type(of_column))


def _require_plain(path: str) -> None:
    """Refuse a path that engines would read as something else than its characters.

    Raises:
        EngineError: it has such a character.
    """
    if not _PLAIN_PATH.fullmatch(path):
        raise EngineError(
            f"an engine cannot be given the path {path}: engines take some of its characters for "
            "a pattern or a URL",
            hint="Let ENGINE_DATA_DIR name the same directory by a path of letters, digits and "
            "`_ . / : = @ + , ~ -`, such as a symlink.",
        )


def _first_line(text: str) -> str:
    return " ".join(text.split("JVM stacktrace")[0].split())[:500]
