"""Whatever happens at the source, each generation equals what its snapshot saw."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from olap.manifest import Mode
from tests.histories import EXPECTED, History, HistoryMachine
from tests.source_schemas import MESSENGER, MIXED, SourceSchema

# With it, two histories have every action; a change of the actions may need another one.
SEED = 3

pytestmark = pytest.mark.slow


# `make torture SCHEMA= MODE=` plays the others, for as long as it is given.
@pytest.mark.parametrize(
    ("schema", "mode"),
    [(MESSENGER, Mode.SCAN), (MIXED, Mode.SLOT), (MESSENGER, Mode.LOG)],
    ids=["messenger-scan", "mixed-slot", "messenger-log"],
    indirect=["schema"],
)
def test_every_generation_equals_a_dump_inside_its_snapshot(
    postgres_url: str,
    new_database: Callable[[], str],
    tmp_path: Path,
    schema: SourceSchema,
    mode: Mode,
) -> None:
    """In histories with every kind of action, each generation equals a dump of its snapshot."""
    tally: Counter[str] = Counter()
    numbers = itertools.count()

    def machine() -> HistoryMachine:
        directory = tmp_path / f"history-{next(numbers)}"
        return HistoryMachine(History(postgres_url, new_database(), directory, schema, mode), tally)

    run_state_machine_as_test(
        seed(SEED)(machine),  # type: ignore[arg-type]
        settings=settings(
            max_examples=2,
            stateful_step_count=9,
            database=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
        ),
    )
    for kind, count in sorted(tally.items()):
        print(f"{count:6} {kind}")
    assert {kind for kind in EXPECTED[mode] if not tally[kind]} == set()
