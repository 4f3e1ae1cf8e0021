"""Who comes, who stays, who comes back: people by local days, weeks and months."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tests.metrics.oracle.clock import DAY, buckets, zone
from tests.metrics.oracle.volume import present
from tests.metrics.oracle.world import (
    EVER,
    Row,
    Visibility,
    World,
    percent,
    ratio,
    written,
)

Bucket = tuple[datetime, datetime]
LENGTHS = {"daily": DAY, "weekly": 7 * DAY, "monthly": 31 * DAY}


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody wrote or read."""

    at: datetime
    user_id: int
    is_written: bool


def acts(visible: Visibility, until: datetime) -> list[Act]:
    """Everything that counts as activity before `until`."""
    sent = written(visible.messages(EVER, until))
    return [Act(m.created_at, m.sender_id, True) for m in sent if m.sender_id is not None] + [
        Act(r.read_at, r.user_id, False) for r in visible.receipts(EVER, until)
    ]


def who(acts: Iterable[Act], start: datetime, end: datetime) -> set[int]:
    """The people who were active in [start, end)."""
    return {act.user_id for act in acts if start <= act.at < end}


def midnight(instant: datetime) -> datetime:
    return datetime(instant.year, instant.month, instant.day)


def covered_from(world: World, viewer: int | None, until: datetime) -> datetime | None:
    """The midnight (UTC) with which the data begin: all of them, or those that a viewer sees.

    Decides: a viewer learns nothing about data elsewhere, not even since when there are any.
    """
    if viewer is None:
        times = [m.created_at for m in world.messages] + [r.read_at for r in world.receipts]
        times += [e.created_at for e in world.events]
        return midnight(min([*times, world.data_through]))
    seen = [act.at for act in acts(Visibility(world, viewer, include_bots=True), until)]
    return midnight(min(seen)) if seen else None


def days_of_last(last: Bucket, until: datetime, tz: str, count: int) -> list[Bucket]:
    """So many local days, of which the last one is that of the end of a bucket, or of `until`."""
    end = min(last[1], until)
    return buckets(end - (count + 5) * DAY, end, "daily", tz)[-count:]


