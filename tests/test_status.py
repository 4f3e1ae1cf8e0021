"""Status: levels, reasons and numbers from manifests that the test writes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from etl.report.status import status_text
from olap.commands import call
from olap.errors import LakeError
from olap.layout import Layout, write_durably
from olap.manifest import Manifest, Mode, SourceShape
from olap.status import FeedCosts, Level, LogCosts, SlotCosts, Status, status
from tests.factories import TIME, a_batch, a_lake_file, a_manifest, a_table_state

INTERVAL = 300
MICROSECOND = timedelta(microseconds=1)
ROOT = Path(__file__).parents[1]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An empty DATA_DIR."""
    layout = Layout(tmp_path / "data")
    layout.create()
    return layout


def put(layout: Layout, manifest: Manifest, *, number: int = 1) -> None:
    """Write a published generation and the lake's manifest where `publish` writes them."""
    published = manifest.with_generation(number, TIME)
    layout.generation_directory(number).mkdir(exist_ok=True)
    write_durably(layout.generation(number), b"status does not open this file")
    write_durably(layout.generation_manifest(number), published.to_json())
    layout.pointer.unlink(missing_ok=True)
    layout.pointer.symlink_to(os.path.relpath(layout.generation(number), layout.root))
    write_durably(layout.lake_manifest, published.to_json())


def status_at(layout: Layout, lag: timedelta) -> Status:
    """The status when `lag` has passed since the `data_through` of the default batch."""
    return status(layout, TIME + lag, interval_seconds=INTERVAL)


def as_json(found: Status) -> dict[str, Any]:
    """The status as `status --json` prints it, parsed."""
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found))
    return decoded


@pytest.mark.parametrize(
    ("lag", "level"),
    [
        (timedelta(0), Level.OK),
        (timedelta(seconds=2 * INTERVAL), Level.OK),
        (timedelta(seconds=2 * INTERVAL) + MICROSECOND, Level.WARNING),
        (timedelta(seconds=6 * INTERVAL), Level.WARNING),
        (timedelta(seconds=6 * INTERVAL) + MICROSECOND, Level.CRITICAL),
        (timedelta(days=400), Level.CRITICAL),
    ],
)
def test_the_lag_decides_the_level(layout: Layout, lag: timedelta, level: Level) -> None:
    """A lag above 2 intervals is a WARNING and above 6 CRITICAL; the limits are exclusive."""
    put(layout, a_manifest())
    found = status_at(layout, lag)
    assert (found.level, found.lag_seconds) == (level, lag.total_seconds())
    assert len(found.reasons) == (level is not Level.OK)


@pytest.mark.parametrize(
    ("intervals", "reason"),
    [
        (3, "the last batch is 900 s old, more than 2 intervals of 300 s"),
        (7, "the last batch is 2,100 s old, more than 6 intervals of 300 s"),
    ],
)
def test_the_reason_names_the_limit(layout: Layout, intervals: int, reason: str) -> None:
    """One reason names the age of the data and the limit that it exceeds."""
    put(layout, a_manifest())
    assert status_at(layout, timedelta(seconds=intervals * INTERVAL)).reasons == (reason,)


def test_exit_codes_are_what_monitoring_expects() -> None:
    """The exit codes of OK, WARNING and CRITICAL are 0, 1 and 2."""
    assert {level.name: level.exit_code for level in Level} == {
        "OK": 0,
        "WARNING": 1,
        "CRITICAL": 2,
    }


def test_without_a_generation_it_is_critical(layout: Layout) -> None:
    """An empty DATA_DIR is CRITICAL, and unknown values are null or empty."""
    found = status_at(layout, timedelta(0))
    assert found.level is Level.CRITICAL
    assert found.reasons == ("no generation has been published",)
    unknown = (found.generation, found.data_through, found.generated_at, found.lag_seconds)
    assert unknown == (None, None, None, None)
    assert (found.tables, found.batches, found.watermark) == ({}, (), None)


def test_a_data_dir_that_does_not_exist_is_critical(tmp_path: Path) -> None:
    """The status of a missing DATA_DIR is CRITICAL and creates no directory."""
    layout = Layout(tmp_path / "not" / "there")
    assert status_at(layout, timedelta(0)).level is Level.CRITICAL
    assert not layout.root.parent.exists()


def test_a_batch_without_a_generation_is_critical(layout: Layout) -> None:
    """A first cycle that died before it published shows its lag but no generation."""
    write_durably(layout.lake_manifest, a_manifest().to_json())
    found = status_at(layout, timedelta(seconds=10))
    assert (found.level, found.generation, found.lag_seconds) == (Level.CRITICAL, None, 10)
    assert found.reasons == ("no generation has been published",)


