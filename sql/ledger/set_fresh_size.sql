-- Notes how large the warehouse is without holes, and for how many rows.
update core.state
set
    fresh_bytes = $fresh_bytes,
    fresh_rows = $fresh_rows;
