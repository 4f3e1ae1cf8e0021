"""Errors of PostgreSQL as ours: what failed, why, and what to do next; never a password.

PostgreSQL, libpq and poolers say what happened, and not what to do. A hint is found by words of the
message first, because one SQLSTATE has several causes (42501 is a missing grant and a policy on
rows), then by the SQLSTATE, which an error of connecting does not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import adbc_driver_manager as adbc
import pyarrow as pa

from olap.commands import call
from olap.errors import SourceError, SourceSilentError
from olap.secret import Secret

_HINT_USER = "Check user and password in DATABASE_URL."
_HINT_DATABASE = "Check the database name in DATABASE_URL."
_HINT_STATEMENT_TIMEOUT = "Raise the role's statement_timeout; nothing was changed here."
_HINT_ENCRYPTION = (
    "If the server wants SSL, write sslmode=require in DATABASE_URL; if it wants none, "
    "sslmode=disable. Otherwise pg_hba.conf needs a line for this user, database and address."
)
_HINT_CERTIFICATE = (
    "Name the certificate's authority with sslrootcert= in DATABASE_URL, and the host as the "
    "certificate does; sslmode=require encrypts without checking the certificate."
)
_HINT_POOLER_LIMITS = (
    "Set PgBouncer's query_timeout, idle_transaction_timeout and client_idle_timeout to 0 for this "
    "pool, or read PostgreSQL without it."
)
_HINT_POOL_MODE = (
    "Set the pooler's pool_mode to transaction or session: a transaction needs one session."
)
_HINT_POOL_SIZE = (
    "Give a pooler a pool of two connections more than there are readers (JOBS), or raise its "
    "query_wait_timeout (etl/README.md)."
)

# A policy may hide rows now or after its next change, and nothing would tell.
_HINT_ROW_SECURITY = (
    "Policies of this table may hide rows from the role, so nothing was read. Let the role see "
    "every row: `alter role ... bypassrls` by a superuser. Where nobody may grant that, and the "
    "policies show the role every row, set SOURCE_ROW_SECURITY=trusted (etl/README.md)."
)

# What to do about an error, by words of PostgreSQL, libpq or PgBouncer. The first that fits counts.
_HINTS_BY_WORDS = {
    "row-level security": _HINT_ROW_SECURITY,
    "permission denied for function pg_control": "Run, as a superuser: grant execute on function "
    "pg_control_system(), pg_control_checkpoint() to the role of DATABASE_URL.",
    "invalid byte sequence": "A text at the source is not in the encoding of its database, or the "
    "database has none (SQL_ASCII): correct the text. A database in UTF8 refuses such texts.",
    "statement timeout": _HINT_STATEMENT_TIMEOUT,
    "due to transaction timeout": "The transaction lifts transaction_timeout for itself, and "
    "something set it again: set it to 0 for the role.",
    "query_wait_timeout": _HINT_POOL_SIZE,
    "max_client_conn": "Raise PgBouncer's max_client_conn.",
    "query timeout": _HINT_POOLER_LIMITS,
    "idle transaction timeout": _HINT_POOLER_LIMITS,
    "client_idle_timeout": _HINT_POOLER_LIMITS,
    "statement pooling": _HINT_POOL_MODE,
    "unnamed prepared statement does not exist": _HINT_POOL_MODE,
    "due to administrator command": "PostgreSQL stopped, or somebody ended the session; the next "
    "cycle tries again.",
}

# By SQLSTATE, for errors of a statement.
_HINTS = {
    "28": _HINT_USER,
    "3D": _HINT_DATABASE,
    "42501": "Grant the role SELECT on the messenger's tables (etl/README.md).",
    "42P01": "Check that DATABASE_URL names the messenger's database and its search_path.",
    "42703": "The source does not have the columns that the mapping reads: "
    f"`{call('source check')}`.",
    "42883": "The source does not have the types that the mapping expects: "
    f"`{call('source check')}`.",
    "55P03": "Something holds an exclusive lock (a migration?); the next cycle tries again.",
    "57014": _HINT_STATEMENT_TIMEOUT,
}

# There is no SQLSTATE when libpq cannot connect, or has lost the connection.
_HINTS_WITHOUT_STATE = {
    "unsupported startup parameter": "Leave this parameter out of DATABASE_URL and set it for the "
    "role (alter role … set …), or allow it in PgBouncer's ignore_startup_parameters.",
    "does not support SSL": "The server, or a pooler before it, has no SSL: write sslmode=prefer "
    "or sslmode=disable in DATABASE_URL, or set SSL up there.",
    "SSL required": "Write sslmode=require in DATABASE_URL.",
    "no pg_hba.conf entry": _HINT_ENCRYPTION,
    "pg_hba.conf rejects": _HINT_ENCRYPTION,
    "certificate": _HINT_CERTIFICATE,
    "could not translate host name": "Check the host in DATABASE_URL: its name cannot be resolved.",
    "too many": "Raise the role's CONNECTION LIMIT, or the server's max_connections.",
    "authentication failed": _HINT_USER,
    "no password supplied": _HINT_USER,
    'role "': _HINT_USER,
    "no such user": _HINT_USER,
    'database "': _HINT_DATABASE,
    "no such database": _HINT_DATABASE,
    "timeout expired": "Check host and port in DATABASE_URL, and what lies between: no answer.",
    "closed the connection unexpectedly": "PostgreSQL, a pooler (query_timeout?) or a firewall "
    "ended the connection: its log says why. The next cycle tries again.",
}


@contextmanager
def source_errors(url: Secret, what: str) -> Iterator[None]:
    """Turn the driver's errors into ours: what failed, why, and what to do; never a password.

    Raises:
        SourceSilentError: the watchdog abandoned a call.
        SourceError: anything else that the driver reports.
    """
    try:
        yield
    except TimeoutError as error:
        raise SourceSilentError(
            f"{what}: {url.redact(str(error))}",
            hint="Check PostgreSQL and the network between; the next cycle tries again. "
            "ETL_STALL_SECONDS sets how long a silence may last. " + _HINT_POOL_SIZE,
        ) from None
    except (adbc.Error, pa.ArrowException, OSError) as error:  # the latter two from a stream
        state = getattr(error, "sqlstate", None) or ""
        detail = url.redact(" ".join(str(error).split()))
        raised = SourceError(f"{what}: {detail}", hint=hint_of(state, detail))
        raised.sqlstate, raised.position = state, _position(error)
        raise raised from None


def hint_of(state: str, detail: str) -> str:
    """What to do about an error: by its words, then by its SQLSTATE.

    Args:
        state: the SQLSTATE; empty where PostgreSQL could not be reached.
    """
    by_words = _HINTS_BY_WORDS if state else {**_HINTS_BY_WORDS, **_HINTS_WITHOUT_STATE}
    found = next((hint for words, hint in by_words.items() if words in detail), None)
    found = found or _HINTS.get(state) or _HINTS.get(state[:2])
    return found or "Check that PostgreSQL is up and that DATABASE_URL is right."


def _position(error: Exception) -> int:
    """The index of the character of a statement at which PostgreSQL found an error; or -1."""
    details = dict(getattr(error, "details", None) or ())
    return int(details.get(b"PG_DIAG_STATEMENT_POSITION", b"0")) - 1
