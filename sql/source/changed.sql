-- changed: whether a row version is at or after the watermark. What follows `select` becomes part of each form that
-- says `is_changed`.
-- A row version that the snapshot sees has an xid below the snapshot's xmax. So it is at or after the watermark if
-- its xid is between the two on the circle of 32 bits. age() would say the same, but PostgreSQL calls it in no
-- parallel worker; the four bytes that xidsend() returns compare like the number.
select
    case
        when (select current_setting('analytics.versions_wrap')::boolean)
            then
                xidsend(row_version) >= (select xidsend(current_setting('analytics.first_version')::xid))
                or xidsend(row_version) < (select xidsend(current_setting('analytics.until_version')::xid))
        else
            xidsend(row_version) >= (select xidsend(current_setting('analytics.first_version')::xid))
            and xidsend(row_version) < (select xidsend(current_setting('analytics.until_version')::xid))
    end
