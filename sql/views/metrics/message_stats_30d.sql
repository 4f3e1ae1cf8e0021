-- metrics.message_stats_30d: How many messages were sent in the last 30 days, of which types, how long.
-- grain: one row
-- The numbers are those of metrics.message_stats_v1; shares are in percent of total_messages.
create or replace view metrics.message_stats_30d as
select
    stats.total_messages, -- messages that are not deleted
    stats.text_messages, -- of these, texts
    stats.image_messages, -- of these, images
    stats.file_messages, -- of these, files
    stats.system_messages, -- of these, system messages
    stats.other_messages, -- of these, all other types
    stats.unique_senders, -- people who sent them, system messages aside
    stats.avg_message_length, -- characters, over messages that have a text
    stats.message_type_distribution.text as text_percent, -- share of texts
    stats.message_type_distribution.image as image_percent, -- share of images
    stats.message_type_distribution.file as file_percent, -- share of files
    stats.message_type_distribution.system as system_percent, -- share of system messages
    stats.message_type_distribution.other as other_percent -- share of all other types
from metrics.message_stats_v1(since := core.data_through() - interval 30 days) as stats;
