-- The metrics of this generation: what each version means and how it is called.
-- grain: one row per metric and version, by name and version
select
    metric,
    version,
    is_newest,
    definition,
    grain,
    scope,
    rules,
    parameters,
    fingerprint,
    not_available
from metrics.catalog
order by metric, version;
