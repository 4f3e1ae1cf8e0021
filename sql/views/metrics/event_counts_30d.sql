-- metrics.event_counts_30d: How many events of each type happened in the last 30 days.
-- grain: one row per event type that occurred, the most frequent first
-- The numbers are those of metrics.event_counts_v1. An error where the source has no events.
create or replace view metrics.event_counts_30d as
select
    events.event_type, -- such as message.sent or user.online
    events.count as event_count -- events
from metrics.event_counts_v1(since := core.data_through() - interval 30 days) as events;
