-- Creates the schema of the metrics and their catalogue.
create schema if not exists metrics;

-- metrics.catalog: Every metric in this file: what it means and how to call it.
-- grain: one row per metric and version
create or replace table metrics.catalog (
    metric varchar not null, -- its macro is metrics.<metric>_v<version>; the newest one is metrics.<metric> too
    version integer not null, -- a version never changes its meaning
    is_newest boolean not null, -- whether the name without a version means this version
    definition varchar not null, -- what it is, in a sentence
    grain varchar not null, -- what one row of its result is
    scope varchar not null, -- the time each number is about
    rules varchar not null, -- every rule that decides a number
    parameters varchar[] not null, -- with types and defaults; times are UTC, ids are those of the source
    fingerprint varchar not null, -- digest of what it computes
    not_available varchar -- which table the source lacks, and what is missing without it; null = nothing is
);
