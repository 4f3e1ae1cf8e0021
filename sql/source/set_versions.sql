-- Sets which row versions count as changed for this transaction's next SELECTs: those from the xid $1 up to, and
-- without, the xid $2, both numbers of 32 bits.
-- grain: one row
select
    set_config('analytics.first_version', $1, true) as first_version,
    set_config('analytics.until_version', $2, true) as until_version,
    set_config('analytics.versions_wrap', ($1::bigint > $2::bigint)::text, true) as versions_wrap
