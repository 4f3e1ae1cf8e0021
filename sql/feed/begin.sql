-- A table that is busy makes this fail after five seconds, and its writers wait no longer than that.
begin;

set local lock_timeout = '5s';

set local client_min_messages = 'warning';

do $$
begin
    if pg_is_in_recovery() then
        raise exception 'this server is a standby, where nothing can be changed'
            using errcode = 'object_not_in_prerequisite_state', hint = 'Run it on the primary.';
    end if;
end $$;
