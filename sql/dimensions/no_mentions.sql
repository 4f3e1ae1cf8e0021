-- Empty tables in staging for the ids that facts in the lake mention, as `mentioned` expects them.
create table staging.messages (conversation_id uuid, sender_id bigint);

create table staging.read_receipts (conversation_id uuid, user_id bigint);

create table staging.events (conversation_id uuid, user_id bigint);

create table staging.participants (conversation_id uuid, user_id bigint);
