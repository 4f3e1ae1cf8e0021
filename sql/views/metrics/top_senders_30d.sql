-- metrics.top_senders_30d: Who wrote the most messages in the last 30 days.
-- grain: one row per person, the most messages first, then by user_id; the first hundred
-- The numbers are those of metrics.top_senders_v1.
create or replace view metrics.top_senders_30d as
select
    senders.user_id, -- id at the source
    senders.username, -- name; null for people who are deleted or unknown
    senders.message_count -- messages that are neither deleted nor system messages
from metrics.top_senders_v1(since := core.data_through() - interval 30 days, top_n := 100) as senders;
