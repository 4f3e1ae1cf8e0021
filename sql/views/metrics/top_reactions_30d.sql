-- metrics.top_reactions_30d: Which emoji people reacted with the most in the last 30 days.
-- grain: one row per emoji, the most used first; the first hundred
-- The numbers are those of metrics.top_reactions_v1. An error where the source has no reactions.
create or replace view metrics.top_reactions_30d as
select
    reactions.emoji, -- the emoji, or the name of a custom one
    reactions.reaction_count, -- reactions that have not been taken back
    reactions.people_count -- people who gave them
from metrics.top_reactions_v1(since := core.data_through() - interval 30 days, top_n := 100) as reactions;
