"""A query: its endpoint, its parameters and its viewer, and then the generation that answers it.

An answer is a pure function of *(generation, metrics and their versions, parameters, scope)*, and
the cache key consists of exactly these:

    analytics:123-9f3ac01b:dashboard:message_stats_v1+…:site:7d~:bots=1:tz=UTC:json

`Parameters` is what a request gives, validated and in canonical form. A `Query` adds the endpoint
and the viewer; it does not depend on a generation, so it can be kept and run on the next one. A
`BoundQuery` is a query bound to one generation.

A period is half-open. `days=7` is the week that ends at the generation's `data_through`. `start`
and `end` are an instant with an offset (`2026-11-01T08:00:00+01:00`) or a date, which means local
midnight in `tz`; an end that is a date includes that day. A later end is moved to `data_through`.
"""

# No `from __future__ import annotations`: Litestar resolves the annotations of a struct in the
# module of its subclass, so those of the base classes here must be types and not text.
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib import resources
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, cast, get_type_hints
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec
from litestar.params import PathParameter, QueryParameter

from api.generations import Generation
from api.parameters import Bom, Bots, Days90, Days365, End, Form, Ids, Pin, Start, Tz
from api.paths import decoded
from api.problems import bad_parameter
from api.schemas import Format, IdForm, IdOf
from olap.catalog import Metric, metrics
from olap.ids import Id, IdTypes, parse_id
from olap.manifest import naive_utc
from olap.reader import Rows
from olap.timezones import zone_names

