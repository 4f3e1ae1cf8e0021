-- Adds one version of a metric to metrics.catalog.
-- grain: one row
insert into metrics.catalog
values ($metric, $version, $is_newest, $definition, $grain, $scope, $rules, $parameters, $fingerprint, null);
