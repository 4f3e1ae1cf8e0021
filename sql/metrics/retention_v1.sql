-- retention_v1: Of the people who came in each local day, week or month, how many were active so many of them later.
-- grain: one row per cohort and bucket from the cohort's own to that of until, then the averages, one row per bucket
-- scope: the period from the start of its first bucket to until, UTC; the first time: all time before until
-- needs: read_receipts
-- A cohort is the people who were active for the first time ever in one bucket that the period meets; a person is
-- active as in active_timeline_v1, and cohorts are the new_people of lifecycle_v1: where these are null, or nobody
-- came, there is no cohort. cohort is the first instant of that bucket in UTC, cohort_size its people, bucket_number
-- the number of buckets after it, people those of the cohort who were active then, and retention_rate people in
-- percent of cohort_size, two decimals: of bucket_number 0 it is 100. is_partial is true where that bucket is not
-- over. row_type is cohort, others or average. The rows average (cohort is null) add up the cells that are shown and
-- not partial, so that each person weighs the same; cohort_size is the number of people in these cells. Deleted
-- accounts stay in their cohorts. For a viewer it is about what happened in the viewer's conversations, and cohorts
-- of fewer than five people are not shown: the rows others (cohort is null) add up their cells that are not partial,
-- where they have five people together.
create or replace macro metrics.retention_v1(
    since timestamp,
    until timestamp := null,
    every := 'daily',
    tz := 'UTC',
    visible_to := null,
    include_bots := true
) as table
    with numbered as (
        select *
        from
            core.numbered_buckets(
                since := core.two_buckets_before(instant := since, every := every),
                until := until,
                every := every,
                tz := tz
            )
    ),

    sets as (
        select *
        from
            core.activity_sets(
                buckets := numbered,
                since := core.two_buckets_before(instant := since, every := every),
                until := until,
                visible_to := visible_to,
                include_bots := include_bots
            )
    ),

    asked as (
        select
            number,
            bucket_at,
            next_at > core.end_of(until) as is_partial
        from numbered
        where next_at > since and since < core.end_of(until)
    ),

    newcomers as (
        select *
        from
            core.newcomers(
                buckets := numbered, until := until, visible_to := visible_to, include_bots := include_bots
            )
    ),

    cohorts as (
        select
            asked.number,
            asked.bucket_at,
            found.cohort_size,
            visible_to is not null and found.cohort_size < 5 as is_small
        from (
            select
                number,
                sum(bit_count(arrived)) as cohort_size
            from newcomers
            group by number
        ) as found
        inner join asked on found.number = asked.number
        where asked.bucket_at > core.covered_from(until := until, visible_to := visible_to)
    ),

    counted as (
        select
            newcomers.number as first_number,
            sets.number,
            sum(bit_count(newcomers.arrived & sets.active)) as people
        from newcomers
        inner join sets on newcomers.part = sets.part and newcomers.number <= sets.number
        group by newcomers.number, sets.number
    ),

    cells as (
        select
            cohorts.bucket_at,
            cohorts.is_small,
            cohorts.cohort_size,
            asked.number - cohorts.number as bucket_number,
            coalesce(counted.people, 0) as people,
            asked.is_partial
        from cohorts
        inner join asked on cohorts.number <= asked.number
        left join counted on cohorts.number = counted.first_number and asked.number = counted.number
    ),

    shown as (
        select
            'cohort' as row_type,
            bucket_at as cohort,
            cohort_size,
            bucket_number,
            people,
            is_partial
        from cells
        where not is_small
        union all
        select
            'others' as row_type,
            null as cohort,
            sum(cohort_size) as cohort_size,
            bucket_number,
            sum(people) as people,
            false as is_partial
        from cells
        where is_small and not is_partial
        group by bucket_number
        having sum(cohort_size) >= 5
    ),

    averaged as (
        select *
        from shown
        union all
        select
            'average' as row_type,
            null as cohort,
            sum(cohort_size) as cohort_size,
            bucket_number,
            sum(people) as people,
            false as is_partial
        from shown
        where not is_partial
        group by bucket_number
    ),

    -- an older DuckDB orders no UNION by an expression
    answered as (
        select
            row_type,
            cohort,
            cast(cohort_size as bigint) as cohort_size,
            cast(bucket_number as bigint) as bucket_number,
            cast(people as bigint) as people,
            core.percent_of(part := people, whole := cohort_size) as retention_rate,
            is_partial
        from averaged
        union all by name
        select
            errors.nothing as row_type,
            errors.nothing as cohort,
            errors.nothing as cohort_size,
            errors.nothing as bucket_number,
            errors.nothing as people,
            errors.nothing as retention_rate,
            errors.nothing as is_partial
        from
            core.errors_of(
                core.is_period(since := since, until := until)
                and core.is_interval_of_days(every)
                and core.is_there('read_receipts')
            ) as errors
    )

    select *
    from answered
    order by case row_type when 'cohort' then 1 when 'others' then 2 else 3 end, cohort, bucket_number;
