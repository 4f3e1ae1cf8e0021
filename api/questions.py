"""A question: what is asked, by whom it may be seen, and of which generation.

An answer is a pure function of *(generation, metrics and their versions, parameters, scope)*, and
the key says exactly these. `Asked` is the part that does not know a generation: it can be kept, and
asked again of the next one. `Question` is one of them put to one generation.

    analytics:123-9f3ac01b:dashboard:message_stats_v1+…:site:7d~:bots=1:tz=UTC:json

Everything that changes a byte of the answer is in it. The scope is `site` for who sees everything,
`viewer=7` for what user 7 may see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote

from api.answers import Format
from api.generations import Generation
from api.ids import Id
from api.windows import Period, Window
from olap.manifest import naive_utc

KEYS = "analytics:"


class Subject(Protocol):
    """What a question is about: the kind of answer and the metrics it is made of."""

    @property
    def name(self) -> str: ...

    @property
    def metrics(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asks, whatever generation answers.

    Attributes:
        subject: what kind of answer is wanted.
        viewer: the user whose view it is; None sees the whole site.
        period: which time; None where the answer has none.
        include_bots: whether programs count as people.
        parameters: the others, by name, in their one form.
        form: JSON or CSV.
    """

    subject: Subject
    viewer: Id | None
    period: Period | None = None
    include_bots: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    form: Format = Format.JSON
    key: str = field(init=False)

    def __post_init__(self) -> None:
        parts = [self.subject.name, "+".join(self.subject.metrics)]
        parts.append("site" if self.viewer is None else f"viewer={quote(str(self.viewer))}")
        if self.period is not None:
            parts.append(self.period.key)
        parts.append(f"bots={self.include_bots:d}")
        parts += [f"{name}={quote(str(value))}" for name, value in sorted(self.parameters.items())]
        parts.append(self.form)
        object.__setattr__(self, "key", ":".join(parts))

    def of(self, generation: Generation) -> Question:
        """The question, put to a generation.

        Raises:
            Problem: 400, the period is none in this generation.
        """
        window = None if self.period is None else self.period.window(generation.data_through)
        return Question(self, generation, window)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one generation."""

    asked: Asked
    generation: Generation
    window: Window | None

    @property
    def key(self) -> str:
        """Two questions with the same key have the same answer, byte by byte."""
        return f"{self.generation.prefix}{self.asked.key}"

    @property
    def scope(self) -> dict[str, Any]:
        """The parameters that every metric takes."""
        return {"visible_to": self.asked.viewer, "include_bots": self.asked.include_bots}

    @property
    def span(self) -> Window:
        """The window, where there must be one."""
        assert self.window is not None
        return self.window

    def within(self, window: Window | None = None) -> dict[str, Any]:
        """The parameters of a metric that has a period: the window, and the scope."""
        window = window or self.span
        return {
            "since": naive_utc(window.since),
            "until": naive_utc(window.until),
            **self.scope,
        }

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
    def data_through(self) -> datetime:
        return self.generation.data_through

    def __getitem__(self, name: str) -> Any:
        """A parameter by its name; None where it was not given."""
        return self.asked.parameters.get(name)
