"""What a request gives, validated and in canonical form: the classes of parameters.

`parameters` declares each parameter once, with its type and its limits. A class here has those that
several endpoints share; the modules of `endpoints` derive theirs from it.
"""

# No `from __future__ import annotations`: Litestar resolves the annotations of a class in the
# module of its subclass, so those of the base classes here must be types and not text.
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, ClassVar, Self, cast, get_type_hints

from litestar.params import PathParameter, QueryParameter

from api.parameters import (
    Bom,
    Bots,
    Compare,
    Days7UpTo90,
    Days30UpTo365,
    End,
    Every,
    EveryDays,
    Form,
    Ids,
    Interval,
    IntervalOfDays,
    Pin,
    Start,
    Tz,
    WholeDays,
)
from api.paths import decoded
from api.periods import Period, known_zone, period
from api.problems import bad_parameter
from api.schemas import Format, IdForm, IdOf
from olap.ids import Id, IdTypes, parse_id


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
    {"days", "hours", "start", "end", "whole_days", "compare", "period"}
    | {"tz", "include_bots", "generation"}
    | {"form", "bom", "ids", "table"}
)


@dataclass(frozen=True, kw_only=True)
class PeriodParameters(Parameters):
    """The parameters of an endpoint with a period; a subclass sets its limits.

    Its answer has what `declaration.endpoint` adds: `is_cut`, and `compared` on request.
    """

    DAYS_DEFAULT: ClassVar[int]
    DAYS_MAX: ClassVar[int]

    days: int | None = None
    start: Start = None
    end: End = None
    whole_days: WholeDays = False
    compare: Compare = None

    def _period(self) -> Period:
        """The period of these parameters."""
        return period(
            days=self.days,
            hours=self._hours(),
            start=self.start,
            end=self.end,
            tz=self.tz,
            default=self.DAYS_DEFAULT,
            days_max=self.DAYS_MAX,
            whole_days=self.whole_days,
            compare=self.compare,
        )

    def _hours(self) -> int | None:
        """The length of the period in hours, where an endpoint has that parameter."""
        return None


@dataclass(frozen=True, kw_only=True)
class Last7Days(PeriodParameters):
    """A period of 7 days by default, and 90 at most."""

    DAYS_DEFAULT = 7
    DAYS_MAX = 90

    days: Days7UpTo90 = None


@dataclass(frozen=True, kw_only=True)
class Last30Days(PeriodParameters):
    """A period of 30 days by default, and 365 at most."""

    DAYS_DEFAULT = 30
    DAYS_MAX = 365

    days: Days30UpTo365 = None


@dataclass(frozen=True, kw_only=True)
class InBuckets(Last30Days):
    """Such a period in hours, days, weeks or months of local time."""

    HAS_BUCKETS = True

    interval: Interval = Every.DAILY


@dataclass(frozen=True, kw_only=True)
class InBucketsOfDays(Last30Days):
    """Such a period in days, weeks or months of local time."""

    HAS_BUCKETS = True

    interval: IntervalOfDays = EveryDays.DAILY
