"""`make bench`: how fast the ETL, the metrics and the API are, beside what else does the same here.

Its parts can be measured by themselves and at any size (`--only cycles --messages 50000000`); what
other parts and sizes found stays in `build/bench.json`. Each question has its own module:

* `loads`: how long does a first load take, from nothing to a published generation, and how much
  memory and disk? Beside it, on the same server and with the same SELECTs: the server's own
  `COPY … TO '/dev/null'` (no reader can be faster) and `dlt` (what one would otherwise take).
* `backfills`: how fast are two readers, and does the memory stay the same at 20 million messages?
* `changes`: how long does a cycle take that finds 10,000 changed rows in a full warehouse?
* `metric_times`: how long do metrics take, for whom, over how many days? They are asked of a lake
  that is generated (`made_lake`), and of no cache.
* `peer_times`: how long do PostgreSQL and chDB take to give the same answers?
* `api_times`: how fast is one worker of the API: from memory beside a bare Litestar handler,
  uncached, and for a crowd while generations are published?
* `proofs`: how long does a full verify take, beside a count and an md5 sum in PostgreSQL itself?
* `goals`: what was promised, and at which size; a goal counts only at the size it names.

A figure is the wall time of a whole process, Python's start included, and the peak memory is the
kernel's own count for that process (`stopwatch`). The server's memory is not in it. Runs of
different readers alternate, so that a slow quarter of an hour on the machine hits all of them,
and the medians are compared.

Everything is kept in `build/bench`: the server with the generated messengers (minutes and
several GB, at five million messages) and the peers' own virtual environment. The generated rows
depend on the size alone, never on the clock.
"""
