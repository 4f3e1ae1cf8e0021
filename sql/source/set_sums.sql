-- Sets what this transaction's next sums are of: which days, how much is added up (count, cheap or
-- full), and the ids of erased people with what stands for them here.
-- The server cannot know how few rows the days have: for some days it would join all the messages there
-- are to the receipts of these. So it looks messages up one by one, unless all days are asked for.
with joins (setting) as (
    select case when $1 = '{[,)}' then 'on' else 'off' end as setting
)

select
    set_config('analytics.days', $1, true) as days,
    set_config('analytics.tier', $2, true) as tier,
    set_config('analytics.erased', $3, true) as erased,
    set_config('enable_hashjoin', setting, true) as hash_joins,
    set_config('enable_mergejoin', setting, true) as merge_joins
from joins
