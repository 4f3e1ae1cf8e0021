-- The metrics of this generation, by the names of their macros.
select concat(metric, '_v', version) as macro
from metrics.catalog;
