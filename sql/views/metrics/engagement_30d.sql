-- metrics.engagement_30d: How many people there are, and which share of them wrote in the last 30 days.
-- grain: one row
-- The numbers are those of metrics.engagement_v1.
create or replace view metrics.engagement_30d as
select
    engagement.total_users, -- people who exist
    engagement.active_users, -- of these, wrote at least one message
    engagement.engaged_users, -- of these, wrote at least five
    engagement.engagement_rate, -- active_users in percent of total_users
    engagement.deep_engagement_rate -- engaged_users in percent of total_users
from metrics.engagement_v1(since := core.data_through() - interval 30 days) as engagement;
