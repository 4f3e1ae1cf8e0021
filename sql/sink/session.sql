-- Sets up a session that writes events: a statement is cancelled after $1 milliseconds, and a commit is
-- confirmed when it has reached the disk, even if the server's default does not wait for that.
select
    set_config('statement_timeout', $1, false) as statement_timeout,
    case
        when current_setting('synchronous_commit') = 'off'
            then set_config('synchronous_commit', 'local', false)
    end as synchronous_commit
