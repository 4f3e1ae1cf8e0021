-- What people keep: views and dashboards. One belongs to a subject in a role; $body of the other files is JSON.
-- grain: one row per thing
create table things (
    id text primary key,
    kind text not null,
    role text not null,
    subject text not null,
    name text not null,
    is_shared integer not null,
    version integer not null,
    changed_at text not null,
    body text not null
);
create index things_of_subject on things (subject, role);
create index shared_things on things (is_shared);
