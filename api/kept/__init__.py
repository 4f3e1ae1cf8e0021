"""What people keep: `/kept`, views and dashboards of their own.

    routes ─► store ─► STATE_DIR/state.sqlite (olap.kept)
                │
                └─► things ─► cards        what may be kept; templates are things in files

* A **view** is a name and a state: what the URL of the page says, without what is open on it.
* A **dashboard** has cards besides, in order, each with a width and parameters of its own.

No thing holds a number, a query or a name of the messenger: it says what to ask, and each viewer of
a shared one is answered what they may see. A thing belongs to a subject in a role. Its owner alone
sees it, until an administrator shares it; everybody reads what is shared, and every administrator
may change and remove it, because otherwise the things of one who has left would stay for ever. Only
its owner can stop sharing it.

The version of a thing is its `ETag`, and a change must name the one that it replaces: two people
who edit the same dashboard never overwrite each other without noticing.
"""