def test_the_lag_counts_from_the_last_batch(layout: Layout) -> None:
    """When nothing changes, no generation is published and the newest batch keeps the lag low."""
    put(layout, a_manifest())
    later = a_batch(batch=2, data_through=TIME + timedelta(hours=1))
    write_durably(layout.lake_manifest, a_manifest(batches=(a_batch(), later)).to_json())
    found = status_at(layout, timedelta(hours=1, seconds=5))
    assert (found.level, found.lag_seconds) == (Level.OK, 5)
    assert (found.generation, found.data_through) == (1, TIME)


@pytest.mark.parametrize(
    ("source_rows", "way_out"), [(1_200, "removes what is gone"), (1_300, "reads what is missing")]
)
def test_a_count_that_differs_is_a_warning(layout: Layout, source_rows: int, way_out: str) -> None:
    """A table with more or fewer rows than the source warns, and what to do fits the direction."""
    tables = a_manifest().tables | {"events": a_table_state(rows=1_234, source_rows=source_rows)}
    put(layout, a_manifest(tables=tables))
    found = status_at(layout, timedelta(0))
    assert found.level is Level.WARNING
    assert found.reasons == (
        f"events has 1,234 rows here and {source_rows:,} at the source: "
        f"`{call('verify --repair')}` {way_out}",
    )


def test_rows_that_stay_although_they_are_gone_are_critical(layout: Layout) -> None:
    """Each table that keeps what is gone at the source is named, and how to accept the removal."""
    kept = {
        "users": a_table_state(rows=10, source_rows=0, refused_rows=10),
        "events": a_table_state(rows=1_234, source_rows=34, refused_rows=1_200),
    }
    put(layout, a_manifest(tables=a_manifest().tables | kept))
    found = status_at(layout, timedelta(0))
    assert found.level is Level.CRITICAL
    way_out = (
        "are gone at the source and stay here: if the source is right, accept it with "
        f"`{call('etl --full --yes')}` or `{call('verify --repair --yes')}`"
    )
    assert found.reasons == (
        f"10 of 10 rows of users {way_out}",
        f"1,200 of 1,234 rows of events {way_out}",
    )


def test_the_worst_reason_decides(layout: Layout) -> None:
    """A warning does not lower CRITICAL; both reasons are listed."""
    put(layout, a_manifest(tables={"users": a_table_state(rows=1)}))
    found = status_at(layout, timedelta(days=1))
    assert found.level is Level.CRITICAL
    assert len(found.reasons) == 2


@pytest.mark.parametrize(
    ("older_xmins", "seconds"),
    [((), 0), ((999,), 0), ((1_000,), 300), ((999, 1_000), 300), ((1_000, 1_000, 1_000), 900)],
)
def test_the_age_of_the_watermark_is_how_long_it_has_not_moved(
    layout: Layout, older_xmins: tuple[int, ...], seconds: int
) -> None:
    """The age spans the latest batches, one every 300 s, with the same xmin."""
    xmins = (*older_xmins, 1_000)
    batches = tuple(
        a_batch(
            batch=number,
            data_through=TIME - timedelta(seconds=INTERVAL * (len(xmins) - number)),
            snapshot=f"{xmin}:1010:1000",
            held_back_by=f"pid {number}",
        )
        for number, xmin in enumerate(xmins, start=1)
    )
    put(layout, a_manifest(batches=batches))
    watermark = status_at(layout, timedelta(0)).watermark
    assert watermark is not None
    assert (watermark.xid, watermark.age_xids, watermark.age_seconds) == (1_000, 10, seconds)
    assert watermark.held_back_by == f"pid {len(xmins)}"


def test_only_the_last_five_batches_are_listed(layout: Layout) -> None:
    """The newest five batches are listed with all fields, oldest first."""
    batches = tuple(a_batch(batch=number) for number in range(1, 9))
    put(layout, a_manifest(batches=batches))
    found = as_json(status_at(layout, timedelta(0)))["batches"]
    assert [batch["batch"] for batch in found] == [4, 5, 6, 7, 8]
    assert set(found[0]) == set(a_batch().__struct_fields__)


GB = 10**9


def costs(
    *, retained: int = 0, limit: int | None = None, wal_status: str = "reserved"
) -> FeedCosts:
    """What a slot costs its source that retains so many bytes."""
    slot = SlotCosts(
        slot_name="analytics_feed_5",
        wal_status=wal_status,
        retained_bytes=retained,
        limit_bytes=limit,
    )
    return FeedCosts(slot=slot, log=None)


