-- Whether any table that a batch fills has a row: only one without any may be filled.
-- grain: one row
select
    exists (select 1 from core.batches)
    or exists (select 1 from core.table_states)
    or exists (select 1 from core.lake_files)
    or exists (select 1 from core.users)
    or exists (select 1 from core.conversations)
    or exists (select 1 from core.participants)
    or exists (select 1 from core.messages)
    or exists (select 1 from core.read_receipts)
    or exists (select 1 from core.events)
    or exists (select 1 from core.message_days)
    or exists (select 1 from core.message_quarter_hours)
    or exists (select 1 from core.user_days)
    or exists (select 1 from core.read_days)
    or exists (select 1 from core.event_days)
    or exists (select 1 from core.event_quarter_hours)
        as holds_rows;
