"""A query: its endpoint, its parameters and its viewer, and then the generation that answers it.

An answer is a pure function of *(generation, metrics and their versions, parameters, scope)*, and
the cache key consists of exactly these:

    analytics:123-9f3ac01b:dashboard:message_stats_v1+…:site:7d~:bots=1:tz=UTC:json

A `Query` is an endpoint, the parameters of a request (`parameter_classes`) and the viewer. It does
not depend on a generation, so it can be kept and run on the next one. A `BoundQuery` is a query
bound to one generation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, Generic, Protocol, TypeVar, cast
from urllib.parse import quote

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import asdict

from api.generations import Generation
from api.parameter_classes import Parameters
from api.periods import Window
from api.problems import Problem
from olap.catalog import Metric, metrics
from olap.ids import Id
from olap.manifest import naive_utc
from olap.reader import Rows


class Ask(Protocol):
    """Runs one metric on the generation of a query."""

    async def __call__(self, metric: str, /, **parameters: Any) -> Rows:
        """The metric's rows, each as a dict by column name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint; `endpoints` declares them.

    Attributes:
        path: below the prefix of the API.
        summary: one line for the OpenAPI document.
        name: the name in cache keys.
        metrics: the metric versions that it reads; a generation without them cannot answer.
        checks: those of `metrics` that only check whether an id of a filter exists.
        is_same_for_members: whether all members get the same answer, which then is cached once.
        parameters: the struct of its parameters.
        answer: the type of the answer.
        compared: the type of the part of it about an earlier period; None without a period.
        compute: from a query to the fields of the answer that the endpoint declares; raises a
            `Problem` where there is none.
        tags: its chapters in the OpenAPI document.
    """

    path: str
    summary: str
    name: str
    metrics: tuple[str, ...]
    checks: tuple[str, ...]
    is_same_for_members: bool
    parameters: type[Parameters]
    answer: type[msgspec.Struct]
    compared: type[msgspec.Struct] | None
    compute: Callable[[Ask, Any], Awaitable[msgspec.Struct]]
    tags: tuple[str, ...]

    @property
    def shown(self) -> tuple[Metric, ...]:
        """The metrics whose numbers the answer shows."""
        by_macro = {metric.macro: metric for metric in metrics()}
        return tuple(by_macro[macro] for macro in self.metrics if macro not in self.checks)

    @property
    def needs(self) -> tuple[str, ...]:
        """The tables without which there is no answer."""
        needs = [metric.needs for metric in self.shown if metric.needs is not None]
        return tuple(need.table for need in needs if not need.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """An endpoint, its parameters, and the viewer; None sees the whole site."""

    endpoint: Endpoint
    viewer: Id | None
    parameters: Parameters
    key: str = field(init=False)

    def __post_init__(self) -> None:
        given = self.parameters
        parts = [self.endpoint.name, "+".join(self.endpoint.metrics)]
        if self.viewer is None:
            parts.append("site")
        elif self.endpoint.is_same_for_members:
            parts.append("members")
        else:
            parts.append(f"viewer={quote(str(self.viewer))}")
        if given.period is not None:
            parts.append(given.period.key)
        parts.append(f"bots={given.include_bots:d}")
        parts += [f"{name}={quote(str(value))}" for name, value in sorted(given.key_parts.items())]
        parts.append(given.output)
        object.__setattr__(self, "key", ":".join(parts))

    @property
    def pin(self) -> int | None:
        """The number of the generation that must answer; None = the one that serves."""
        return self.parameters.generation

    @property
    def queries(self) -> tuple[Query, ...]:
        """Itself, for what asks for one query or for several."""
        return (self,)

    def bind(self, generation: Generation) -> BoundQuery[Any]:
        """The query on one generation.

        Raises:
            Problem: 400, the period is not valid in this generation.
        """
        period = self.parameters.period
        window = None if period is None else period.window(generation.data_through)
        return BoundQuery(query=self, generation=generation, window=window)


P = TypeVar("P", bound=Parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundQuery(Generic[P]):
    """A query on one generation; `window` is its period there."""

    query: Query
    generation: Generation
    window: Window | None

    @property
    def key(self) -> str:
        """The cache key: two queries with the same key have the same answer, byte by byte."""
        return f"{self.generation.prefix}{self.query.key}"

    @property
    def parameters(self) -> P:
        """The parameters, as the endpoint's struct."""
        return cast("P", self.query.parameters)

    @property
    def viewer(self) -> Id | None:
        """The user whose view applies; None sees the whole site."""
        return self.query.viewer

    @property
    def scope(self) -> dict[str, Any]:
        """The parameters that every metric takes."""
        return {
            "visible_to": self.viewer,
            "include_bots": self.query.parameters.include_bots,
        }

    @property
    def span(self) -> Window:
        """The window of a query that has one."""
        assert self.window is not None
        return self.window

    def within(self, window: Window | None = None) -> dict[str, Any]:
        """The parameters of a metric with a period: the window (or another one), and the scope."""
        window = window or self.span
        return {"since": naive_utc(window.since), "until": naive_utc(window.until), **self.scope}

    def of_people(self) -> dict[str, Any]:
        """The parameters of a metric with a period that never counts bots."""
        return {name: value for name, value in self.within().items() if name != "include_bots"}

    async def answer(self, ask: Ask) -> msgspec.Struct:
        """The answer; its parts about the period and an earlier one are of the same generation.

        Raises:
            Problem: there is no answer; it says why.
        """
        endpoint, period = self.query.endpoint, self.parameters.period
        if period is None:
            return await endpoint.compute(ask, self)
        own, compared = await asyncio.gather(endpoint.compute(ask, self), self._compared(ask))
        is_cut = period.is_cut(self.data_through)
        return endpoint.answer(**asdict(own), is_cut=is_cut, compared=compared)

    async def _compared(self, ask: Ask) -> msgspec.Struct | UnsetType | None:
        """The same for the earlier period; None where there is no answer for it.

        There is none where the generation does not have all of that period, or if what the query
        is about, such as a person, did not exist yet.
        """
        endpoint, period = self.query.endpoint, self.parameters.period
        assert period is not None and endpoint.compared is not None
        if period.compare is None:
            return UNSET
        # What begins with the data has nothing earlier, and may be too early to compute with.
        if self.span.since <= self.generation.data_from:
            return None
        window = period.earlier(self.span)
        if not self.generation.has(window.since, window.until):
            return None
        try:
            found = await endpoint.compute(ask, replace(self, window=window))
        except Problem as problem:
            if problem.status_code != HTTPStatus.NOT_FOUND:
                raise
            return None
        names = endpoint.compared.__struct_fields__
        return endpoint.compared(**{name: getattr(found, name) for name in names})

    @property
    def about(self) -> dict[str, Any]:
        """The fields that every answer has besides its own."""
        fields: dict[str, Any] = {
            "generation": self.generation.number,
            "data_through": self.generation.data_through,
        }
        if self.window is not None:
            fields |= {"since": self.window.since, "until": self.window.until}
        return fields

    @property
    def filename(self) -> str:
        """The name of a file with the answer, in characters that every system allows."""
        period = self.parameters.period
        parts = [self.query.endpoint.name, self.parameters.table]
        if self.window is not None:
            parts += [f"{one:%Y%m%dT%H%M%SZ}" for one in (self.window.since, self.window.until)]
        if period is not None and period.compare is not None:
            parts.append(f"compared-{period.compare}")
        parts.append(f"generation-{self.generation.number}")
        return f"{'_'.join(part for part in parts if part is not None)}.csv"

    @property
    def data_through(self) -> datetime:
        """The end of the generation's data, aware UTC."""
        return self.generation.data_through