def active_timeline(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    every: str = "daily",
    tz: str = "UTC",
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    found = acts(visible, until)
    covered = covered_from(world, visible_to, until)
    rows: list[Row] = []
    for start, end in buckets(since, until, every, tz):
        active = who(found, start, end)
        writers = who((act for act in found if act.is_written), start, end)
        people: dict[int, int | None] = {}
        for count in (1, 7, 30):
            days = days_of_last((start, end), until, tz, count)
            is_known = count == 1 or (covered is not None and days[0][0] >= covered)
            people[count] = len(who(found, days[0][0], end)) if is_known else None
        month, last_day = people[30], people[1]
        assert last_day is not None
        rows.append(
            {
                "timestamp": start,
                "active_people": len(active),
                "writers": len(writers),
                "readers_only": len(active - writers),
                "active_7_days": people[7],
                "active_30_days": month,
                "stickiness": None if month is None or end > until else percent(last_day, month),
                "is_partial": end > until,
            }
        )
    return rows


def first_times(found: list[Act]) -> dict[int, datetime]:
    """When each person was active for the first time ever."""
    return {user: min(act.at for act in found if act.user_id == user) for user in people_of(found)}


def people_of(found: list[Act]) -> set[int]:
    return {act.user_id for act in found}


def lifecycle(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    every: str = "daily",
    tz: str = "UTC",
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    found = acts(visible, until)
    first_at = first_times(found)
    covered = covered_from(world, visible_to, until)
    rows: list[Row] = []
    for start, end in buckets(since, until, every, tz):
        (*_, before) = buckets(start - 2 * LENGTHS[every], start, every, tz)
        active, active_before = who(found, start, end), who(found, *before)
        new = {user for user in active if first_at[user] >= start}
        # Decides: with the first data everybody would be new, and before them nobody is known.
        known = covered is not None and start > covered
        rows.append(
            {
                "timestamp": start,
                "active_people": len(active),
                "new_people": len(new) if known else None,
                "stayed_people": len(active & active_before) if known else None,
                "returned_people": len(active - new - active_before) if known else None,
                "left_people": len(active_before - active) if known and end <= until else None,
                "is_partial": end > until,
            }
        )
    return rows


def retention(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    every: str = "daily",
    tz: str = "UTC",
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    found = acts(visible, until)
    first_at = first_times(found)
    covered = covered_from(world, visible_to, until)
    all_buckets = buckets(since, until, every, tz)
    shown: list[Row] = []
    small: dict[int, list[tuple[int, int]]] = {}
    for place, (start, end) in enumerate(all_buckets):
        cohort = {user for user, instant in first_at.items() if start <= instant < end}
        if not cohort or covered is None or start <= covered:
            continue
        for number, later in enumerate(all_buckets[place:]):
            active = len(cohort & who(found, *later))
            is_partial = later[1] > until
            if visible_to is None or len(cohort) >= 5:
                shown.append(cell("cohort", start, number, len(cohort), active, is_partial))
            elif not is_partial:
                small.setdefault(number, []).append((len(cohort), active))
    # Decides: a viewer sees small cohorts only together, and only if they are not small together.
    for number, cells in sorted(small.items()):
        size, active = (sum(parts) for parts in zip(*cells, strict=True))
        if size >= 5:
            shown.append(cell("others", None, number, size, active, False))
    averages = []
    for number in sorted({row["bucket_number"] for row in shown if not row["is_partial"]}):
        whole = [r for r in shown if r["bucket_number"] == number and not r["is_partial"]]
        size, active = (sum(row[name] for row in whole) for name in ("cohort_size", "people"))
        averages.append(cell("average", None, number, size, active, False))
    return shown + averages


def cell(
    row_type: str, cohort: datetime | None, number: int, size: int, active: int, is_partial: bool
) -> Row:
    return {
        "row_type": row_type,
        "cohort": cohort,
        "cohort_size": size,
        "bucket_number": number,
        "people": active,
        "retention_rate": percent(active, size),
        "is_partial": is_partial,
    }


def activation(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    visible_to: int | None = None,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots=True), until or world.data_through
    found = acts(visible, until)
    said = written(visible.messages(EVER, until))
    created = {
        user.id: user.created_at
        for user in world.users
        if user.created_at is not None
        and since <= user.created_at < until
        and not user.is_bot
        and visible.sees_person(user.id)
    }

    def has_acted(user: int, first: timedelta, last: timedelta, *, in_writing: bool) -> bool:
        start = created[user]
        return any(
            act.user_id == user and start + first <= act.at < start + last
            for act in found
            if act.is_written or not in_writing
        )

    def is_answered(user: int) -> bool:
        return any(
            question.sender_id == user
            and created[user] <= question.created_at < created[user] + 7 * DAY
            and question.conversation_id == answer.conversation_id
            and answer.sender_id not in (None, user)
            and answer.sender_id not in visible.bots
            and question.created_at < answer.created_at < question.created_at + DAY
            for question in said
            for answer in said
        )

    row: Row = {"accounts": len(created)}
    steps = {
        "wrote_in_24_hours": ("24_hours", DAY),
        "wrote_in_7_days": ("7_days", 7 * DAY),
        "answered": ("8_days", 8 * DAY),
        "came_back": ("14_days", 14 * DAY),
    }
    for name, (age, length) in steps.items():
        judged = [user for user, instant in created.items() if instant + length <= until]
        done = {
            "wrote_in_24_hours": lambda u: has_acted(u, 0 * DAY, DAY, in_writing=True),
            "wrote_in_7_days": lambda u: has_acted(u, 0 * DAY, 7 * DAY, in_writing=True),
            "answered": is_answered,
            "came_back": lambda u: has_acted(u, 7 * DAY, 14 * DAY, in_writing=False),
        }[name]
        row[f"judged_after_{age}"] = len(judged)
        row[name] = sum(map(done, judged))
        row[f"{name}_rate"] = percent(row[name], len(judged))
    return [row]


def people_heatmap(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    tz: str = "UTC",
    for_conversation: UUID | None = None,
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    rooms = {m.id: m.conversation_id for m in world.messages}

    def counts(room: UUID | None) -> bool:
        """Decides: a viewer's conversation of fewer than five people says too much of each."""
        is_large = visible_to is None or (room is not None and len(present(world, room)) >= 5)
        return is_large and for_conversation in (None, room)

    found = [
        Act(m.created_at, m.sender_id, True)
        for m in written(visible.messages(since, until))
        if m.sender_id is not None and counts(m.conversation_id)
    ]
    found += [
        Act(r.read_at, r.user_id, False)
        for r in visible.receipts(since, until)
        if counts(rooms.get(r.message_id))
    ]
    people: Counter[tuple[int, int]] = Counter()
    met: Counter[tuple[int, int]] = Counter()
    for start, end in buckets(since, until, "hourly", tz):
        local = start.replace(tzinfo=UTC).astimezone(zone(tz))
        met[local.isoweekday(), local.hour] += 1
        people[local.isoweekday(), local.hour] += len(who(found, start, end))
    return [
        {
            "weekday": weekday,
            "hour": hour,
            "people": people[weekday, hour],
            "occurrences": met[weekday, hour],
            "per_occurrence": ratio(people[weekday, hour], met[weekday, hour], "0.01"),
        }
        for weekday in range(1, 8)
        for hour in range(24)
    ]
