-- metrics.hourly_messages_7d: How many messages were sent in each hour of the last seven days.
-- grain: one row per UTC hour, without a gap, oldest first
-- The numbers are those of metrics.message_timeline_v1 for the 168 hours before data_through.
create or replace view metrics.hourly_messages_7d as
select
    timeline.timestamp as hour_at, -- first instant of the hour, UTC
    timeline.count as message_count, -- messages that are not deleted
    timeline.is_partial, -- whether the 168 hours cut this hour
    core.with_zone(timeline.timestamp) as hour_at_tz -- hour_at with its zone
from
    metrics.message_timeline_v1(
        since := core.data_through() - interval 7 days, every := 'hourly'
    ) as timeline
order by hour_at;
