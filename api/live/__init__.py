"""What is new, sent to clients that wait for it: `GET /stream` and the WebSocket `/live`.

    the pointer moves ──► Live ──► Hub: the newest of each topic ──► Listener ──► stream, socket
    the recent events ──► Watch ──┘      one per worker               one per client

* **No queues.** The hub keeps the newest state of each topic and its version. A client that reads
  slowly misses states in between, and never the newest; memory does not grow with time.
* **The pointer decides.** A generation is announced when this worker answers from it
  (`generations`), and not before. Once a second the worker looks at the pointer, so that it also
  follows it while nobody asks anything.
* **Administrators** see how many events of each type there were in each second. They are read from
  the stream of recent events in Redis while an administrator listens, over one connection.
* A connection ends when its token expires, when the keys change, and after an hour. At SIGTERM all
  of them end (`api.server`), because a stop waits for answers that are not complete.

Read in this order: `hub`, `delivery`, `stream`, `socket`; then `activity`, `recent` and `watch` for
events, and `service`, which connects them.
"""
