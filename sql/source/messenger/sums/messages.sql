-- sums: what the messages of each UTC day add up to under this snapshot.
-- grain: one row per UTC day that has any
-- analytics.tier says what is added up besides: nothing (count); times and lengths (cheap); 60 bits of
-- the md5 of each row's canonical text (full). In that text a string is prefixed by its length, null
-- is -, a time is in microseconds since 1970. Sums, never xor: a row that stands twice must show.
-- analytics.erased maps the ids of erased people to what stands for them here.
-- The counterpart for what is here: sql/facts/messages/sums.sql.
select
    (found.created_at at time zone 'UTC')::date as day,
    count(*) as row_count,
    sum(
        case (select current_setting('analytics.tier'))
            when 'cheap'
                then
                    coalesce((extract(epoch from found.created_at) * 1000000)::bigint, 0)
                    + coalesce((extract(epoch from found.edited_at) * 1000000)::bigint, 0)
                    + coalesce((extract(epoch from found.deleted_at) * 1000000)::bigint, 0)
                    + coalesce(found.content_length, 0)
            when 'full'
                then
                    ('x' || left(md5(convert_to(
                        concat_ws(
                            '|',
                            coalesce(found.message_id::text, '-'),
                            coalesce(found.conversation_id::text, '-'),
                            coalesce(
                                (select current_setting('analytics.erased')::jsonb) ->> found.sender_id::text,
                                found.sender_id::text,
                                '-'
                            ),
                            coalesce(length(found.message_type) || ':' || found.message_type, '-'),
                            coalesce((extract(epoch from found.created_at) * 1000000)::bigint::text, '-'),
                            coalesce((extract(epoch from found.edited_at) * 1000000)::bigint::text, '-'),
                            coalesce((extract(epoch from found.deleted_at) * 1000000)::bigint::text, '-'),
                            coalesce(found.content_length::text, '-')
                        ), 'UTF8'
                    )), 15))::bit(60)::bigint
        end
    )::text as total
from (
    select
        id as message_id,
        conversation_id,
        sender_id,
        message_type,
        case
            when created_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
            when created_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
            else created_at
        end as created_at,
        case
            when updated_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
            when updated_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
            else updated_at
        end as edited_at,
        case
            when deleted_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
            when deleted_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
            else deleted_at
        end as deleted_at,
        length(content) as content_length
    from messages
    where
        (select current_setting('analytics.days') = '{[,)}')
        or created_at <@ (select current_setting('analytics.days')::tstzmultirange)
) as found
group by day
order by day