ONE_DAY = timedelta(days=1)
# A month and a time zone away from the first and the last instant of Python and DuckDB, so that
# every bucket that a period cuts has its own.
_EARLIEST = datetime(2, 1, 1, tzinfo=UTC)
_LATEST = datetime(9998, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """The half-open period of an answer, in aware UTC."""

    since: datetime
    until: datetime

    @property
    def days(self) -> int:
        """The length in days of 24 hours, rounded up."""
        return -((self.since - self.until) // ONE_DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A period as requested, before it is bound to a generation.

    Attributes:
        days: days of 24 hours back from the end; None if there is a start.
        start, end: instants in UTC; without an end the period ends at `data_through`.
        days_max: the longest period that is allowed.
    """

    days: int | None
    start: datetime | None
    end: datetime | None
    days_max: int

    @property
    def key(self) -> str:
        """The same text for the same period, however it was written."""
        start = f"{self.days}d" if self.start is None else self.start.isoformat()
        return f"{start}~{'' if self.end is None else self.end.isoformat()}"

    def window(self, data_through: datetime) -> Window:
        """The period in a generation.

        Raises:
            Problem: 400, it ends before it begins, or is too long.
        """
        until = data_through if self.end is None else min(self.end, data_through)
        if self.start is None:
            assert self.days is not None
            if until - _EARLIEST < self.days * ONE_DAY:
                raise bad_parameter("end", f"is too early for a period of {self.days} days")
            return Window(until - self.days * ONE_DAY, until)
        if self.start > until:
            raise bad_parameter(
                "start", f"is after the end of the period, {until:%Y-%m-%dT%H:%M:%SZ}"
            )
        # A day more than the limit: dates of a leap year, and the hour of a clock change.
        if until - self.start > (self.days_max + 1) * ONE_DAY:
            raise bad_parameter("start", f"is more than {self.days_max} days before the end")
        return Window(self.start, until)


def period(
    *, days: int | None, start: str | None, end: str | None, tz: str, default: int, days_max: int
) -> Period:
    """The period of these parameters, of which `days` is already within its limits.

    Raises:
        Problem: 400, it names the parameter that cannot be used.
    """
    if days is not None and start is not None:
        raise bad_parameter("days", "and start exclude each other: give one of them")
    zone = known_zone(tz)
    first = None if start is None else _instant("start", start, zone, is_end=False)
    last = None if end is None else _instant("end", end, zone, is_end=True)
    # A date as end is the midnight after it, which may be the start itself.
    if first is not None and last is not None and first >= last:
        raise bad_parameter("start", "is not before end")
    back = None if first is not None else (default if days is None else days)
    return Period(days=back, start=first, end=last, days_max=days_max)


def known_zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name.

    Raises:
        Problem: 400, there is no zone of this name.
    """
    if name not in _zone_names():
        raise bad_parameter("tz", "must be an IANA time zone such as Europe/Berlin")
    return _zone(name)


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(zone_names())


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    """From the package tzdata, as `core.tz_spans` is, not from the machine's own files."""
    file = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with file.open("rb") as content:
        return ZoneInfo.from_file(content, key=name)


def _instant(name: str, text: str, zone: ZoneInfo, *, is_end: bool) -> datetime:
    hint = "must be a date (2026-11-01) or an instant with an offset (2026-11-01T08:00:00Z)"
    try:
        if len(text) == 10:
            day = date.fromisoformat(text) + (ONE_DAY if is_end else timedelta(0))
            # fold=0 is the day's first instant, also where midnight is skipped or occurs twice.
            found = datetime.combine(day, time.min, zone).astimezone(UTC)
        else:
            # A plus sign that is not written as %2B arrives as a blank.
            given = datetime.fromisoformat(text.replace(" ", "+"))
            if given.tzinfo is None:
                raise bad_parameter(name, f"has no offset: it {hint}")
            found = given.astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad_parameter(name, hint) from None
    if not _EARLIEST <= found <= _LATEST:
        raise bad_parameter(name, "is outside the years 2 to 9998")
    return found


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The parameters that every endpoint has; the structs in `endpoints` add their own.

    Litestar creates one per request, with ids as text. A field is part of the cache key unless the
    base classes here put it there in another way.

    Attributes:
        HAS_BUCKETS: whether the answer depends on `tz` itself, and not only through dates.
        form: the format; None until `resolved`.
        period: the period; None for an endpoint without one.
    """

    HAS_BUCKETS: ClassVar[bool] = False

    tz: Tz = "UTC"
    include_bots: Bots = True
    generation: Pin = None
    form: Form = None
    bom: Bom = False
    ids: Ids = IdForm.NUMBER
    period: Period | None = field(init=False)

    def __post_init__(self) -> None:
        """Validate what Litestar has not.

        Raises:
            Problem: 400, it names the parameter that cannot be used.
        """
        object.__setattr__(self, "period", self._period())

    def resolved(self, ids: IdTypes, accepts: Format) -> Self:
        """The parameters with ids in place of the texts that spell them, and with a format.

        Args:
            ids: the types of the messenger's ids.
            accepts: the format where no parameter gives one.

        Raises:
            Problem: 400, it names the parameter that spells no id of its type.
        """
        found: dict[str, Id | Format] = {"form": self.form or accepts}
        for name, (kind, is_in_path) in self.id_parameters().items():
            text = getattr(self, name)
            if text is not None:
                try:
                    found[name] = parse_id(ids.of(kind), decoded(text) if is_in_path else text)
                except ValueError as error:
                    raise bad_parameter(name, str(error)) from None
        return replace(self, **cast("dict[str, Any]", found))

    def _period(self) -> Period | None:
        """The period; an endpoint without one only has a zone to validate."""
        known_zone(self.tz)
        return None

    @property
    def table(self) -> str | None:
        """The table of the answer that CSV shows, where the answer has several."""
        return None

    @property
    def output(self) -> str:
        """What the bytes of an answer depend on besides its content, in the cache key."""
        if self.form is Format.CSV:
            parts = ["csv", self.table, "bom" if self.bom else None]
        else:
            parts = ["json", None if self.ids is IdForm.NUMBER else f"ids={self.ids}"]
        return "+".join(part for part in parts if part is not None)

    @property
    def key_parts(self) -> dict[str, Any]:
        """The parameters in the cache key by their names, without those that were not given."""
        elsewhere = _ELSEWHERE_IN_KEY - {"tz"} if self.HAS_BUCKETS else _ELSEWHERE_IN_KEY
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        return {k: v for k, v in given.items() if k not in elsewhere and v is not None}

    @classmethod
    def query_names(cls) -> frozenset[str]:
        """The names of the query parameters, as a URL has them."""
        hints = get_type_hints(cls, include_extras=True)
        return frozenset(
            found.name or name
            for name, hint in hints.items()
            for found in getattr(hint, "__metadata__", ())
            if isinstance(found, QueryParameter)
        )

    @classmethod
    @cache
    def id_parameters(cls) -> dict[str, tuple[str, bool]]:
        """The parameters that are ids: of what kind, and whether the path has them."""
        found: dict[str, tuple[str, bool]] = {}
        for name, hint in get_type_hints(cls, include_extras=True).items():
            metadata = getattr(hint, "__metadata__", ())
            is_in_path = any(isinstance(one, PathParameter) for one in metadata)
            found.update(
                (name, (one.kind, is_in_path)) for one in metadata if isinstance(one, IdOf)
            )
        return found


# `Query.key` contains the period, the bots and the output; no key contains a pinned generation.
_ELSEWHERE_IN_KEY = frozenset(
    {"days", "start", "end", "period", "tz", "include_bots", "generation"}
    | {"form", "bom", "ids", "table"}
)


@dataclass(frozen=True, kw_only=True)
class PeriodParameters(Parameters):
    """The parameters of an endpoint with a period; a subclass sets its limits."""

    DAYS_DEFAULT: ClassVar[int]
    DAYS_MAX: ClassVar[int]

    days: int | None = None
    start: Start = None
    end: End = None

    def _period(self) -> Period:
        """The period of these parameters."""
        return period(
            days=self.days,
            start=self.start,
            end=self.end,
            tz=self.tz,
            default=self.DAYS_DEFAULT,
            days_max=self.DAYS_MAX,
        )


@dataclass(frozen=True, kw_only=True)
class Last7Days(PeriodParameters):
    """A period of 7 days by default, and 90 at most."""

    DAYS_DEFAULT = 7
    DAYS_MAX = 90

    days: Days90 = None


@dataclass(frozen=True, kw_only=True)
class Last30Days(PeriodParameters):
    """A period of 30 days by default, and 365 at most."""

    DAYS_DEFAULT = 30
    DAYS_MAX = 365

    days: Days365 = None


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
        parameters: the struct of its parameters.
        answer: the type of the answer.
        compute: from a query to the answer; raises a `Problem` where there is none.
        tags: its chapters in the OpenAPI document.
    """

    path: str
    summary: str
    name: str
    metrics: tuple[str, ...]
    checks: tuple[str, ...]
    parameters: type[Parameters]
    answer: type[msgspec.Struct]
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
        parts.append("site" if self.viewer is None else f"viewer={quote(str(self.viewer))}")
        if given.period is not None:
            parts.append(given.period.key)
        parts.append(f"bots={given.include_bots:d}")
        parts += [f"{name}={quote(str(value))}" for name, value in sorted(given.key_parts.items())]
        parts.append(given.output)
        object.__setattr__(self, "key", ":".join(parts))

    def bind(self, generation: Generation) -> "BoundQuery[Any]":
        """The query on one generation.

        Raises:
            Problem: 400, the period is not valid in this generation.
        """
        period = self.parameters.period
        return BoundQuery(
            query=self,
            generation=generation,
            window=None if period is None else period.window(generation.data_through),
        )


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

    def last_hours(self, hours: int) -> Window:
        """The window of so many hours before `data_through`."""
        return Window(self.data_through - timedelta(hours=hours), self.data_through)

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
        parts = [self.query.endpoint.name, self.parameters.table]
        if self.window is not None:
            parts += [f"{one:%Y%m%dT%H%M%SZ}" for one in (self.window.since, self.window.until)]
        parts.append(f"generation-{self.generation.number}")
        return f"{'_'.join(part for part in parts if part is not None)}.csv"

    @property
    def data_through(self) -> datetime:
        """The end of the generation's data, aware UTC."""
        return self.generation.data_through
