-- metrics.daily_messages: How many messages were sent on each UTC day.
-- grain: one row per UTC day since the first one with data, without a gap, oldest first; ten years at most
-- The numbers are those of metrics.message_timeline_v1.
create or replace view metrics.daily_messages as
select
    cast(timeline.timestamp as date) as day, -- UTC day
    timeline.count as message_count, -- messages that are not deleted
    timeline.is_partial, -- whether the data do not reach its end
    core.with_zone(timeline.timestamp) as day_at_tz -- its first instant, with its zone
from metrics.message_timeline_v1(since := core.data_from()) as timeline
order by day;
