-- The texts that stand for the ids of the tests, and the way back; every text ends with the id.
-- tests/source_schemas.py spells them too.

create schema facade;

create function facade.user_text(bigint) returns text immutable language sql
return case when mod($1, 3) in (2, -1) then 'Zoë "O''Neil":' else 'user:' end || $1;

create function facade.user_number(text) returns bigint immutable language sql
return split_part($1, ':', 2)::bigint;

create function facade.room_text(uuid) returns text immutable language sql
return case when right($1::text, 1) ~ '[02468ace]' then 'Café «à côté» ' else 'room ' end || $1;

create function facade.message_text(uuid) returns text immutable language sql
return 'M' || upper($1::text);

create function facade.event_text(uuid) returns text immutable language sql
return '🎉 it''s 100% \ ' || $1;

create function facade.uuid_of(text) returns uuid immutable language sql
return right($1, 36)::uuid;

-- Milliseconds, exactly: the whole seconds and the rest are each exact in a double. The rest of an
-- infinity is not a number.
create function facade.time_of(numeric) returns timestamptz immutable language sql
return to_timestamp(div($1, 1000)) + coalesce(nullif(mod($1, 1000), 'NaN'), 0) * interval '1 ms';

create function facade.milliseconds(timestamptz) returns numeric immutable language sql
return extract(epoch from $1) * 1000;
