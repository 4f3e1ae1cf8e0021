-- metrics.catalog: Every metric in this file: what it means and how it is asked for.
-- grain: one row per metric and version
create schema if not exists metrics;

create or replace table metrics.catalog (
    metric varchar not null,
    version integer not null,
    is_newest boolean not null,
    definition varchar not null,
    grain varchar not null,
    scope varchar not null,
    rules varchar not null,
    parameters varchar[] not null,
    fingerprint varchar not null
);

comment on table metrics.catalog is 'Every metric in this file: what it means and how it is asked for. Grain: one row per metric and version.';
comment on column metrics.catalog.metric is 'its macro is metrics.<metric>_v<version>; the newest one is metrics.<metric> too';
comment on column metrics.catalog.version is 'a version never changes its meaning';
comment on column metrics.catalog.is_newest is 'whether the bare name means this version';
comment on column metrics.catalog.definition is 'what it is, in a sentence';
comment on column metrics.catalog.grain is 'what one row of its result is';
comment on column metrics.catalog.scope is 'of which time each number is';
comment on column metrics.catalog.rules is 'every rule that decides a number';
comment on column metrics.catalog.parameters is 'with types and defaults; times are UTC, ids are those of the source';
comment on column metrics.catalog.fingerprint is 'digest of what it computes';
