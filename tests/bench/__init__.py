"""`make bench`: the speed of the ETL, the metrics and the API, each beside a reference.

Each part can be measured alone and at any size (`--only cycles --messages 50000000`); the results
of other parts and sizes stay in `build/bench.json`. `README.md` beside this file holds the figures
and the commands that gave them. One module per question:

* `loads`: how long does a first load take, from nothing to a published generation, and how much
  memory and disk does it need? The references run on the same server with the same SELECTs: the
  server's own `COPY … TO '/dev/null'` (no reader can be faster) and `dlt` (a common tool).
* `backfills`: how fast are two readers, and does the memory stay the same at 20 million messages?
* `changes`: how long does a cycle take that finds 10,000 changed rows in a full warehouse, in each
  mode?
* `source_costs`: what does a feed cost the messenger's own statements?
* `metric_times`: how long do metrics take, by scope and number of days? They run without any cache
  on a lake that is generated (`generated_lake`).
* `peer_times`: how long do PostgreSQL and chDB take for the same answers?
* `api_times`: how fast is one worker of the API: from memory beside a bare Litestar handler,
  uncached, and for 64 clients while generations are published?
* `live_times`: what do 500 open streams cost a worker, and how soon are they told?
* `proofs`: how long does a full verify take, beside a count and an md5 sum in PostgreSQL?
* `goals`: what was promised, and at which size; a goal is judged only at the size it names.

A time is the wall time of a whole process, including the start of Python, and the peak memory is
the kernel's own count for that process (`stopwatch`), without the server's. Runs of different
readers alternate, so that a slow quarter of an hour of the machine affects all of them, and their
medians are compared.

`build/bench` keeps the server with the generated messengers (minutes and several GB, at five
million messages) and the virtual environment of the peers. The generated rows depend on the size
alone, never on the clock.
"""
