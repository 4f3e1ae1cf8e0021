"""The SELECTs of the ETL and the session they need, for the programs it is compared with.

Every program of the bench that reads PostgreSQL runs the statements of `sql/source/messenger`
unchanged. They take their window from settings of the session, which only `etl.source` knows.
"""

from __future__ import annotations

from typing import Any

import psycopg

from etl.source import MAPPING, Window, session_settings
from olap import sqlfiles
from olap.tables import TABLES

# A first load: all rows of all days.
_SETTINGS = session_settings(Window(watermark=None))


def selects() -> dict[str, str]:
    """The SELECT of each table, by table."""
    return {table: sqlfiles.text(f"{MAPPING}/{table}") for table in TABLES}


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Make the session of `connection` read all rows; it must be in autocommit mode."""
    for name, value in _SETTINGS.items():
        connection.execute("select set_config(%s, %s, false)", (name, value))


def startup_options() -> str:
    """The same settings as the connection option `options`, for clients that connect themselves."""
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in _SETTINGS.items())


def _escaped(value: str) -> str:
    """Escape what separates two options: a space, and the backslash itself."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
