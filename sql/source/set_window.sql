-- Sets what this transaction's next SELECTs read: rows at or after the watermark (the empty text reads
-- everything), whole days besides, days at all (the coverage), and messages whose receipts are read
-- because the message itself can no longer be.
select
    set_config('analytics.watermark', $1, true) as watermark,
    set_config('analytics.days', $2, true) as days,
    set_config('analytics.coverage', $3, true) as coverage,
    set_config('analytics.lost_messages', $4, true) as lost_messages
