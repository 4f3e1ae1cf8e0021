-- Sets what this transaction's next sums are of: which days, how much is added up (count, cheap or
-- full), and the ids of erased people with what stands for them here.
select
    set_config('analytics.days', $1, true) as days,
    set_config('analytics.tier', $2, true) as tier,
    set_config('analytics.erased', $3, true) as erased
