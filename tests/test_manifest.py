"""The manifest as JSON: nothing is lost, and whatever cannot be read says what to do."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olap.errors import AnalyticsError, LakeError, NewerVersionError
from olap.manifest import FORMAT, Batch, Manifest, naive_utc, read_manifest, utc
from tests.factories import TIME, a_batch, a_lake_file, a_manifest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a manifest may lie."""
    return tmp_path / "manifest.json"


def refused(path: Path) -> AnalyticsError:
    """The error with which reading a manifest ends."""
    with pytest.raises((LakeError, NewerVersionError)) as caught:
        read_manifest(path)
    assert str(path) in caught.value.message
    return caught.value


def as_json(**overrides: Any) -> bytes:
    """A manifest's JSON with some of its top-level fields replaced."""
    return json.dumps(json.loads(a_manifest().to_json()) | overrides).encode()


def test_a_manifest_survives_the_disk(path: Path) -> None:
    """What is written and read again is the same record, days, nulls and microseconds included."""
    manifest = a_manifest(
        generation=7,
        generated_at=TIME + timedelta(microseconds=1),
        batches=(a_batch(), a_batch(batch=2, held_back_by='pid 7 "ü" since 2026')),
        files=(a_lake_file(day=date(1, 1, 1)), a_lake_file(table="users", day=None)),
    )
    path.write_bytes(manifest.to_json())
    assert read_manifest(path) == manifest


@given(
    st.integers(0, 2**63 - 1),
    st.text(),
    st.none() | st.text(),
    st.datetimes(timezones=st.just(UTC)),
)
def test_any_value_survives(number: int, text: str, holder: str | None, at: datetime) -> None:
    """Any xid8, text and instant comes back from JSON as it was."""
    batch = a_batch(data_through=at, held_back_by=holder, rows_read=number)
    manifest = a_manifest(batches=(batch,), generated_at=at, schema_fingerprint=text)
    assert msgspec.json.decode(manifest.to_json(), type=Manifest) == manifest


def test_times_are_written_in_utc(path: Path) -> None:
    """Any JSON reader finds RFC 3339 times with `Z`, and the format number."""
    found = json.loads(a_manifest(generated_at=TIME).to_json())
    assert found["format"] == FORMAT
    assert found["generated_at"] == "2026-03-01T12:00:00Z"
    assert found["batches"][0]["data_through"] == "2026-03-01T12:00:00Z"


def test_a_later_version_may_add_fields(path: Path) -> None:
    """A field this version does not know is ignored as long as the format number is known."""
    path.write_bytes(as_json(colour="blue"))
    assert read_manifest(path) == a_manifest()


def test_a_table_without_rows_needs_no_proof() -> None:
    """Everything is proved since the oldest proof of a file; a table without files has none."""
    files = (a_lake_file(proved_at=TIME), a_lake_file(table="events", proved_at=TIME))
    proved, unproved = a_manifest(files=files), a_manifest(files=(*files, a_lake_file(table="x")))
    assert (proved.proved_at, proved.proof("reactions").proved_at) == (TIME, None)
    assert (unproved.proved_at, a_manifest(files=()).proved_at) == (None, None)


def test_format_1_is_read(path: Path) -> None:
    """A manifest of format 1, where a watermark is named `base`, reads as the same manifest."""
    known = a_manifest()
    content = json.loads(known.to_json())
    content["format"] = 1
    for state in content["tables"].values():
        state["base"] = state.pop("watermark")
    path.write_text(json.dumps(content))
    assert read_manifest(path) == known


def test_a_newer_format_is_refused(path: Path) -> None:
    """A manifest of a later format is not guessed at: the hint names the newer version."""
    path.write_bytes(as_json(format=FORMAT + 1))
    error = refused(path)
    assert f"has format {FORMAT + 1}, this version knows {FORMAT}" in error.message
    assert "newer" in error.hint


def test_a_missing_manifest_is_refused(path: Path) -> None:
    """Where there is no manifest, the hint says how one comes about."""
    error = refused(path)
    assert "cannot be read: No such file or directory" in error.message
    assert "DATA_DIR" in error.hint
    assert "cycle" in error.hint


def test_a_directory_is_no_manifest(path: Path) -> None:
    """A directory in the manifest's place is refused like a missing file."""
    path.mkdir()
    assert "cannot be read: Is a directory" in refused(path).message


def test_every_truncation_is_refused(path: Path) -> None:
    """However many bytes the end of a manifest lost, it is damaged and the hint says so."""
    content = a_manifest().to_json().rstrip()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        error = refused(path)
        assert "is damaged" in error.message
        assert "backup" in error.hint


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00" * 512, id="zeros, as after a power cut"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="no fields"),
        pytest.param(as_json(batches="none"), id="a text instead of a list"),
        pytest.param(as_json(generation=None), id="no generation"),
        pytest.param(as_json(generated_at="yesterday"), id="no instant"),
        pytest.param(as_json(format="one"), id="a text as format"),
        pytest.param(as_json(format=None), id="no format"),
        pytest.param(b'{"generation": "\xff"}', id="not UTF-8"),
    ],
)
def test_a_damaged_manifest_is_refused(path: Path, content: bytes) -> None:
    """Whatever is not a manifest is damaged, and the hint says how to go on."""
    path.write_bytes(content)
    error = refused(path)
    assert "is damaged" in error.message
    assert "backup" in error.hint


def test_days_are_counted_per_fact() -> None:
    """A fact has as many days as it has day files; a dimension has none."""
    files = (
        a_lake_file(day=date(2026, 3, 1)),
        a_lake_file(day=date(2026, 3, 3)),
        a_lake_file(table="events", day=date(2026, 3, 1)),
        a_lake_file(table="users", day=None),
    )
    manifest = a_manifest(files=files)
    found = {table: manifest.days(table) for table in ("messages", "events", "users", "others")}
    assert found == {"messages": 2, "events": 1, "users": 0, "others": 0}


def test_publishing_changes_number_and_time_only() -> None:
    """The manifest of a generation differs from the state it shows in two fields."""
    manifest = a_manifest()
    published = manifest.with_generation(8, TIME)
    assert published == a_manifest(generation=8, generated_at=TIME)
    assert manifest == a_manifest()


def test_data_through_is_the_last_batchs() -> None:
    """The newest batch decides as of when the data are."""
    later = TIME + timedelta(minutes=5)
    batches: tuple[Batch, ...] = (a_batch(), a_batch(batch=2, data_through=later))
    assert a_manifest(batches=batches).data_through == later


@given(
    st.datetimes(
        datetime(1, 1, 2),
        datetime(9999, 12, 30),
        timezones=st.integers(-720, 840).map(lambda m: timezone(timedelta(minutes=m))),
    )
)
def test_duckdbs_timestamps_are_utc(aware: datetime) -> None:
    """An aware instant becomes a TIMESTAMP in UTC and comes back as the same instant."""
    assert naive_utc(aware).tzinfo is None
    assert utc(naive_utc(aware)) == aware
