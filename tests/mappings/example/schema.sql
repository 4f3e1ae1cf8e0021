-- Rows for the tables of sql/source/example/schema.sql: 50 users, 30 rooms and 2,000 messages.

insert into app."User"
select
    'user' || n,
    'User ' || n,
    n = 1,
    '2026-01-01'
from generate_series(1, 50) as n;

insert into app."Room"
select
    'room' || n,
    case when n % 2 = 0 then 'Room ' || n end,
    n % 2 = 0,
    array['user' || 1 + n % 50, 'user' || 1 + (n * 3) % 50, 'user' || 1 + (n * 7) % 50, 'user' || 1 + n % 50],
    jsonb_build_object('user' || 1 + n % 50, 1770000000000 + n),
    '2026-01-02'
from generate_series(1, 30) as n;

insert into app."Message"
select
    'message' || n,
    'room' || 1 + n % 30,
    case when n % 4 <> 3 then 'user' || 1 + n % 50 end,
    (array['TEXT', 'IMAGE', 'FILE', 'SYSTEM'])[1 + n % 4]::app."MessageKind",
    repeat('b', n % 50),
    1770000000000 + n * 60000,
    null,
    false,
    '2026-02-20'
from generate_series(1, 2000) as n;

-- Times out of every range, which are clamped before they are multiplied.
update app."Message" set "sentAtMs" = 9223372036854775807
where id = 'message1';

update app."Message" set "sentAtMs" = -9223372036854775808
where id = 'message2';

insert into app."Reaction"
select
    'message' || n,
    'user3',
    '👍',
    timestamp '2026-02-01' + n * interval '1 minute'
from generate_series(1, 500) as n;
