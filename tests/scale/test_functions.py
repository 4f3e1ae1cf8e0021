"""Functions, operators and casts give the same values on Sail as in DuckDB."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp, parse_one

from olap.engine.functions import KNOWN, translated
from olap.engine.session import Engine
from olap.errors import TranslationError

_ROWS = 400
_AS_NUMBER = {"TIMESTAMP": "epoch_us({0})", "DATE": "{0} - date '1970-01-01'"}
_EDGES = (
    datetime(1, 1, 1),
    datetime(1582, 10, 10, 23, 59, 59, 999999),
    datetime(1677, 9, 21),
    datetime(1969, 12, 28, 12, 0, 0, 1),
    datetime(1969, 12, 31, 23, 59, 59, 999999),
    datetime(1970, 1, 1),
    datetime(2024, 2, 29, 23, 45),
    datetime(2024, 3, 31, 1, 0),
    datetime(2026, 11, 22, 23, 59, 59, 999999),
    datetime(2262, 4, 12),
    datetime(9998, 12, 31, 23, 59, 59, 999999),
)

ROWS = (
    # whole numbers
    "small // 7",
    "small % 7",
    "-small // 7",
    "cast(large as hugeint) * 20000 // nullif(cast(large as hugeint) * 2, 0)",
    "cast(coalesce((cast(small as hugeint) * 20 + people) // nullif(cast(people as hugeint), 0), 0)"
    " as decimal(18, 0)) * cast(0.1 as decimal(2, 1))",
    "cast(coalesce((cast(people as hugeint) * 200 * 86400000000 + 7) // nullif(people * 2, 0), 0)"
    " as decimal(18, 0)) * cast(0.01 as decimal(3, 2))",
    "people / nullif(small, 0)",
    "coalesce(people / nullif(small, 0), 0)",
    "greatest(small, people)",
    "least(small, people, 5)",
    "greatest(large, small, 0)",
    "nullif(small, 3)",
    "cast(is_it as integer) + 2 * cast(small > 0 as utinyint)",
    "cast(large as bigint)",
    # masks
    "low | high",
    "low & high",
    "((low & high) | (high & low)) <> 0",
    "bit_count(low)",
    "xor(low, high)",
    "xor(low + 1, high)",
    "low >> 12",
    "people >> 12",
    "people & 4095",
    "(cast(1 as ubigint) << cast(people % 49 as ubigint)) - cast(1 as ubigint)",
    "(low & 7) << (48 - people % 4)",
    "cast(low & (cast(15 as ubigint) << cast(4 * (people % 12) as ubigint)) <> 0 as integer)",
    "cast(1 as ubigint) << ((hour(instant) % 12) * 4 + minute(instant) // 15)",
    # comparisons
    "words is distinct from 'system'",
    "words is not distinct from 'text'",
    "is_it is not true",
    "coalesce(is_it, false) and small > 0",
    "case when is_it then small when not is_it then people end",
    "small between -3 and 3",
    # instants
    "time_bucket(interval 15 minutes, instant)",
    "time_bucket(interval 15 minutes, instant + interval 15 minutes - interval 1 microsecond)",
    "date_trunc('hour', instant)",
    "date_trunc('day', instant)",
    "date_trunc('week', instant)",
    "date_trunc('month', instant)",
    "date_trunc(case words when 'text' then 'month' when 'image' then 'week' else 'day' end,"
    " instant)",
    "isodow(instant)",
    "hour(instant) * 100 + minute(instant)",
    "cast(instant as date)",
    "cast(cast(instant as date) as timestamp)",
    "cast(instant as date) + cast(instant > cast(cast(instant as date) as timestamp) as integer)",
    "greatest(cast(instant as date), cast(later as date))",
    "greatest(instant, later)",
    "least(instant, later, timestamp '2020-01-01')",
    "epoch_us(instant)",
    "epoch_us(later - instant)",
    "epoch_us(later - instant) // 1000000",
    "epoch_us(later) - epoch_us(instant)",
    "later - instant < interval 24 hours",
    "datediff('minute', instant, later)",
    "datediff('hour', later, instant)",
    "datediff('day', instant, later)",
    "instant + interval 1 month",
    "instant - interval 40 days",
    "instant - interval 1 microsecond",
    "instant - to_days(cast(people % 70 as integer))",
    "instant - to_days(case words when 'text' then 64 when 'image' then 16 else 4 end)",
    "instant + to_minutes(cast(small as integer))",
    "instant + case words when 'text' then interval 1 month when 'image' then interval 7 days"
    " else interval 1 day end",
    # lists and structs
    "[small, people][1]",
    "[small, people][2]",
    "[small, people][3]",
    "[small, people, 7][hour(instant) % 4 + 1]",
    "[small, people, 7][hour(instant) + 1]",
    "{'text': small, 'file': words}",
)

AGGREGATES = (
    "count(*)",
    "count(small)",
    "count(distinct people)",
    "count(*) filter (where is_it)",
    "count(distinct people) filter (where not is_it)",
    "sum(small)",
    "sum(large)",
    "sum(small) filter (where is_it)",
    "coalesce(sum(small) filter (where small > 1000), 0)",
    "min(instant)",
    "max(later) filter (where is_it)",
    "bool_or(is_it and small > 0)",
    "bool_or(is_it) filter (where small is null)",
    "coalesce(bit_or(low) filter (where is_it), 0)",
    "bit_or(low)",
    "any_value(case when words = 'text' then part end)",
    "min(small) filter (where small * 2 >= people)",
    "sum(cast(low & 15 <> 0 as integer))",
    "quantile_disc(people, 0.5)",
    "quantile_disc(people, [0.5, 0.9])",
    "quantile_disc(people, [0.5, 0.9])[1]",
    "quantile_disc(people, [0.5, 0.9])[2]",
    "bit_count(bitstring_agg(people & 4095, 0, 4095))",
    "bitstring_agg(case when small > 1000 then people & 4095 end, 0, 4095) is null",
)

_SETS = """
    with sets as (
        select part, words, bitstring_agg(case when is_it then people & 4095 end, 0, 4095) as bits
        from given group by part, words
    )
