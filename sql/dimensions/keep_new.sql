-- Removes the staged rows that were read for a proof only, so that the fold changes nothing that differs.
delete from staging.dimension
where not is_new;
