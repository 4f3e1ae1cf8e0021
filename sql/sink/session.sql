-- Sets what the API's writing sessions need: a statement gives up after $1 milliseconds, and a commit
-- that is confirmed has reached the disk, even where the server's default says that it need not.
select
    set_config('statement_timeout', $1, false) as statement_timeout,
    case
        when current_setting('synchronous_commit') = 'off'
            then set_config('synchronous_commit', 'local', false)
    end as synchronous_commit
