"""The endpoints about the data themselves: which generation serves, and what its numbers mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import msgspec

from api.endpoints.declaration import endpoint
from api.parameter_classes import Parameters
from api.parameters import CatalogTable, CatalogTables
from api.query import Ask, BoundQuery, Endpoint
from olap import timezones
from olap.catalog import metrics
from olap.days import DayRange
from olap.ids import IdType
from olap.lookalikes import LOOKALIKES


class KeptDays(msgspec.Struct, kw_only=True):
    """UTC days that are kept, the first and the last included; null = without an end."""

    first_day: date | None
    last_day: date | None


class MissingTable(msgspec.Struct, kw_only=True):
    """A table that the messenger does not keep, and why."""

    table: str
    reason: str


class TypesOfIds(msgspec.Struct, kw_only=True):
    """How this messenger writes ids."""

    user: IdType
    conversation: IdType
    event: IdType


class ServingGeneration(msgspec.Struct, kw_only=True):
    """`GET /generation`."""

    generated_at: datetime
    proved_at: datetime | None
    coverage: list[KeptDays]
    first_day: date | None
    zones: list[str]
    zones_release: str
    mapping: str
    id_types: TypesOfIds
    inexact: list[str]
    not_available: list[MissingTable]
    generation: int
    data_through: datetime


@endpoint(
    "/generation",
    "Which generation answers, and what it has",
    metrics=(),
    is_same_for_members=True,
)
async def generation(_: Ask, query: BoundQuery[Parameters]) -> ServingGeneration:
    """The generation that answers now, for a page that then pins it in every request.

    `proved_at`: every day of every table has been compared with the source since then, row by row;
    null = not all have been yet. `coverage`: the days that are kept. `first_day`: the first UTC day
    with data, before which nothing is compared; null if there are none. `zones`: what `tz` accepts,
    from this release of the tz database. `inexact`: what this messenger cannot tell exactly, by its
    mapping. `not_available`: the tables that it lacks.
    """
    found, ids = query.generation, query.generation.shape.ids
    return ServingGeneration(
        generated_at=found.generated_at,
        proved_at=found.proved_at,
        coverage=[_kept(days) for days in found.coverage.ranges],
        first_day=found.first_day,
        zones=list(timezones.zone_names()),
        zones_release=timezones.VERSION,
        mapping=found.shape.mapping,
        id_types=TypesOfIds(user=ids.user, conversation=ids.conversation, event=ids.event),
        inexact=list(found.shape.inexact),
        not_available=[
            MissingTable(table=table, reason=reason) for table, reason in found.missing.items()
        ],
        **query.about,
    )


def _kept(days: DayRange) -> KeptDays:
    return KeptDays(
        first_day=None if days.first == date.min else days.first,
        last_day=None if days.last == date.max else days.last,
    )


@dataclass(frozen=True, kw_only=True)
class CatalogParameters(Parameters):
    """The parameters of `/catalog`."""

    table: CatalogTables = CatalogTable.METRICS


class MetricVersion(msgspec.Struct, kw_only=True):
    """One version of one metric."""

    metric: str
    version: int
    is_newest: bool
    definition: str
    grain: str
    scope: str
    needs: str | None
    rules: str
    parameters: list[str]
    statement: str
    endpoints: list[str]
    fingerprint: str
    not_available: str | None


class DifferingNumbers(msgspec.Struct, kw_only=True):
    """Two numbers that look alike, and why they differ."""

    metric: str
    column: str
    other_metric: str
    other_column: str
    reason: str


class Catalog(msgspec.Struct, kw_only=True):
    """`GET /catalog`."""

    metrics: list[MetricVersion]
    lookalikes: list[DifferingNumbers]
    generation: int
    data_through: datetime


def catalog_of(endpoints: Sequence[Endpoint]) -> Endpoint:
    """The endpoint `/catalog`, which names for each metric those of these that show it."""
    needs = {metric.macro: str(metric.needs) for metric in metrics() if metric.needs}
    paths: dict[str, list[str]] = {}
    for one in endpoints:
        for metric in one.shown:
            paths.setdefault(metric.macro, []).append(one.path.replace(":str}", "}"))

    @endpoint("/catalog", "What every number means", metrics=(), is_same_for_members=True)
    async def catalog(_: Ask, query: BoundQuery[CatalogParameters]) -> Catalog:
        """Every version of every metric: what it means, and how the published file gives it.

        `statement` gives the numbers in the published file; replace each `$name` by the value, as
        a literal (`timestamp '2026-11-01 00:00:00'`) or bound by its name; `visible_to` is null for
        an administrator, else the id of the member. `endpoints` show it. `not_available`: what is
        missing because the source lacks a table. `lookalikes` are numbers that look alike and
        differ, with the reason.
        """
        return Catalog(
            metrics=[
                MetricVersion(
                    metric=found.name,
                    version=found.version,
                    is_newest=found.is_newest,
                    definition=found.definition,
                    grain=found.grain,
                    scope=found.scope,
                    needs=needs.get(found.macro),
                    rules=found.rules,
                    parameters=found.parameters,
                    statement=found.statement,
                    endpoints=paths.get(found.macro, []),
                    fingerprint=found.fingerprint,
                    not_available=found.not_available,
                )
                for found in query.generation.catalog
            ],
            lookalikes=[
                DifferingNumbers(
                    metric=pair.metric,
                    column=pair.column,
                    other_metric=pair.other_metric,
                    other_column=pair.other_column,
                    reason=pair.reason,
                )
                for pair in LOOKALIKES
            ],
            **query.about,
        )

    return catalog
