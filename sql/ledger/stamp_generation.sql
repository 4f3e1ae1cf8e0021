-- Writes into a copy of the warehouse which generation it is.
update core.state
set
    generation = $generation,
    generated_at = $generated_at;