@pytest.mark.parametrize(
    ("feed", "level"),
    [
        (FeedCosts(slot=None, log=LogCosts(log_rows=10**9, log_bytes=100 * GB)), Level.OK),
        (costs(retained=GB), Level.OK),
        (costs(retained=GB + 1), Level.WARNING),
        (costs(retained=100 * GB), Level.WARNING),
        (costs(retained=8 * GB - 1, limit=10 * GB), Level.WARNING),
        (costs(retained=8 * GB, limit=10 * GB), Level.CRITICAL),
        (costs(wal_status="unreserved"), Level.CRITICAL),
        (costs(wal_status="lost"), Level.CRITICAL),
    ],
)
def test_what_a_slot_retains_decides_the_level(
    layout: Layout, feed: FeedCosts, level: Level
) -> None:
    """Above 1 GB it is WARNING, at 80 % of the limit or lost CRITICAL, with the way out."""
    put(layout, a_manifest())
    found = status(layout, TIME, interval_seconds=INTERVAL, feed=feed)
    assert found.level is level
    assert [call("source uninstall slot") in reason for reason in found.reasons] == (
        [] if level is Level.OK else [True]
    )


@pytest.mark.parametrize(
    ("wanted", "mode", "level"),
    [
        ("auto", Mode.SCAN, Level.OK),
        ("scan", Mode.SCAN, Level.OK),
        ("slot", Mode.SLOT, Level.OK),
        ("slot", Mode.SCAN, Level.WARNING),
        ("log", Mode.SCAN, Level.WARNING),
    ],
)
def test_a_scan_in_place_of_a_wanted_feed_is_told(
    layout: Layout, wanted: str, mode: Mode, level: Level
) -> None:
    """With ETL_MODE=slot or log a scan is a WARNING; the text has its reason in any case."""
    reason = None if mode is Mode.SLOT else "the publication was changed"
    put(layout, a_manifest(batches=(a_batch(mode=mode, mode_reason=reason),)))
    found = status(layout, TIME, interval_seconds=INTERVAL, wanted_mode=wanted)
    assert found.level is level
    assert found.reasons == (
        (f"ETL_MODE is {wanted}, and the last batch was a scan: {reason}",)
        if level is Level.WARNING
        else ()
    )
    line = f"mode          {mode}" + (f": {reason}" if reason else "")
    assert line in status_text(found).splitlines()


def test_the_text_tells_what_feeds_cost_the_source(layout: Layout) -> None:
    """The log that the slot retains, what it may, and the size of the change log are shown."""
    put(layout, a_manifest())
    log = LogCosts(log_rows=12_345, log_bytes=6_700_000)
    feed = replace(costs(retained=890_000_000, limit=10 * GB), log=log)
    lines = status_text(status(layout, TIME, interval_seconds=INTERVAL, feed=feed)).splitlines()
    assert "slot          890.0 MB of 10.0 GB of log retained at the source" in lines
    assert "change log    some 12,345 rows, 6.7 MB at the source" in lines


