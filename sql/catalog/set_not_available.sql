-- Says in metrics.catalog what is missing from one version of a metric: $reason, or null.
-- grain: one row
update metrics.catalog
set not_available = $reason
where metric = $metric and version = $version and not_available is distinct from cast($reason as varchar);
