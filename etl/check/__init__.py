"""The check: what a mapping makes of a database, before anything is copied.

Each table is tried by itself, in the transaction of a cycle, so what is found here is what a cycle
would find; but one defect does not end the check, and one run names all. It has three steps:

* `sources` reads the catalog: do the tables exist, and may the role read them?
* `drafts` plans the SELECTs: do they return what is declared?
* `trial` opens the transaction of a cycle for each table, asks for the plans of its forms
  (`plans`), and reads at most about 100,000 rows (`rows`).

Nothing is written anywhere.
"""

from __future__ import annotations

from dataclasses import replace

from etl.check.drafts import Draft, drafted, id_findings
from etl.check.findings import CheckedTable, Finding, Findings, Level, SourceCheck
from etl.check.sources import Sources, relation_findings, server_findings
from etl.check.trial import Examiner
from etl.survey import open_survey
from olap.mapping import SourceMapping, read_mapping
from olap.secret import Secret
from olap.settings import Settings
from olap.tables import MESSAGES, TABLES, Table

__all__ = ["CheckedTable", "Finding", "Level", "SourceCheck", "check_source"]

# A first load takes about twice as long as its reading (tests/bench/README.md).
LOAD_FACTOR = 2


def check_source(settings: Settings, url: Secret) -> SourceCheck:
    """Check the mapping against the source.

    Raises:
        MappingError: the mapping cannot be read.
        SourceError: PostgreSQL cannot be reached.
    """
    mapping = read_mapping(settings.source_mapping)
    found = Findings(mapping.name)
    with open_survey(url, settings) as survey:
        (server,) = survey.ask("source/check/server")
        sources = Sources.read(survey, mapping)
        drafts: dict[str, Draft | None] = {}
        for table in TABLES:
            mapped = mapping.tables.get(table.name)
            if mapped is not None and not sources.absence(mapped):
                drafts[table.name] = drafted(survey, table, mapping, sources, found)
            if table == MESSAGES and not _is_sound(drafts.get(table.name)):
                mapping = _without_followers(mapping)
    found.add(*server_findings(server), *relation_findings(sources, mapping, settings))
    found.add(*id_findings(mapping, [draft for draft in drafts.values() if draft]))
    if any(row["hides_rows"] for row in sources.rows.values()):
        # That is named already; what else is wrong?
        settings = replace(settings, source_row_security="trusted")
    examiner = Examiner(settings, url, mapping, sources, found)

    def checked(table: Table) -> CheckedTable:
        mapped = mapping.tables.get(table.name)
        if mapped is None:
            return CheckedTable(name=table.name, absence="the mapping does not have it")
        draft = drafts.get(table.name)
        if draft is None or server["forbidden_functions"]:
            absence = sources.absence(mapped)
            return CheckedTable(name=table.name, absence=absence, is_whole=mapped.is_whole)
        return examiner.examine(draft)

    # Messages first: then it is known which column is their text, wherever else it appears.
    tables = {table.name: checked(table) for table in sorted(TABLES, key=lambda t: t != MESSAGES)}
    seconds = [table.load_seconds for table in tables.values() if not table.absence]
    known = [one for one in seconds if one is not None]
    return SourceCheck(
        mapping=mapping.name,
        ids=mapping.ids,
        inexact=mapping.inexact,
        version=server["version"],
        role=server["role"],
        database=server["database"],
        relations=sources.checked(mapping),
        tables=tuple(tables[table.name] for table in TABLES),
        findings=found.in_order(),
        load_seconds=LOAD_FACTOR * sum(known) if len(known) == len(seconds) else None,
    )


def _is_sound(draft: Draft | None) -> bool:
    """Whether a SELECT returns all that it must."""
    return draft is not None and not draft.is_patched and not draft.replaced


def _without_followers(mapping: SourceMapping) -> SourceMapping:
    """The mapping with each table by itself: a defect of the messages is named once, as theirs."""
    tables = {
        name: replace(mapped, touched=None) if mapped.follows else mapped
        for name, mapped in mapping.tables.items()
    }
    return replace(mapping, tables=tables)
