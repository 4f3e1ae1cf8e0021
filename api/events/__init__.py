"""Receiving the messenger's events: an event that was answered with 202 is on a disk.

    POST /events ──► Writer ──one INSERT per group of requests──► PostgreSQL: analytics_events
                       │ PostgreSQL is away                            ▲
                       └──► Queue: a stream in a durable Redis ────────┘ moved when it is back
                              (append-only file, noeviction, WAITAOF)

* **Never lost**: 202 is sent after PostgreSQL has committed, or after Redis has confirmed that its
  append-only file is on the disk. Otherwise the answer is 503.
* **Never doubled**: an event is identified by its id. PostgreSQL keeps the first row of each, so
  the client, the writer and the queue may all repeat themselves.
* **Bounded**: the number, the bytes and the time of waiting events have limits.

A 503 means *not confirmed*: the event may have been stored, and sending it again with its id is
always right. The API computes nothing from these events; metrics are computed from PostgreSQL,
through the ETL. `Feed` shows administrators the most recent events, and may lose them.

All this exists only for a messenger whose mapping has a sink, the INSERT of events. For another one
nothing runs, no connection is opened, and a request gets 404 with the reason.
"""