"""
QUERIES = (
    # a set for each row of the window, null before the first that is none
    f"""{_SETS}
    select part, words, bit_count(bits), bit_count(bit_or(bits) over (
        partition by part order by words rows 2 preceding
    )) from sets order by part, words""",
    f"{_SETS} select part, bit_count(bit_or(bits)) from sets group by part order by part",
    f"""{_SETS}
    select sets.part, sets.words, bit_count(sets.bits & others.bits)
    from sets inner join sets as others on sets.part = others.part - 1 and sets.words = others.words
    order by sets.part, sets.words""",
    f"""{_SETS}
    select given.number, get_bit(sets.bits, given.people & 4095) = 1
    from given inner join sets on given.part = sets.part and given.words = sets.words
    where given.people is not null order by given.number""",
    """select number, unnest(generate_series(
        date_trunc('day', instant), instant + to_days(cast(small % 4 as integer)), interval 1 day
    )) as day_at from given order by number, day_at""",
    """select number, unnest(generate_series(
        date_trunc('month', instant) - interval 1 month, instant,
        case words when 'text' then interval 1 month when 'image' then interval 7 days
        else interval 1 day end
    )) as day_at from given order by number, day_at""",
    """select number, unnest(generate_series(
        time_bucket(interval 15 minutes, instant), least(later, instant + interval 2 hours)
        - interval 1 microsecond, interval 15 minutes
    )) as day_at from given order by number, day_at""",
    "select number, unnest([instant, later]) as instant_at from given order by number, instant_at",
    """select cast(hours.number // 24 + 1 as bigint), cast(hours.number % 24 as bigint)
    from (select unnest(generate_series(0, 167)) as number) as hours order by hours.number""",
    """select number, lag(small) over in_part, lead(instant) over in_part,
        row_number() over (partition by part order by number desc),
        first_value(case when is_it then small end ignore nulls) over (
            partition by part order by number rows between 2 following and unbounded following
        ),
        sum(people) over (partition by part order by number),
        count(*) over ()
    from given window in_part as (partition by part order by number) order by number""",
    """select number, epoch_us(pause) // 1000000, pause < interval 24 hours from (
        select number, case when small > 0 then later - instant end as pause from given
    ) as paused order by number""",
    "select number, small from given order by small, number",
    "select number, words from given order by words desc, number",
    "select number, instant from given order by instant desc nulls last, is_it nulls first, number",
    """select hours.number, hours.later = hours.instant + interval 1 hour and hours.number > 5
    from given as hours order by hours.number""",
    "select words, count(*) as amount from given group by words order by words nulls first",
)


class Both:
    """DuckDB and an engine with the same table `given`."""

    def __init__(self, engine: Engine, directory: Path, seed: int) -> None:
        self._engine = engine
        self._connection = duckdb.connect()
        self._connection.execute(
            """
            create table given (
                number integer, part integer, small integer, people integer, large bigint,
                low ubigint, high ubigint, is_it boolean, words varchar, instant timestamp,
                later timestamp
            )
            """
        )
        self._connection.executemany(
            f"insert into given values ({', '.join('?' * 11)})", _given(random.Random(seed))
        )
        path = directory / f"given_{seed}.parquet"
        self._connection.execute(
            f"""
            copy (
                select * replace (
                    cast(low as bigint) as low, cast(high as bigint) as high,
                    cast(cast(instant as varchar) || '+00' as timestamptz) as instant,
                    cast(cast(later as varchar) || '+00' as timestamptz) as later
                ) from given
            ) to '{path}'
            """
        )
        engine.create_file_view("given", [str(path)], pq.read_schema(path))

    def compare(self, query: str) -> None:
        """Fail where a query of DuckDB has other rows, or another order, on the engine."""
        text = translated(parse_one(query, read="duckdb")).sql("spark")
        ours = self._rows(query)
        theirs = _rows_of(self._engine.query(text, {}))
        assert [tuple(map(_plain, row)) for row in theirs] == [
            tuple(map(_plain, row)) for row in ours
        ], text

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of DuckDB; times as numbers: Python has none before the year 1."""
        columns = self._connection.execute(f"describe {query}").fetchall()
        names = [f"column_{place}" for place in range(len(columns))]
        shown = ", ".join(
            _AS_NUMBER.get(kind, "{0}").format(name)
            for name, (_, kind, *_) in zip(names, columns, strict=True)
        )
        return self._connection.execute(
            f"select {shown} from ({query}) as found ({', '.join(names)})"
        ).fetchall()


