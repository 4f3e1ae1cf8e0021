"""The SQL of a role that can read what a mapping reads, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from olap.mapping import SourceMapping

ROLE = "analytics_etl"


def role_sql(mapping: SourceMapping) -> str:
    """Statements for the owner of the messenger's tables.

    A table without a schema is taken to be in `public`.
    """
    needed = _names(t.reads for t in mapping.tables.values() if not t.is_optional)
    optional = _names(t.reads for t in mapping.tables.values() if t.is_optional)
    optional = [name for name in optional if name not in needed]
    schemas = dict.fromkeys(_schema(name) for name in needed)
    lines = [
        "-- role: what the ETL needs and no more; run it as the owner of the messenger's tables",
        f"create role {ROLE} login;  -- and a password, a certificate or a line in pg_hba.conf",
        f"grant usage on schema {', '.join(schemas)} to {ROLE};",
        f"grant select on\n    {_wrapped(needed)}\nto {ROLE};",
        *(f"-- if the messenger has it: grant select on {name} to {ROLE};" for name in optional),
        "-- optional: `status` can then name the session that holds the watermark back",
        f"grant pg_read_all_stats to {ROLE};",
        "-- only where it was revoked from public: what identifies the cluster",
        f"-- grant execute on function pg_control_system(), pg_control_checkpoint() to {ROLE};",
    ]
    return "\n".join(lines)


def _names(reads: Iterable[tuple[str, ...]]) -> list[str]:
    return list(dict.fromkeys(name for names in reads for name in names))


def _schema(name: str) -> str:
    """The schema in a name as SQL writes it: what precedes its last dot outside of quotes."""
    parts = name.split('"')
    for index in range(len(parts) - 1, -1, -1):
        is_quoted = index % 2 == 1
        if not is_quoted and "." in parts[index]:
            before, _, _ = parts[index].rpartition(".")
            return '"'.join([*parts[:index], before]).strip()
    return "public"


def _wrapped(names: list[str]) -> str:
    """Names in lines of at most 100 characters."""
    lines, line = [], ""
    for name in names:
        if line and len(line) + len(name) > 90:
            lines.append(line)
            line = ""
        line += f"{', ' if line else ''}{name}"
    return ",\n    ".join([*lines, line])
