"""The API: answers queries from published generations, over HTTP.

    request ─► edge ─► auth ─► limits ─► fast_path ─► routes ─► service ─► cache ─► executor
                       who?              in memory?   which     which      Redis?   a macro of the
                                                      query?    generation?         generation

Its rules:

* An answer is a pure function of *(generation, metrics and versions, parameters, scope)*. The cache
  key consists of exactly these, so nothing is ever invalidated: a new generation has new keys.
* A metric's SQL decides who may see what (`visible_to`); the API filters no rows.
* Nothing that it depends on may take it down: without Redis it computes every answer, without
  PostgreSQL it serves the last generation and reports its age.
* Every error is a problem document (RFC 9457) that says what to do.

`api` imports `olap` and never `etl`. Read in this order: `app`, `endpoints`, `routes`,
`parameter_classes`, `query`, `service`, `generations`, `cache`, `seal`, `redis_cache`,
`negotiation`, `fast_path`; then `edge`, `headers`, `paths`, `auth`, `keys`, `guards`, `limits`,
`background`, `deployment`, `events`, `live`, `kept` and `pages`; then `server`, `listener`,
`connections`, `protocol` and `socket_protocol`, which run it. `client` is for other programs,
and the server does not import it. `README.md` is for operators and client programmers.
"""