def test_disk_use_is_listed_by_purpose(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes cover the lake, the warehouse with its WAL, and the generations without the symlink."""
    put(layout, a_manifest())
    lake, day = layout.lake_manifest.stat().st_size, layout.lake / "messages/day=2026-03-01"
    day.mkdir(parents=True)
    (day / "000001.parquet").write_bytes(b"p" * 70)
    layout.warehouse.write_bytes(b"w" * 500)
    layout.warehouse.with_suffix(".duckdb.wal").write_bytes(b"l" * 11)
    (layout.staging / "spilled").write_bytes(b"s" * 9_000)
    published = [layout.generation(1), layout.generation_manifest(1)]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=12_345))
    assert as_json(status_at(layout, timedelta(0)))["disk"] == {
        "lake": lake + 70,
        "warehouse": 511,
        "generations": sum(path.stat().st_size for path in published),
        "free": 12_345,
    }


def test_json_has_exactly_the_documented_fields(layout: Layout) -> None:
    """The JSON has the documented fields and no other; times are RFC 3339."""
    files = (a_lake_file(), a_lake_file(day=(TIME - timedelta(days=1)).date(), proved_at=TIME))
    batches = (a_batch(held_back_by="pid 7 app"),)
    messages = a_table_state(rows=20, source_rows=20, outside_rows=3)
    tables = {"messages": messages, "users": a_table_state()}
    put(layout, a_manifest(files=files, batches=batches, tables=tables), number=42)
    found = as_json(status_at(layout, timedelta(seconds=1)))
    disk, listed = found.pop("disk"), found.pop("batches")
    assert found == {
        "level": "OK",
        "reasons": [],
        "generation": 42,
        "data_through": "2026-03-01T12:00:00Z",
        "generated_at": "2026-03-01T12:00:00Z",
        "lag_seconds": 1.0,
        "shape": {
            "mapping": "messenger",
            "ids": {
                "user": "integer",
                "conversation": "uuid",
                "message": "uuid",
                "event": "uuid",
            },
            "inexact": [],
            "row_security": "refused",
        },
        "coverage": "every day",
        "delta": None,
        "backfill": None,
        "tables": {
            "messages": {
                "is_available": True,
                "rows": 20,
                "source_rows": 20,
                "outside_rows": 3,
                "refused_rows": 0,
                "days": 2,
                "proof": {"files": 2, "proved_files": 1, "proved_at": None},
            },
            "users": {
                "is_available": True,
                "rows": 10,
                "source_rows": 10,
                "outside_rows": 0,
                "refused_rows": 0,
                "days": 0,
                "proof": {"files": 0, "proved_files": 0, "proved_at": None},
            },
        },
        "watermark": {"xid": 1000, "age_xids": 10, "age_seconds": 0.0, "held_back_by": "pid 7 app"},
        "mode": "scan",
        "mode_reason": None,
        "feed": None,
    }
    assert set(disk) == {"lake", "warehouse", "generations", "free"}
    assert [batch["data_through"] for batch in listed] == ["2026-03-01T12:00:00Z"]


def test_the_text_has_the_same_numbers(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text has the level, the reasons and every number of the JSON."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=3_210_000_000))
    batch = a_batch(rows_read=61_001, rows_changed=62_002, days_rebuilt=13, held_back_by="pid 7")
    tables = {"messages": a_table_state(rows=1_234, source_rows=5_678, outside_rows=9)}
    files = (a_lake_file(proved_at=TIME),)
    put(layout, a_manifest(batches=(batch,), tables=tables, files=files), number=42)
    lines = status_text(status_at(layout, timedelta(seconds=700))).splitlines()
    told = [line.split() for line in lines]
    assert lines[0] == "WARNING"
    assert [line.strip() for line in lines[1:3]] == [
        "the last batch is 700 s old, more than 2 intervals of 300 s",
        "messages has 1,234 rows here and 5,678 at the source: "
        f"`{call('verify --repair')}` reads what is missing",
    ]
    assert "generation    42, published 2026-03-01 12:00:00 UTC" in lines
    assert "data through  2026-03-01 12:00:00 UTC" in lines
    assert "lag           700 s since the last batch" in lines
    assert "watermark     xid 1000, 10 transactions and 0 s behind the last snapshot" in lines
    assert "held back by  pid 7" in lines
    assert ["messages", "1,234", "5,678", "9", "1", "1/1", "2026-03-01", "12:00"] in told
    assert "coverage      every day" in lines
    assert ["1", "2026-03-01", "12:00:00", "61,001", "62,002", "13", "90"] in told
    assert "disk free     3.2 GB" in lines
    assert "mapping       messenger" in lines


def test_the_text_tells_what_the_source_does_not_tell(layout: Layout) -> None:
    """A table that is not available has no numbers, and trusted policies are somebody's word."""
    no_table = a_table_state(is_available=False, rows=0, source_rows=0)
    tables = {"messages": a_table_state(), "events": no_table}
    shape = SourceShape(mapping="zulip", row_security="trusted")
    put(layout, a_manifest(tables=tables, shape=shape))
    lines = status_text(status_at(layout, timedelta(0))).splitlines()
    assert "mapping       zulip; not available: events" in lines
    assert [line for line in lines if line.startswith("row security  trusted")]
    assert [line.split()[0] for line in lines if line.startswith(("messages", "events"))] == [
        "messages"
    ]


def test_the_text_of_an_empty_data_dir(layout: Layout) -> None:
    """Before the first generation the text says so and shows no numbers."""
    lines = status_text(status_at(layout, timedelta(0))).splitlines()
    assert lines[:2] == ["CRITICAL", "  no generation has been published"]
    assert [line.split()[0] for line in lines[2:] if line] == ["disk", "disk"]


def test_a_damaged_manifest_is_an_error(layout: Layout) -> None:
    """A damaged manifest is an error with a hint, not a status."""
    put(layout, a_manifest())
    layout.lake_manifest.write_bytes(b"{")
    with pytest.raises(LakeError, match="is damaged"):
        status_at(layout, timedelta(0))


@pytest.mark.parametrize("is_published", [False, True])
def test_the_command_exits_with_the_code_of_the_level(layout: Layout, is_published: bool) -> None:
    """`python -m etl status --json` prints one JSON object and exits with 2 if CRITICAL."""
    if is_published:
        put(layout, a_manifest(batches=(a_batch(data_through=TIME.replace(year=2000)),)))
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-m", "etl", "status", "--json"],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(layout.root)},
        capture_output=True,
        check=False,
    )
    assert finished.returncode == 2, finished.stderr
    found = msgspec.json.decode(finished.stdout)
    assert (found["level"], found["generation"]) == ("CRITICAL", 1 if is_published else None)
