-- metrics.events_daily: How many events of each type happened on each UTC day.
-- grain: one row per UTC day and event type, without a gap, oldest first; ten years at most
-- The numbers are those of metrics.event_timeline_v1. An error where the source has no events.
create or replace view metrics.events_daily as
select
    cast(timeline.timestamp as date) as day, -- UTC day
    timeline.event_type, -- such as message.sent or user.online
    timeline.count as event_count, -- events
    timeline.is_partial, -- whether the data do not reach its end
    core.with_zone(timeline.timestamp) as day_at_tz -- its first instant, with its zone
from metrics.event_timeline_v1(since := core.data_from()) as timeline
order by day, timeline.event_type;