def _given(rng: random.Random) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for number in range(_ROWS):
        instant = rng.choice([*_EDGES, *[_instant(rng) for _ in range(40)]])
        apart = int(86_400_000_000 * rng.uniform(-2, 3))
        later = instant + timedelta(microseconds=abs(apart) if instant in _EDGES else apart)
        row = [
            rng.randrange(-40, 40),
            rng.randrange(0, 9000),
            rng.choice([0, 1, -1, 9_007_199_254_740_993, -(2**62) // _ROWS, 2**62 // _ROWS]),
            rng.getrandbits(48),
            rng.choice([0, 1, 2**47, 2**48 - 1, rng.getrandbits(48)]),
            rng.random() < 0.5,
            rng.choice(["text", "image", "system", "Ärger", "zzz", ""]),
            instant,
            later,
        ]
        row = [None if rng.random() < 0.1 else value for value in row]
        rows.append([number, number % 37 % 11, *row])
    return rows


def _instant(rng: random.Random) -> datetime:
    return datetime(1995, 1, 1) + timedelta(microseconds=rng.randrange(-(10**15), 10**15))


def _rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    columns = [
        column.cast(pa.int64())
        if pa.types.is_timestamp(column.type)
        else column.cast(pa.int32())
        if pa.types.is_date(column.type)
        else column
        for column in table.columns
    ]
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return Decimal(format(value.normalize(), "f"))
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


@pytest.fixture(scope="module", params=[1, 2])
def both(
    sail: Engine, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Both:
    """Random rows by a seed, with nulls, instants before 1970 and in all microseconds."""
    return Both(sail, tmp_path_factory.mktemp("given"), request.param)


@pytest.mark.parametrize("expression", ROWS)
def test_expression(both: Both, expression: str) -> None:
    """An expression of the metrics has the same value on each row."""
    both.compare(f"select number, {expression} as found from given order by number")


@pytest.mark.parametrize("expression", AGGREGATES)
def test_aggregate(both: Both, expression: str) -> None:
    """An aggregate of the metrics has the same value for each group, empty ones included."""
    both.compare(f"select part, {expression} as found from given group by part order by part")
    both.compare(f"select {expression} as found from given where number < 0")


@pytest.mark.parametrize("query", QUERIES)
def test_query(both: Both, query: str) -> None:
    """Sets, series, windows and orders give the same rows in the same order."""
    both.compare(query)


@pytest.mark.parametrize(
    "expression",
    [
        "md5(words)",
        "a ^ 2",
        "list_sort([1])",
        "time_bucket(interval 1 month, instant)",
        "time_bucket(width, instant)",
        "generate_series(a, b, width)",
        "date_trunc('quarter', instant)",
        "datediff('month', instant, later)",
        "cast(a as json)",
        "interval (a) days",
        "case when a then interval 1 month else interval 1 hour end",
        "quantile_disc(a, b)",
        "quantities[place]",
    ],
)
def test_what_no_rule_covers(expression: str) -> None:
    """A function, a type or an interval without a rule is refused."""
    with pytest.raises(TranslationError, match="No rule translates"):
        translated(parse_one(f"select {expression} from given", read="duckdb"))


def test_a_column_that_is_a_set_and_a_number() -> None:
    """A name of a column that is a set in one query and a mask in another is refused."""
    query = """
        select bit_or(bits) from (select bitstring_agg(people, 0, 4095) as bits from given)
        union all select bit_or(bits) from (select low | high as bits from given)
    """
    with pytest.raises(TranslationError, match="bits is a set"):
        translated(parse_one(query, read="duckdb"))


def test_known_functions() -> None:
    """The functions of Spark that the rules call are those that they declare."""
    called = set()
    for query in (*ROWS, *AGGREGATES):
        tree = translated(parse_one(f"select {query} from given", read="duckdb"))
        called |= {call.name.lower() for call in tree.find_all(exp.Anonymous)}
    for query in QUERIES:
        tree = translated(parse_one(query, read="duckdb"))
        called |= {call.name.lower() for call in tree.find_all(exp.Anonymous)}
    assert called | {"raise_error"} == KNOWN
