"""Forms: the statements by which a source table is read, and the shape of the rows they return.

Each table is one SELECT in `sql/source/messenger`. Every way to read it (rows from the watermark, a
range of blocks, counts by day, ids, types) is a form in `sql/source/forms`: a statement over that
SELECT, which is its common table expression `mapped`. PostgreSQL pushes the conditions on
`row_version` (xmin) and `place` (ctid) down to the table; a test checks the plan of a range.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from olap import sqlfiles
from olap.tables import MESSAGES, Fact, Table, Type

MAPPING = "source/messenger"
FORMS = "source/forms"


def statement(form: str, table: Table) -> str:
    """One of `sql/source/forms` over the table's SELECT: both are whole statements.

    The SELECT is the common table expression `mapped`; a fact about messages also sees the SELECT
    of the messages, as `messages_mapped`. The form's identifiers are adapted to the table.
    """
    ctes = {"mapped": select(table)}
    if isinstance(table, Fact) and table.is_about_message:
        ctes["messages_mapped"] = select(MESSAGES)
    clamped = sqlfiles.text("source/clamped_time").partition("\nselect\n")[2]
    columns = ",\n".join(
        f"{clamped.replace('event_time', name)} as {name}" if name in table.times else name
        for name in table.columns
    )
    selects = ",\n".join(f"{name} as not materialized (\n{text})" for name, text in ctes.items())
    types = ",\n".join(f"pg_typeof(mapped.{name})::text as {name}" for name in table.columns)
    text = table.adapt(sqlfiles.text(f"{FORMS}/{form}"))
    text = re.sub("(fact|dimension)_columns", columns, text).replace("mapped.table_types", types)
    return f"with {selects}\n{text}"


def source_tables(table: Table) -> tuple[str, ...]:
    """The source tables in the `reads:` line of a SELECT; the first one has the rows' places."""
    found = re.search(r"^-- reads: (.+)$", select(table), re.MULTILINE)
    assert found is not None, table.name
    return tuple(name.strip() for name in found[1].split(","))


def select_name(table: Table) -> str:
    """The name of the file with the table's SELECT."""
    return f"{MAPPING}/{table.name}"


def select(table: Table) -> str:
    """The table's SELECT."""
    return sqlfiles.text(select_name(table))


def form_of_rows(table: Table) -> str:
    """The form that reads the rows of a window."""
    if not isinstance(table, Fact):
        return "dimension_rows"
    return "message_fact_rows" if table.is_about_message else "fact_rows"


# What the driver returns for each type; a uuid is an extension of 16 bytes.
_ARROW_TYPES: Mapping[Type, pa.DataType] = {
    Type.BIGINT: pa.int64(),
    Type.INTEGER: pa.int32(),
    Type.BOOLEAN: pa.bool_(),
    Type.TEXT: pa.string(),
    Type.UUID: pa.uuid(),
    Type.TIME: pa.timestamp("us", "UTC"),
}


def schema_of(table: Table) -> pa.Schema:
    """The columns of a staged table, times without a zone."""
    fields = [pa.field(name, _ARROW_TYPES[type_]) for name, type_ in table.columns.items()]
    return without_zone(pa.schema([*fields, pa.field("is_new", pa.bool_())]))


def without_zone(schema: pa.Schema) -> pa.Schema:
    """The schema with its times without a zone."""
    return pa.schema(
        [field.with_type(pa.timestamp("us")) if _has_zone(field) else field for field in schema]
    )


def without_zones(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its times in UTC without a zone, which is what a TIMESTAMP is here.

    The bytes are the same; truncating a TIMESTAMP is 5 to 20 times faster in DuckDB.
    """
    columns = [
        column.view(pa.timestamp("us")) if _has_zone(field) else column
        for field, column in zip(batch.schema, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=without_zone(batch.schema))


def _has_zone(field: pa.Field[Any]) -> bool:
    return pa.types.is_timestamp(field.type) and field.type.tz is not None
