"""The statements of the ETL and the session they need, for the programs it is compared with.

Every program of the bench that reads PostgreSQL runs the statements with which `etl.source` makes a
first load. They take their window from settings of the session.
"""

from __future__ import annotations

import re
from typing import Any

import psycopg

from etl.forms import form_of_rows, statement
from etl.source import ALL_ROWS
from olap import sqlfiles
from olap.mapping import read_mapping
from olap.tables import TABLES

_NO_PLACES = ("", "")


def selects() -> dict[str, str]:
    """The statement of each table of the messenger, by the table's name."""
    mapping = read_mapping("messenger")
    return {
        table.name: statement(form_of_rows(table, ALL_ROWS.watermark), table, mapping)
        for table in TABLES
        if table.name in mapping.tables
    }


def settings() -> dict[str, str]:
    """The session settings with which the statements return all rows, by name."""
    parameters = (*ALL_ROWS.settings, *_NO_PLACES)
    names = re.findall(r"set_config\('([\w.]+)', \$(\d)", sqlfiles.text("source/set_window"))
    return {name: parameters[int(number) - 1] for name, number in names}


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Make the session of `connection`, which is in autocommit mode, read all rows."""
    for name, value in settings().items():
        connection.execute("select set_config(%s, %s, false)", (name, value))


def startup_options() -> str:
    """The same settings as the connection option `options`, for clients that connect themselves."""
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in settings().items())


def _escaped(value: str) -> str:
    """Escape the separator of two options, a space, and the backslash itself."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
