-- metrics.active_users_30d: How many people wrote, read, or did either in the last 30 days.
-- grain: one row
-- The numbers are those of metrics.active_users_v1.
create or replace view metrics.active_users_30d as
select
    active.active_users, -- people who wrote
    active.active_readers, -- people who read; null = the source does not tell
    active.active_any -- people who did either; null = the source does not tell
from metrics.active_users_v1(since := core.data_through() - interval 30 days) as active;
