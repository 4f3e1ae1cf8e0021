-- forget: removes rows of the change log from before the transaction $1; $2 of them at most.
-- grain: one row
select analytics_feed.forget($1::text::xid8, $2::text::integer) as removed_rows
