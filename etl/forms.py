"""Forms: the statements by which a source table is read, and the shape of the rows they return.

Each table is one SELECT of the mapping (`olap.mapping`). Every way to read it (rows from the
watermark, rows at places, a range of blocks, counts by day, ids, types) is a form in
`sql/source/forms`: a statement over that SELECT, which is its common table expression `mapped`.
PostgreSQL pushes the conditions on `row_version` (xmin) and `place` (ctid) down to the tables; a
test checks the plans.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from olap import sqlfiles
from olap.ids import IdTypes
from olap.mapping import SourceMapping
from olap.tables import Fact, Table, Type

FORMS = "source/forms"


def statement(form: str, table: Table, mapping: SourceMapping) -> str:
    """One of `sql/source/forms` over the table's SELECT: both are whole statements.

    The SELECT is the common table expression `mapped`; a fact also sees `touched`, the rows that
    changed because a row of another table did. The form's identifiers are adapted to the table.
    """
    mapped = mapping.tables[table.name]
    ctes = {"mapped": mapped.select}
    if mapped.is_whole:
        ctes = {"unversioned": mapped.select, "mapped": _form("versionless")}
    if isinstance(table, Fact):
        ctes["touched"] = mapped.touched or _adapted("untouched", table, mapping.ids)
    selects = ",\n".join(f"{name} as not materialized (\n{text}\n)" for name, text in ctes.items())
    text = _adapted(form, table, mapping.ids)
    return f"with {selects}\nselect *\nfrom (\n{text}) as {form}"


def statement_of_places(source_table: str, columns: Mapping[str, str]) -> str:
    """The statement that finds the places of a source table's rows by their keys.

    Args:
        source_table: as SQL writes it.
        columns: the types of the key's columns by their names, both as SQL writes them.
    """
    text = _form("key_places").replace("source_table", source_table)
    typed = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
    text = text.replace("key_column key_type", typed)
    for row in ("source_row", "keys"):
        names = ", ".join(f"{row}.{name}" for name in columns)
        text = text.replace(f"{row}.key_column", names)
    return text


def form_of_rows(table: Table, watermark: int | None) -> str:
    """The form that reads the rows from a watermark on; None reads all of them."""
    if not isinstance(table, Fact):
        return "dimension_rows"
    return "fact_all" if watermark is None else "fact_rows"


def _adapted(form: str, table: Table, ids: IdTypes) -> str:
    """A form with the table's identifiers, columns and types."""
    clamped, changed = expression("source/clamped_time"), expression("source/changed")
    columns = ",\n".join(
        f"{clamped.replace('event_time', name)} as {name}" if name in table.times else name
        for name in table.columns
    )
    types = ",\n".join(f"pg_typeof(mapped.{name})::text as {name}" for name in table.columns)
    text = _form(form).replace("clamped_time", clamped).replace("is_changed", changed)
    text = text.replace("mapped.table_types", types)
    if isinstance(table, Fact):
        text = text.replace("touched_id_type", f"{table.columns[table.touched_by].value}_id_type")
    return re.sub("(fact|dimension)_columns", columns, ids.adapt(table.adapt(text)))


def expression(name: str) -> str:
    """The one expression that `sql/<name>.sql` selects."""
    return sqlfiles.text(name).partition("\nselect\n")[2]


def _form(name: str) -> str:
    return sqlfiles.text(f"{FORMS}/{name}")


# What the driver returns for each type; a uuid is an extension of 16 bytes.
_ARROW_TYPES: Mapping[Type, pa.DataType] = {
    Type.BIGINT: pa.int64(),
    Type.INTEGER: pa.int32(),
    Type.BOOLEAN: pa.bool_(),
    Type.TEXT: pa.string(),
    Type.UUID: pa.uuid(),
    Type.TIME: pa.timestamp("us"),
}


def schema_of(table: Table, ids: IdTypes) -> pa.Schema:
    """The columns of a staged table, times without a zone."""
    types = table.types(ids)
    fields = [pa.field(name, _ARROW_TYPES[type_]) for name, type_ in types.items()]
    return pa.schema([*fields, pa.field("is_new", pa.bool_())])


def key_schema_of(table: Table, ids: IdTypes) -> pa.Schema:
    """The columns of a table's key."""
    schema = schema_of(table, ids)
    return pa.schema([schema.field(name) for name in table.key])


def staged(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch of the source with the types of `schema`.

    Times lose their zone, which is UTC: the bytes are the same, and truncating a TIMESTAMP is 5 to
    20 times faster in DuckDB than a TIMESTAMPTZ. An int4 id becomes as wide as an id is here.
    """
    columns = [
        _converted(column, field) for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _converted(column: pa.Array[Any], field: pa.Field[Any]) -> pa.Array[Any]:
    if column.type == field.type:
        return column
    if pa.types.is_timestamp(column.type):
        return column.view(field.type)
    return column.cast(field.type)
