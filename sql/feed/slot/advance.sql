-- advance: lets the slot forget what precedes the LSN $1.
-- grain: one row
select (analytics_feed.advance('0/0'::pg_lsn + $1::text::numeric) - '0/0'::pg_lsn)::bigint as advanced_to
