-- participants: the members of each channel, and who left it, by their last interval in its history.
-- grain: one row per channel and user
select
    members.channelid as conversation_id,
    members.userid as user_id,
    case
        when members.schemeadmin or members.roles ~ '\mchannel_admin\M' then 'admin'
        else 'member'
    end as role,
    timestamptz 'epoch' + (
        select max(least(history.jointime, 253402300799000)) as jointime
        from channelmemberhistory as history
        where history.channelid = members.channelid and history.userid = members.userid
    ) * interval '1 millisecond' as joined_at,
    null::timestamptz as left_at
from channelmembers as members
union all
select
    history.channelid as conversation_id,
    history.userid as user_id,
    'member' as role,
    timestamptz 'epoch' + least(max(history.jointime), 253402300799000) * interval '1 millisecond' as joined_at,
    timestamptz 'epoch'
    + least(max(greatest(history.jointime, history.leavetime)), 253402300799000)
    * interval '1 millisecond' as left_at
from channelmemberhistory as history
where
    not exists (
        select 1
        from channelmembers as members
        where members.channelid = history.channelid and members.userid = history.userid
    )
group by history.channelid, history.userid
