"""Events of the messenger, taken in: what is answered with 202 is on a disk.

    POST /events ──► Writer ──one INSERT for all that came──► PostgreSQL: analytics_events
                       │ PostgreSQL is away                        ▲
                       └──► Queue: a stream in a durable Redis ────┘ moved over when it is back
                              (append-only file, noeviction, WAITAOF)

* **Never lost**: 202 is sent after PostgreSQL has committed, or after Redis has said that its
  append-only file has reached the disk. Where neither happens the answer is 503.
* **Never doubled**: an event is its uuid. PostgreSQL keeps the first one of each, so a client, the
  writer and the queue may all repeat themselves.
* **Bounded**: what waits, in events and bytes, and for how long.

A 503 means *not confirmed*: the event may have been written after all, and to send it again with
its uuid is always right. Nothing is computed from what passes here; the numbers come from
PostgreSQL, through the ETL. `Feed` shows administrators the last events, and may lose them.
"""
