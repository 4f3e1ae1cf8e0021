"""Instants, intervals and series of DuckDB as rules to Spark SQL.

A TIMESTAMP of DuckDB is a TIMESTAMP here, in a session whose zone is UTC. Instants are truncated by
microseconds and by dates: the truncation of Sail 0.7 fails before 1677, and its number of a weekday
is wrong for Sundays. Spark has one type of interval for months and another one for days and smaller
units; where a CASE chooses between both, it makes the third one, of `make_interval`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from olap.engine.spark import cast, marked, not_covered, spark_call, wrapped

_MICROSECONDS = {
    "MICROSECOND": 1,
    "MILLISECOND": 1_000,
    "SECOND": 1_000_000,
    "MINUTE": 60_000_000,
    "HOUR": 3_600_000_000,
    "DAY": 86_400_000_000,
    "WEEK": 604_800_000_000,
}
_MONTHS = {"MONTH": 1, "YEAR": 12}
# Where DuckDB's time_bucket begins to count: 2000-01-03.
_ORIGIN = 946_857_600_000_000
# Microseconds from an instant before all others, in the year -4367, to 1970.
_FIRST = 200_000_000_000_000_000


def _micros(instant: exp.Expr) -> exp.Expr:
    return spark_call("unix_micros", instant)


def _number(instant: exp.Expr, width: int) -> exp.Expr:
    """How many times of this many microseconds lie between `_FIRST` and an instant.

    `div` rounds toward 0, so it must not be given a number below 0.
    """
    since_first = exp.Add(this=_micros(instant), expression=exp.Literal.number(_first(width)))
    return exp.paren(
        exp.IntDiv(this=exp.paren(since_first, copy=False), expression=exp.Literal.number(width)),
        copy=False,
    )


def _first(width: int) -> int:
    return _FIRST // width * width


def _begin(instant: exp.Expr, width: int) -> exp.Expr:
    """The microseconds since 1970 at the begin of a time of this many microseconds."""
    whole = exp.Mul(this=_number(instant, width), expression=exp.Literal.number(width))
    return exp.Sub(this=whole, expression=exp.Literal.number(_first(width)))


def bucket(node: exp.Expr) -> exp.Expr:
    """time_bucket of a constant width."""
    width = _constant(node.this)
    if width is None or node.args.get("origin") or _ORIGIN % width:
        raise not_covered(node)
    return spark_call("timestamp_micros", _begin(node.expression, width))


def _constant(node: exp.Expr) -> int | None:
    """The microseconds of an interval without months; null for any other one."""
    months_and_rest = _literal(node)
    return None if months_and_rest is None or months_and_rest[0] else months_and_rest[1]


def _literal(node: exp.Expr) -> tuple[int, int] | None:
    """The months and the microseconds of a constant interval."""
    if isinstance(node, exp.Paren):
        return _literal(node.this)
    if not isinstance(node, exp.Interval) or not isinstance(node.this, exp.Literal):
        return None
    unit, amount = _unit(node).removesuffix("S"), int(node.this.name)
    if unit in _MONTHS:
        return amount * _MONTHS[unit], 0
    return (0, amount * _MICROSECONDS[unit]) if unit in _MICROSECONDS else None


def _unit(node: exp.Expr) -> str:
    unit = node.args.get("unit")
    return unit.name.upper() if isinstance(unit, exp.Expr) else ""


def interval(node: exp.Expr) -> exp.Expr:
    """A constant interval in parentheses: Sail takes a word after it for another unit."""
    if _literal(node) is None:
        raise not_covered(node)
    return exp.paren(marked(node.copy()), copy=False)


def case(node: exp.Expr) -> exp.Expr:
    """A CASE over intervals: of both kinds it is one interval whose parts are cases."""
    branches = [*(branch.args["true"] for branch in node.args["ifs"]), node.args.get("default")]
    lengths = [_literal(branch) if branch is not None else None for branch in branches]
    known = [length for length in lengths if length is not None]
    if not any(months for months, _ in known) or not any(micros for _, micros in known):
        return node
    if len(known) < len(lengths) or any(micros % _MICROSECONDS["DAY"] for _, micros in known):
        raise not_covered(node)
    months = _chosen(node, [months for months, _ in known])
    days = _chosen(node, [micros // _MICROSECONDS["DAY"] for _, micros in known])
    return spark_call("make_interval", 0, months, 0, days, 0, 0, 0)


def _chosen(case: exp.Expr, values: list[int]) -> exp.Expr:
    made = case.copy()
    for branch, value in zip(made.args["ifs"], values, strict=False):
        branch.set("true", exp.Literal.number(value))
    made.set("default", exp.Literal.number(values[-1]))
    return made


def truncated(node: exp.Expr) -> exp.Expr:
    """date_trunc of an instant, by a unit or by a CASE of units."""
    return _truncated_to(node.this, node.args["unit"])


def _truncated_to(instant: exp.Expr, unit: exp.Expr) -> exp.Expr:
    if isinstance(unit, exp.Paren):
        return _truncated_to(instant, unit.this)
    if isinstance(unit, exp.Case):
        made = unit.copy()
        for branch in made.args["ifs"]:
            branch.set("true", _truncated_to(instant, branch.args["true"]))
        if made.args.get("default") is not None:
            made.set("default", _truncated_to(instant, made.args["default"]))
        return made
    name = unit.name.upper()
    day = cast(instant, "date")
    if name in ("SECOND", "MINUTE", "HOUR"):
        return spark_call("timestamp_micros", _begin(instant, _MICROSECONDS[name]))
    if name == "DAY":
        return cast(day, "timestamptz")
    if name == "WEEK":
        return cast(spark_call("date_sub", day, _days_since_monday(day)), "timestamptz")
    if name == "MONTH":
        before = exp.Sub(this=spark_call("day", day), expression=exp.Literal.number(1))
        return cast(spark_call("date_sub", day, before), "timestamptz")
    raise not_covered(unit)


def _days_since_monday(day: exp.Expr) -> exp.Expr:
    """0 for Monday to 6 for Sunday; dayofweek begins with 1 for Sunday."""
    shifted = exp.Add(this=spark_call("dayofweek", day), expression=exp.Literal.number(5))
    return exp.Mod(this=exp.paren(shifted, copy=False), expression=exp.Literal.number(7))


def weekday(node: exp.Expr) -> exp.Expr:
    """isodow: 1 for Monday to 7 for Sunday."""
    made = exp.Add(this=_days_since_monday(node.this), expression=exp.Literal.number(1))
    return exp.paren(made, copy=False)


def difference(node: exp.Expr) -> exp.Expr:
    """datediff: how many begins of a unit lie between two instants."""
    width = _MICROSECONDS.get(_unit(node))
    if width is None or _unit(node) == "WEEK":
        raise not_covered(node)
    later, earlier = _number(node.this, width), _number(node.expression, width)
    return exp.paren(exp.Sub(this=later, expression=earlier), copy=False)


def days(node: exp.Expr) -> exp.Expr:
    """to_days."""
    return spark_call("make_dt_interval", node.this, 0, 0, 0)


def minutes(node: exp.Expr) -> exp.Expr:
    """to_minutes."""
    return spark_call("make_dt_interval", 0, 0, cast(node.expressions[0], "int"), 0)


def epoch(node: exp.Expr) -> exp.Expr:
    """epoch_us: of an instant, of the time between two instants, or of an interval."""
    (value,) = node.expressions
    inner = value.unnest() if isinstance(value, exp.Paren) else value
    if not _is_interval(inner):
        return _micros(value)
    if isinstance(inner, exp.Sub):
        apart = exp.Sub(this=_micros(inner.this), expression=_micros(inner.expression))
        return exp.paren(apart, copy=False)
    start = cast(exp.Literal.string("1970-01-01 00:00:00"), "timestamptz")
    return _micros(exp.Add(this=start, expression=value.copy()))


def _is_interval(node: exp.Expr, seen: frozenset[str] = frozenset()) -> bool:
    """Whether an instant or an interval is an interval; what only takes part in time is asked."""
    if isinstance(node, exp.Paren):
        return _is_interval(node.this, seen)
    if isinstance(node, exp.Case):
        branches = [branch.args["true"] for branch in node.args["ifs"]]
        return any(_is_interval(branch, seen) for branch in branches)
    if isinstance(node, exp.Sub):
        return not _is_interval(node.expression, seen) or _is_interval(node.this, seen)
    if isinstance(node, exp.Column) and node.name not in seen:
        return any(
            _is_interval(alias.this, seen | {node.name})
            for alias in node.root().find_all(exp.Alias)
            if alias.alias == node.name
        )
    return isinstance(node, (exp.Interval, exp.ToDays)) or (
        isinstance(node, exp.Anonymous)
        and node.name.lower() in ("make_dt_interval", "make_interval", "to_minutes")
    )


def series(node: exp.Expr) -> exp.Expr:
    """generate_series with a positive step; null, of which `explode` makes no row, if empty."""
    start, end, step = (node.args.get(key) for key in ("start", "end", "step"))
    if step is not None and not any(_steps(step)):
        raise not_covered(node)
    begin, last = node.args["start"], node.args["end"]
    steps = [step] if step is not None else []
    if isinstance(start, exp.Literal) and isinstance(end, exp.Literal):
        if int(start.name) > int(end.name):
            raise not_covered(node)
        return spark_call("sequence", begin, last, *steps)
    later = exp.Greatest(this=begin.copy(), expressions=[last.copy()])
    is_any = exp.LTE(this=wrapped(begin), expression=wrapped(last))
    return exp.Case(ifs=[exp.If(this=is_any, true=spark_call("sequence", begin, later, *steps))])


def _steps(step: exp.Expr) -> Iterator[bool]:
    inner = step.unnest() if isinstance(step, exp.Paren) else step
    length = _literal(inner)
    yield length is not None and sum(length) > 0
    yield isinstance(inner, exp.Anonymous) and inner.name == "make_interval"
